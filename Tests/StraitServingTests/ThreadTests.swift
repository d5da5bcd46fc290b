// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import OnnxRuntime
internal import StraitCore
internal import StraitDevices
internal import StraitFormats
internal import StraitPlatform
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Synchronization
internal import Testing

/// The engine with all its threads: lanes that call ONNX Runtime, the timer's, the recorder's, and clients on threads of
/// their own. The other tests play threads one at a time; these are what `make test-sanitized` looks at for data races.
///
/// How the threads cross differs from run to run, so only what holds for every order is checked.
@Suite(.serialized) struct ThreadTests {
    private static let clients = 4
    private static let requestsPerClient = 150
    /// So many requests a client has under way at once.
    private static let outstanding = 8
    /// The table of `fails_sometimes` ends before it.
    private static let badIndex: Int64 = 99
    private static let repository = ".strait/test-models"

    private static let environment = Result { () throws(OnnxRuntimeError) in
        let name = OnnxRuntimeLibrary.environmentVariable
        let candidates = OnnxRuntimeLibrary.candidates(
            explicit: nil, environment: getenv(name).map { [name: String(cString: $0)] } ?? [:],
            executableDirectory: nil, setupDirectory: ".strait/onnxruntime")
        return try Environment(library: try OnnxRuntimeLibrary.load(searching: candidates), logSeverity: .fatal)
    }

    /// What a client's request is about.
    private struct Wish: Sendable {
        let number: Int
        let isBad: Bool
        let isCancelled: Bool
        let isPatient: Bool
    }

    private static func device(_ pool: SlabPool) throws -> CPUDevice {
        let cores = CoreSet.allowed()
        return CPUDevice(
            laneCount: 3, cores: cores.isEmpty ? [0] : cores, environment: try environment.get(), pool: pool)
    }

    /// Two models, one of which fails on some inputs.
    private static func models(_ device: CPUDevice, _ engine: Engine) throws -> [ServedModel] {
        let types: [(String, String, String, ElementType)] = [
            ("identity_fp32", "INPUT0", "OUTPUT0", .fp32), ("fails_sometimes", "index", "value", .int64),
        ]
        return try types.map { name, input, output, type in
            let specification = ModelSpecification(
                name: name, version: 1, modelFile: "\(repository)/\(name)/1/model.onnx", maxBatchSize: 4,
                inputs: [TensorSpecification(name: input, type: type, shape: [-1, -1])],
                outputs: [TensorSpecification(name: output, type: .fp32, shape: [-1, -1])])
            return engine.add(specification, loaded: try device.load(path: specification.modelFile, name: name))
        }
    }

    private static func request(_ wish: Wish, _ models: [ServedModel], _ pool: SlabPool) throws -> Submission {
        let model = models[wish.number % 2]
        let isIndex = wish.number % 2 == 1
        let slab = try pool.take(8)
        if isIndex {
            slab.bytes.storeBytes(of: wish.isBad ? badIndex : Int64(wish.number % 10), as: Int64.self)
        } else {
            slab.bytes.storeBytes(of: Float(wish.number), as: Float.self)
        }
        let type = model.loaded.inputs[0].type
        let tensor = Tensor(
            name: model.loaded.inputs[0].name, type: type, shape: [1, 1], slab: slab, range: 0..<(isIndex ? 8 : 4))
        let now = SystemClock().now()
        return Submission(
            model: model, inputs: [tensor], rows: 1, requestClass: wish.number % 3 == 0 ? .high : .low, arrived: now,
            deadline: now + (wish.isPatient ? .seconds(3600) : .microseconds(Int64(wish.number % 7) * 500)))
    }

    /// What is wrong with a reply, or nil.
    private static func flaw(_ reply: Reply, to wish: Wish, mayBeTurnedAway: Bool) -> String? {
        switch reply {
        case .answered(let answer):
            if wish.isBad { return "request \(wish.number) should have failed" }
            let expected = wish.number % 2 == 1 ? Float(wish.number % 10 * 100) : Float(wish.number)
            let value = answer.outputs.first?.bytes.loadUnaligned(as: Float.self)
            return value == expected ? nil : "request \(wish.number) has another's results"
        case .refused(let refusal):
            switch refusal.error.code {
            case .cancelled: return wish.isCancelled ? nil : "request \(wish.number) was not cancelled"
            case .failedInternally: return wish.isBad ? nil : "request \(wish.number): \(refusal.error.message)"
            case .deadlineExceeded: return wish.isPatient ? "request \(wish.number) had an hour" : nil
            case .unavailable where mayBeTurnedAway: return nil
            default: return "request \(wish.number): \(refusal.error)"
            }
        }
    }

