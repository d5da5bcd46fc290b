// SPDX-License-Identifier: Apache-2.0

internal import CUDARuntime
internal import StraitCore
internal import StraitPlatform
internal import StraitTensor
internal import Synchronization

/// The events of one batch, by which the device orders its streams and tells its times.
struct FlightEvents: Sendable {
    /// Around the copy of the inputs, on the stream of copies to the device.
    let copyStarts, copied: CUDAEvent
    /// Around the kernels, on the lane's stream.
    let kernelsStart, kernelsDone: CUDAEvent
    /// Around the copy of the results, on the stream of copies from the device.
    let copyOutStarts, copiedOut: CUDAEvent

    init(of runtime: CUDARuntime) throws(CUDAError) {
        (copyStarts, copied) = (try CUDAEvent(of: runtime), try CUDAEvent(of: runtime))
        (kernelsStart, kernelsDone) = (try CUDAEvent(of: runtime), try CUDAEvent(of: runtime))
        (copyOutStarts, copiedOut) = (try CUDAEvent(of: runtime), try CUDAEvent(of: runtime))
    }
}

/// A batch on its way through a device: to it, through its kernels, and back.
final class Flight: Sendable {
    /// An output on its way back.
    struct Output: Sendable {
        let name: String
        let type: ElementType
        let shape: [Int]
        /// Where it lies in the staging memory.
        let range: Range<Int>
        /// What holds its memory on the device; nil where that is the lane's.
        let owner: AllocatedOutput?
    }

    private struct State {
        var gatherTime: Int64 = 0
        var pinnedIn: PinnedMemory?
        var pinnedOut: PinnedMemory?
        var outputs: [Output] = []
        var failure: DeviceError?
    }

    let batch: DeviceBatch
    let model: String
    let events: FlightEvents
    /// Signalled when the inputs' arrival was reported, or cannot be.
    let arrived = Wakeup()
    private let pinned: PinnedPool
    private let state = Mutex(State())

    init(_ batch: DeviceBatch, model: String, events: FlightEvents, pinned: PinnedPool) {
        self.batch = batch
        self.model = model
        self.events = events
        self.pinned = pinned
    }

    /// What went wrong; the first counts.
    var failure: DeviceError? { state.withLock { $0.failure } }

    func fail(_ error: DeviceError) { state.withLock { $0.failure = $0.failure ?? error } }

    /// The memory that the inputs are copied from, and how long it took to put them together.
    func staged(_ memory: PinnedMemory, gatherTime: Int64) {
        state.withLock { ($0.pinnedIn, $0.gatherTime) = (memory, gatherTime) }
    }

    /// The memory that the results are copied to.
    func expects(_ outputs: [Output], in memory: PinnedMemory) {
        state.withLock { ($0.pinnedOut, $0.outputs) = (memory, outputs) }
    }

    /// Gives back the memory of the inputs, which are on the device.
    func releaseInputs() {
        let memory = state.withLock { state in
            defer { state.pinnedIn = nil }
            return state.pinnedIn
        }
        if let memory { pinned.give(memory) }
    }

    /// Gives back all memory; nothing on the device refers to it any more.
    func release() {
        releaseInputs()
        let memory = state.withLock { state in
            defer { (state.pinnedOut, state.outputs) = (nil, []) }
            return state.pinnedOut
        }
        if let memory { pinned.give(memory) }
    }

    /// The results and times of a batch whose results are back.
    ///
    /// - Parameter pool: where the results go.
    /// - Throws: ``DeviceError``.
    /// - Complexity: O(bytes of the results): they are copied out of the staging memory.
    func collect(into pool: SlabPool) throws(DeviceError) -> BatchResult {
        let start = MonotonicClock.nanoseconds()
        let (memory, outputs, gatherTime) = state.withLock { ($0.pinnedOut, $0.outputs, $0.gatherTime) }
        let slab = pool.takeBeyondBudget(outputs.map(\.range.upperBound).max() ?? 0)
        var whole: [Tensor] = []
        for output in outputs {
            if let memory, !output.range.isEmpty {
                UnsafeMutableRawBufferPointer(rebasing: slab.bytes[output.range])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: memory.bytes[output.range]))
            }
            whole.append(
                Tensor(
                    name: output.name, type: output.type, shape: Shape(output.shape), slab: slab, range: output.range))
        }
        let results = try batch.split(whole, model: model)
        do {
            let copyIn = gatherTime + (try events.copied.nanoseconds(since: events.copyStarts))
            let kernels = try events.kernelsDone.nanoseconds(since: events.kernelsStart)
            let back = try events.copiedOut.nanoseconds(since: events.copyOutStarts)
            let copyOut = back + MonotonicClock.nanoseconds() - start
            return BatchResult(
                outputs: results.map { .success($0) },
                times: MeasuredTimes(
                    copyIn: Duration(nanoseconds: copyIn), kernels: Duration(nanoseconds: kernels),
                    copyOut: Duration(nanoseconds: copyOut)))
        } catch {
            throw DeviceError(error)
        }
    }
}

/// A thread that waits for what happens to batches, one after the other, and reports it.
final class FlightReporter: Sendable {
    private struct State {
        var flights: [Flight] = []
        var isStopping = false
    }

    private let state = Mutex(State())
    private let wakeup = Wakeup()
    private let thread = ThreadSlot()

    /// - Parameters:
    ///   - prepare: called first on the thread.
    ///   - report: waits for a batch's event and reports it.
    init(name: String, prepare: @escaping @Sendable () -> Void, report: @escaping @Sendable (Flight) -> Void) {
        let started = SystemThread(name: name) { [self] in
            prepare()
            while true {
                wakeup.wait()
                let (flight, isStopping) = state.withLock { state in
                    (state.flights.isEmpty ? nil : state.flights.removeFirst(), state.isStopping)
                }
                if let flight { report(flight) } else if isStopping { return }
            }
        }
        thread.put(started)
    }

    /// Reports a batch after those before it.
    func add(_ flight: Flight) {
        state.withLock { $0.flights.append(flight) }
        wakeup.signal()
    }

    /// Ends the thread when all was reported.
    func stop() {
        state.withLock { $0.isStopping = true }
        wakeup.signal()
        thread.take()?.join()
    }
}
