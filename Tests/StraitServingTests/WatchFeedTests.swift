// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Synchronization
internal import Testing

/// The feed of a page: silent without viewers, complete with them, beside a file that is recorded at the same time.
@Suite struct WatchFeedTests {
    private let clock = ManualClock()
    private let device = ScriptedDevice(lanes: 2)
    private let engine: Engine
    private let model: ServedModel
    private let pool = SlabPool(budget: 1 << 24)
    private let log = ReplyLog()
    private let hub: RecordHub
    private let feed: WatchFeed
    private let inbox = Inbox()

    /// What was sent.
    private final class Inbox: Sendable {
        private let texts: Mutex<[String]> = Mutex([])

        func note(_ message: WatchFeed.Message) {
            let text =
                switch message {
                case .head(let json): "head " + String(decoding: json, as: UTF8.self)
                case .frame(let json, let isKey): (isKey ? "key " : "frame ") + String(decoding: json, as: UTF8.self)
                case .heartbeat: "heartbeat"
                case .end: "end"
                }
            texts.withLock { $0.append(text) }
        }

        func take() -> [String] {
            texts.withLock { texts in
                defer { texts = [] }
                return texts
            }
        }
    }

    init() throws {
        engine = Engine(policy: .edfPriority, device: device, clock: clock)
        let specification = ModelSpecification(
            name: "m", version: 1, modelFile: "m/1/model.onnx", maxBatchSize: 4,
            inputs: [TensorSpecification(name: "in", type: .fp32, shape: [-1, -1])],
            outputs: [TensorSpecification(name: "out", type: .fp32, shape: [-1, -1])])
        model = engine.add(specification, loaded: try device.load(path: "m/1/model.onnx", name: "m"))
        device.start(driver: engine)
        hub = RecordHub(engine: engine, capacity: 1000)
        feed = WatchFeed(engine: engine, hub: hub, server: "strait test")
        feed.deliver { [inbox] in inbox.note($0) }
    }

    private func submit(_ number: Int, _ requestClass: RequestClass = .high) throws {
        let tensor = Tensor(name: "in", type: .fp32, shape: [1, 2], slab: try pool.take(8), range: 0..<8)
        let submission = Submission(
            model: model, inputs: [tensor], rows: 1, requestClass: requestClass, arrived: clock.now(),
            deadline: clock.now() + .seconds(10))
        engine.submit(submission) { [log] in log.note(number, $0) }
    }

    /// Two ticks make a frame.
    private func turn() -> [String] {
        hub.tick()
        hub.tick()
        return inbox.take()
    }

    @Test func `nobody watches and nothing is noted`() throws {
        try submit(0)
        #expect(turn().isEmpty)
        var records: [Recording.Record] = []
        #expect(engine.takeRecords(&records) == 0 && records.isEmpty)
    }

    @Test func `who watches is told the head, what happens and what runs, and then nothing`() throws {
        feed.setViewers(1)
        hub.tick()
        clock.advance(by: .milliseconds(5))
        for number in 0..<3 { try submit(number) }
        let first = turn()
        #expect(first.count == 2)
        #expect(first[0].hasPrefix("head {\"strait_watch\":1,\"source\":\"live\",\"server\":\"strait test\""))
        #expect(first[1].hasPrefix("key {") && first[1].contains("\"total\":[[3,0,0,0,0,0],[0,0,0,0,0,0]]"))
        #expect(first[1].contains("\"queue\":[[0,0,1]]"), "two lanes, three requests")
        #expect(first[1].contains("\"run\":[[0,0,0,0,1,0,") && first[1].contains("\"batch\":[]"))
        #expect(turn().isEmpty, "nothing has changed")
        clock.advance(by: .milliseconds(5))
        while let lane = device.running.keys.min() { device.finish(lane: lane, taking: .milliseconds(5)) }
        let second = turn()
        #expect(
            second.count == 1 && second[0].contains("\"total\":[[3,3,0,0,0,0],") && second[0].contains("\"run\":[]"))
        #expect(
            second[0].contains("\"count\":[[0,0,3,3,0,0,0,0,0,0,0,0]]") && second[0].contains("[[1,-5000,9995000,1]]"))
        #expect(turn().isEmpty)
    }

    @Test func `a quiet server sends a sign of life now and then`() throws {
        feed.setViewers(1)
        var told = turn()
        for _ in 0..<100 { told += turn() }
        #expect(told.dropFirst(2).allSatisfy { $0 == "heartbeat" } && (1...2).contains(told.count - 2))
    }

    @Test func `a file and a page are told the same, whoever comes first`() throws {
        let folder = Folder()
        let recorder = try Recorder(path: "\(folder.path)/r.jsonl", hub: hub) { _ in }
        try submit(0)
        hub.tick()
        feed.setViewers(1)
        hub.tick()
        try submit(1)
        while let lane = device.running.keys.min() {
            clock.advance(by: .milliseconds(5))
            device.finish(lane: lane, taking: .milliseconds(5))
        }
        let told = turn()
        #expect(told.count == 2 && told[1].contains("\"count\":[[0,0,1,1,"), "the page knows the second request only")
        #expect(told[1].contains("[[2,"), "by the server's number")
        feed.setViewers(0)
        try submit(2)
        hub.tick()
        recorder.stop()
        let recording = try Recording(path: "\(folder.path)/r.jsonl")
        #expect(recording.arrivals.count == 3 && recording.answers.count == 2)
    }

    @Test func `a model that joins while somebody watches has its place`() throws {
        feed.setViewers(1)
        _ = turn()
        let specification = ModelSpecification(
            name: "n", version: 1, modelFile: "n/1/model.onnx", maxBatchSize: 4,
            inputs: [TensorSpecification(name: "in", type: .fp32, shape: [-1, -1])],
            outputs: [TensorSpecification(name: "out", type: .fp32, shape: [-1, -1])])
        _ = engine.add(specification, loaded: try device.load(path: "n/1/model.onnx", name: "n"))
        #expect(turn().last?.contains("\"models\":[\"m\",\"n\"]") == true)
    }

    @Test func `what runs when somebody begins to watch is left out until it has ended`() throws {
        for number in 0..<2 { try submit(number) }
        feed.setViewers(1)
        hub.tick()
        clock.advance(by: .milliseconds(1))
        #expect(turn().last?.contains("\"run\":[]") == true)
        clock.advance(by: .milliseconds(5))
        device.finish(lane: 0, taking: .milliseconds(5))
        // It takes the slot of the one that has ended; the other lane's is still of the past.
        try submit(2)
        device.finish(lane: 1, taking: .milliseconds(5))
        let told = turn()
        #expect(told.last?.contains("\"total\":[[3,2,0,0,0,0],") == true && told.last?.contains("\"batch\":[]") == true)
        #expect(told.last?.contains("\"run\":[[0,0,0,0,1,0,") == true)
        clock.advance(by: .milliseconds(5))
        device.finish(lane: 0, taking: .milliseconds(5))
        #expect(turn().last?.contains("\"batch\":[[0,0,0,0,1,-5000,") == true)
    }
}