    @Test(arguments: [PolicyName.strait, .triton], [false, true])
    func `clients and lanes on threads of their own: each request is answered once`(
        policy: PolicyName, drainsMidway: Bool
    ) throws {
        let pool = SlabPool(budget: 1 << 20)
        let device = try Self.device(pool)
        // Under one policy the clients' threads run batches, too; so long ones that it also happens in a debug build.
        let engine = Engine(
            policy: policy, devices: [device], inlineLimit: policy == .strait ? .milliseconds(10) : .zero)
        let models = try Self.models(device, engine)
        let folder = Folder()
        let lines = Lines()
        let hub = RecordHub(engine: engine)
        let recorder = try Recorder(path: "\(folder.path)/r.jsonl", hub: hub) { lines.note($0) }
        engine.start()
        hub.start()
        let log = ReplyLog()
        let flaws = Lines()
        let drained = Wakeup()
        let threads = (0..<Self.clients).map { client in
            SystemThread(name: "client") {
                var generator = Seeded(state: UInt64(client))
                let answered = Wakeup()
                for turn in 0..<Self.requestsPerClient {
                    if turn >= Self.outstanding { answered.wait() }
                    if drainsMidway, client == 0, turn == Self.requestsPerClient / 2 {
                        engine.drain { drained.signal() }
                    }
                    let number = turn * Self.clients + client
                    let wish = Wish(
                        number: number, isBad: number % 2 == 1 && generator.chance(0.2),
                        isCancelled: generator.chance(0.2), isPatient: generator.chance(0.7))
                    do {
                        let id = try engine.submit(Self.request(wish, models, pool), later: { $0() }) { reply in
                            let flaw = Self.flaw(reply, to: wish, mayBeTurnedAway: drainsMidway)
                            if let flaw { flaws.note(flaw) }
                            log.note(number, reply)
                            answered.signal()
                        }
                        if wish.isCancelled, let id { engine.cancel(id) }
                    } catch { flaws.note("\(error)") }
                }
                for _ in 0..<Self.outstanding { answered.wait() }
            }
        }
        let observer = observer(of: engine, models, pool)
        for thread in threads { thread.join() }
        observer.stop()
        engine.drain { drained.signal() }
        for _ in 0..<(drainsMidway ? 2 : 1) { drained.wait() }
        recorder.stop()
        hub.stop()
        engine.stop()
        #expect(flaws.all.isEmpty)
        #expect(log.doubled.isEmpty && log.count == Self.clients * Self.requestsPerClient)
        log.forget()
        #expect(pool.bytesInUse == 0)
        let recording = try Recording(path: "\(folder.path)/r.jsonl")
        #expect(recording.answers.count == recording.arrivals.count && !recording.batches.isEmpty)
    }

    /// A thread that looks at everything that others may look at while the engine works.
    private func observer(of engine: Engine, _ models: [ServedModel], _ pool: SlabPool) -> Repeating {
        Repeating {
            for model in models { _ = engine.statistics(of: model) }
            _ = (engine.learned(), engine.counters(of: .high), pool.bytesInUse)
        }
    }

    @Test func `the timer calls for each instant that is asked for, whoever asks`() {
        let timer = TimerThread()
        let called = Wakeup()
        timer.start { called.signal() }
        let threads = (0..<Self.clients).map { client in
            SystemThread(name: "client") {
                for turn in 0..<500 {
                    let now = SystemClock().now()
                    timer.set(now + .microseconds(Int64(client * turn % 50)))
                    // Another thread's call may be the one that comes: then there are as many left for it.
                    if client == 0 { called.wait() }
                }
            }
        }
        for thread in threads { thread.join() }
        timer.stop()
    }

    @Test func `a slab that comes back on one thread is another's next`() throws {
        let pool = SlabPool(budget: 1 << 16)
        let flaws = Lines()
        let threads = (0..<Self.clients).map { client in
            SystemThread(name: "client") {
                var held: [Slab] = []
                for turn in 0..<2000 {
                    if let slab = try? pool.take(1024) {
                        slab.bytes.storeBytes(of: client * 10_000 + turn, as: Int.self)
                        held.append(slab)
                        if slab.bytes.load(as: Int.self) != client * 10_000 + turn { flaws.note("two have one slab") }
                    }
                    if held.count > turn % 20 { held.removeAll(keepingCapacity: true) }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(flaws.all.isEmpty)
        #expect(pool.bytesInUse == 0)
    }
}

/// A thread that does something over and over until it is told to stop.
private final class Repeating: Sendable {
    private let isOver: Flag
    private let thread: SystemThread

    /// A flag that two threads share.
    private final class Flag: Sendable {
        let isUp = Atomic(false)
    }

    init(_ body: @escaping @Sendable () -> Void) {
        let flag = Flag()
        isOver = flag
        thread = SystemThread(name: "observer") { while !flag.isUp.load(ordering: .relaxed) { body() } }
    }

    func stop() {
        isOver.isUp.store(true, ordering: .relaxed)
        thread.join()
    }
}
