// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitFormats
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Testing

/// An engine that remembers, on a scripted device and a clock that the test advances.
struct DecisionFixture {
    let clock = ManualClock()
    let device: ScriptedDevice
    let engine: Engine
    let model: ServedModel
    let log = ReplyLog()
    private let pool = SlabPool(budget: 1 << 24)

    /// - Parameters:
    ///   - perRow: the profiled time of one row; nil for a model that was never measured.
    init(
        policy: PolicyName = .edfPriority, lanes: Int = 1, decisions: Int = 64, waiting: Int = 10_000,
        waitingForModel: Int? = nil, perRow: StraitCore.Duration? = .milliseconds(10), copying: CopyDescription? = nil
    ) throws {
        device = ScriptedDevice(lanes: lanes, copying: copying)
        engine = Engine(
            policy: policy, limits: SchedulerLimits(maximumWaiting: waiting), devices: [device], clock: clock,
            timer: NoTimer(), upkeep: NoTimer(), decisions: decisions)
        model = try Self.add("ct", to: engine, device, waiting: waitingForModel, perRow: perRow)
        device.start(driver: engine)
    }

    /// Adds another model.
    func add(_ name: String) throws -> ServedModel {
        try Self.add(name, to: engine, device, waiting: nil, perRow: .milliseconds(10))
    }

    private static func add(
        _ name: String, to engine: Engine, _ device: ScriptedDevice, waiting: Int?, perRow: StraitCore.Duration?
    ) throws -> ServedModel {
        let path = "\(name)/1/model.onnx"
        var specification = ModelSpecification(
            name: name, version: 1, modelFile: path, maxBatchSize: 4,
            inputs: [TensorSpecification(name: "in", type: .fp32, shape: [-1, -1])],
            outputs: [TensorSpecification(name: "out", type: .fp32, shape: [-1, -1])])
        specification.maxQueueSize = waiting
        let profile = perRow.map { time in
            let points = [1, 4].map { ModelProfile.Point(rows: $0, kernelTime: time * Double($0)) }
            return ModelProfile(curves: [.init(bucket: 1, points: points)])
        }
        return engine.add(specification, loaded: try device.load(path: path, name: name), profile: profile)
    }

    @discardableResult
    func submit(
        _ number: Int, _ requestClass: RequestClass = .high, due milliseconds: Double = 1000, id: String = "",
        to other: ServedModel? = nil
    ) throws -> RequestID? {
        let slab = try pool.take(8)
        slab.bytes.bindMemory(to: Float.self).update(repeating: Float(number))
        let submission = Submission(
            model: other ?? model, inputs: [Tensor(name: "in", type: .fp32, shape: [1, 2], slab: slab, range: 0..<8)],
            rows: 1,
            requestClass: requestClass, arrived: clock.now(), deadline: clock.now() + .milliseconds(milliseconds),
            clientID: id)
        return engine.submit(submission) { [log] in log.note(number, $0) }
    }

    func advance(_ milliseconds: Double) { clock.advance(by: .milliseconds(milliseconds)) }

    /// Ends what is on a lane, if anything is, after the time that it is to have taken has passed.
    func finish(lane: Int = 0, after milliseconds: Double) {
        advance(milliseconds)
        if device.running[lane] != nil { device.finish(lane: lane, taking: .milliseconds(milliseconds)) }
    }

    /// What the server answers to a query.
    func ask(_ query: String) throws -> JSONNode {
        try JSONNode.read(
            engine.decisions(try DecisionQuery(try QueryItems(query, known: DecisionQuery.parameters))))
    }

    /// The only request that a query finds.
    func story(_ query: String) throws -> JSONNode {
        let found = try ask(query)["decisions"]?.elements ?? []
        #expect(found.count == 1, "\(query) finds \(found.count)")
        return try #require(found.first)
    }

    /// What is told of a request, each line from its first word on.
    func words(_ query: String) throws -> [String] { Self.words(try story(query)) }

    static func words(_ story: JSONNode) -> [String] { (story["words"]?.elements ?? []).compactMap(\.text) }
}

extension [String] {
    /// Whether a line has these words, all in one.
    func tell(_ words: String) -> Bool { contains { $0.contains(words) } }
}
