// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitFormats

@testable internal import StraitServing

/// What a server keeps on disk while it serves, what it learned and a recording, without the threads that save it.
// @unchecked: see the clock.
final class Keeping: @unchecked Sendable {
    private let engine: Engine
    private let knowledge: PriorKnowledge
    private let models: [ServedModel]
    private let keeper: LearnedKeeper
    private let hub: RecordHub
    private let recorder: Recorder
    private let lines = Lines()
    private let learnedPath: String
    private let recordingPath: String

    init(_ engine: Engine, _ models: [ServedModel], _ knowledge: PriorKnowledge, at path: String) throws {
        self.engine = engine
        self.models = models
        self.knowledge = knowledge
        learnedPath = "\(path).learned.json"
        recordingPath = "\(path).jsonl"
        keeper = LearnedKeeper(
            path: learnedPath, engine: engine, device: knowledge.device, log: lines.note)
        hub = RecordHub(engine: engine)
        recorder = try Recorder(path: recordingPath, hub: hub, log: lines.note)
    }

    /// What the threads do in their time.
    func save() {
        keeper.save()
        hub.tick()
    }

    /// What is wrong with the files when all is answered.
    func check() throws -> String? {
        keeper.stop()
        recorder.stop()
        if lines.have("warning") { return "\(lines.all)" }
        let recording = try Recording(path: recordingPath)
        let arrived = RequestClass.allCases.reduce(0) { $0 + engine.counters(of: $1).arrived }
        if recording.arrivals.count != arrived || recording.answers.count != arrived {
            return "\(recording.arrivals.count) arrivals and \(recording.answers.count) answers are in the recording"
        }
        let next = Engine(
            policy: engine.policy, devices: engine.devices.map { NoDevice(lanes: $0.laneCount, copying: $0.copying) },
            timer: VirtualTimer(), upkeep: VirtualTimer())
        for model in models {
            _ = next.add(
                model.specification, onDevices: model.onDevices, key: model.key, profile: model.profile)
        }
        let heir = LearnedKeeper(
            path: learnedPath, engine: next, device: knowledge.device, log: lines.note)
        heir.restore(try LearnedStateFile(path: learnedPath))
        if !lines.have("restored for \(models.count) of \(models.count)") { return "\(lines.all)" }
        return next.learned() == engine.learned() ? nil : "what was learned is another thing on disk"
    }

    /// A device that nothing runs on.
    private final class NoDevice: Device {
        let name = "none"
        let laneCount: Int
        let copying: CopyDescription?
        init(lanes: Int, copying: CopyDescription?) {
            laneCount = lanes
            self.copying = copying
        }
        func load(path: String, name: String) throws(DeviceError) -> LoadedModel { throw DeviceError(.cannotLoad, "") }
        func unload(_ model: LoadedModel) {}
        func start(driver: any LaneDriver) {}
        func run(_ batch: DeviceBatch, on lane: LaneID) {}
        func stop() {}
    }
}
