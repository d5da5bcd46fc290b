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
    let name = "scripted"
    let identity: DeviceIdentity
    let laneCount: Int
    /// How long a batch takes outside of serving; nil where it fails.
    private let rehearsal: @Sendable (DeviceBatch) -> StraitCore.Duration?

    private struct State {
        /// The engine, which owns this.
        weak var driver: (any LaneDriver)?
        var running: [Int: DeviceBatch] = [:]
        var started: [DeviceBatch] = []
        var loaded = 0
    }

    private let state = Mutex(State())

    init(
        lanes: Int = 1, identity: DeviceIdentity = DeviceIdentity(name: "scripted", driver: "script 1"),
        rehearsal: @escaping @Sendable (DeviceBatch) -> StraitCore.Duration? = { _ in nil }
    ) {
        laneCount = lanes
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

    func unload(_ model: LoadedModel) {}

    func start(driver: any LaneDriver) { state.withLock { $0.driver = driver } }

    func run(_ batch: DeviceBatch, on lane: LaneID) {
        state.withLock { state in
            precondition(state.running[lane.index] == nil, "lane \(lane.index) is booked twice")
            state.running[lane.index] = batch
            state.started.append(batch)
        }
    }

    func stop() {}

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
    func fail(lane: Int) {
        end(lane) { _ in .failure(DeviceError(.runFailed, "model m: it broke")) }
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
