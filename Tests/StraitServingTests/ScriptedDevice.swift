// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Synchronization

/// Time that only the test advances.
final class ManualClock: EngineClock {
    private let time = Mutex(Instant.zero)

    func now() -> Instant { time.withLock { $0 } }

    func advance(by duration: StraitCore.Duration) { time.withLock { $0 = $0 + duration } }
}

/// A device without threads: batches stay on their lanes until the test ends them, on the test's own thread.
final class ScriptedDevice: Device {
    let name: String
    let identity: DeviceIdentity
    let laneCount: Int
    let copying: CopyDescription?
    let isSynthetic: Bool
    let runsInline: Bool
    /// How long a batch takes outside of serving; nil where it fails.
    private let rehearsal: @Sendable (DeviceBatch) -> StraitCore.Duration?

    private struct State {
        /// The engine, which owns this.
        weak var driver: (any LaneDriver)?
        var running: [Int: DeviceBatch] = [:]
        var started: [DeviceBatch] = []
        var loaded = 0
        var unloaded: [Int] = []
        var prepared: [Int] = []
        var complaint: String?
        var probes = 0
        var inline: (@Sendable (Int) -> Void)?
    }

    private let state = Mutex(State())

    init(
        name: String = "scripted", lanes: Int = 1, copying: CopyDescription? = nil, isSynthetic: Bool = false,
        runsInline: Bool = true,
        identity: DeviceIdentity = DeviceIdentity(name: "scripted", driver: "script 1"),
        rehearsal: @escaping @Sendable (DeviceBatch) -> StraitCore.Duration? = { _ in nil }
    ) {
        self.name = name
        laneCount = lanes
        self.copying = copying
        self.isSynthetic = isSynthetic
        self.runsInline = runsInline
        self.identity = identity
        self.rehearsal = rehearsal
    }

    func rehearse(_ batch: DeviceBatch) throws(DeviceError) -> MeasuredTimes {
        guard let time = rehearsal(batch) else { throw DeviceError(.runFailed, "it will not") }
        return MeasuredTimes(copyIn: .zero, kernels: time, copyOut: .zero)
    }

    func load(path: String, name: String) throws(DeviceError) -> LoadedModel {
        let number = state.withLock { state in
            defer { state.loaded += 1 }
            return state.loaded
        }
        return LoadedModel(
            number: number,
            inputs: [TensorSignature(name: "in", type: .fp32, dimensions: [-1, -1], symbols: ["batch", "n"])],
            outputs: [TensorSignature(name: "out", type: .fp32, dimensions: [-1, -1], symbols: ["batch", "n"])])
    }

    func unload(_ model: LoadedModel) { state.withLock { $0.unloaded.append(model.number) } }

    func prepare(_ batch: DeviceBatch) throws(DeviceError) { state.withLock { $0.prepared.append(batch.rows) } }

    func probe() throws(DeviceError) {
        let complaint = state.withLock { state in
            state.probes += 1
            return state.complaint
        }
        if let complaint { throw DeviceError(.deviceLost, complaint) }
    }

    func start(driver: any LaneDriver) { state.withLock { $0.driver = driver } }

    func run(_ batch: DeviceBatch, on lane: LaneID) {
        state.withLock { state in
            precondition(state.running[lane.index] == nil, "lane \(lane.index) is booked twice")
            state.running[lane.index] = batch
            state.started.append(batch)
        }
    }

    func runInline(_ batch: DeviceBatch) {
        run(batch, on: batch.lane)
        state.withLock { $0.inline }?(batch.lane.index)
    }

    func stop() {}

    /// What is done with the batch on a lane, given its index, by the thread that brought it and is to run it; nil for
    /// nothing, so that it stays there.
    var inline: (@Sendable (Int) -> Void)? {
        get { state.withLock { $0.inline } }
        set { state.withLock { $0.inline = newValue } }
    }

    /// What a probe finds wrong; nil for nothing.
    var complaint: String? {
        get { state.withLock { $0.complaint } }
        set { state.withLock { $0.complaint = newValue } }
    }

    /// How often it was probed.
    var probes: Int { state.withLock { $0.probes } }

    /// The numbers of the models that were freed, and the rows of the batches that it prepared for.
    var unloaded: [Int] { state.withLock { $0.unloaded } }
    var prepared: [Int] { state.withLock { $0.prepared } }

    /// It says that it can run nothing any more.
    func lose(_ message: String) {
        guard let driver = state.withLock({ $0.driver }) else { return }
        driver.deviceLost(self, DeviceError(.deviceLost, message))
    }

    /// The inputs of the batch on a lane are there.
    func copyIn(lane: Int) {
        let (driver, batch) = state.withLock { ($0.driver, $0.running[lane]) }
        if let driver, let batch { driver.copiedIn(batch) }
    }

    /// The kernels of the batch on a lane are done; it leaves the lane.
    ///
    /// - Returns: the batch, whose results are being copied back.
    func endKernels(lane: Int) -> DeviceBatch? {
        let (driver, batch) = state.withLock { ($0.driver, $0.running.removeValue(forKey: lane)) }
        if let driver, let batch { driver.kernelsDone(batch) }
        return batch
    }

    /// The results of a batch that has left its lane are there.
    ///
    /// - Returns: what it is given to run next, which should be nothing.
    func copyOut(_ batch: DeviceBatch) -> DeviceBatch? {
        let times = MeasuredTimes(
            copyIn: .milliseconds(1), kernels: .milliseconds(5), copyOut: .milliseconds(1))
        let result = BatchResult(outputs: batch.parts.map { .success($0.inputs) }, times: times)
        return state.withLock { $0.driver }?.laneFinished(batch, .success(result))
    }

    /// The batches on lanes now, by lane.
    var running: [Int: DeviceBatch] { state.withLock { $0.running } }

    /// All batches that were ever started, in order.
    var started: [DeviceBatch] { state.withLock { $0.started } }

    /// Lets go of the batches that have ended, and their tensors.
    func forget() { state.withLock { $0.started = [] } }

    /// Ends the batch on a lane; the results are its inputs.
    func finish(lane: Int, taking time: StraitCore.Duration) {
        end(lane) { batch in
            let times = MeasuredTimes(copyIn: .zero, kernels: time, copyOut: .zero)
            let outputs = batch.parts.map { part in
                part.inputs.map { input in
                    Tensor(name: "out", type: input.type, shape: input.shape, slab: input.slab, range: input.range)
                }
            }
            return .success(BatchResult(outputs: outputs.map { .success($0) }, times: times))
        }
    }

    /// Ends the batch on a lane with a failure.
    func fail(lane: Int, _ code: DeviceError.Code = .runFailed) {
        end(lane) { _ in .failure(DeviceError(code, "model m: it broke")) }
    }

    /// Ends the batch on a lane as one that failed, and whose parts then ran alone; all but those given went well.
    func split(lane: Int, failing failed: Set<Int>) {
        end(lane) { batch in
            let outputs = batch.parts.enumerated().map { index, part -> Result<[Tensor], DeviceError> in
                failed.contains(index) ? .failure(DeviceError(.runFailed, "model m: it broke")) : .success(part.inputs)
            }
            let times = MeasuredTimes(copyIn: .zero, kernels: .milliseconds(1), copyOut: .zero)
            return .success(BatchResult(outputs: outputs, times: times, wasSplit: true))
        }
    }

    private func end(_ lane: Int, _ result: (DeviceBatch) -> Result<BatchResult, DeviceError>) {
        let (driver, batch) = state.withLock { ($0.driver, $0.running.removeValue(forKey: lane)) }
        guard let driver, let batch else { preconditionFailure("nothing runs on lane \(lane)") }
        if let next = driver.laneFinished(batch, result(batch)) {
            precondition(copying == nil, "a device that copies is given batches by run alone")
            precondition(next.lane.index == lane, "a lane is given another lane's batch")
            run(next, on: next.lane)
        }
    }
}

/// Replies by request, in the order they came; a second reply to one request is noted.
final class ReplyLog: Sendable {
    private struct State {
        var replies: [Int: Reply] = [:]
        var doubled: [Int] = []
    }

    private let state = Mutex(State())

    func note(_ number: Int, _ reply: Reply) {
        state.withLock { state in
            if state.replies.updateValue(reply, forKey: number) != nil { state.doubled.append(number) }
        }
    }

    /// Lets go of the replies, and their tensors.
    func forget() { state.withLock { $0.replies = [:] } }

    var count: Int { state.withLock { $0.replies.count } }
    var doubled: [Int] { state.withLock { $0.doubled } }

    subscript(number: Int) -> Reply? { state.withLock { $0.replies[number] } }
}

extension Reply {
    var answer: Answer? { if case .answered(let answer) = self { answer } else { nil } }
    var refusal: Refusal? { if case .refused(let refusal) = self { refusal } else { nil } }
}

/// Never calls.
final class NoTimer: EngineTimer {
    func start(_ fire: @escaping @Sendable () -> Void) {}

    func set(_ instant: Instant) {}

    func stop() {}
}

/// Calls at once, on the thread of whoever asks.
final class PromptTimer: EngineTimer {
    private let fire = Mutex<(@Sendable () -> Void)?>(nil)

    func start(_ fire: @escaping @Sendable () -> Void) { self.fire.withLock { $0 = fire } }

    func set(_ instant: Instant) { fire.withLock { $0 }?() }

    func stop() { fire.withLock { $0 = nil } }
}
