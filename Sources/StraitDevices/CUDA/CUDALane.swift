// SPDX-License-Identifier: Apache-2.0

internal import CUDARuntime
internal import OnnxRuntime
internal import StraitCore
internal import StraitPlatform
internal import StraitTensor
internal import Synchronization

/// What the lanes of a device share.
struct CUDALaneContext: Sendable {
    let hardware: CUDAHardware
    /// The streams of copies to the device and back; each direction has one, so that batches queue there in order.
    let copyIn, copyOut: CUDAStream
    let pinned: PinnedPool
    let pool: SlabPool
}

/// A model on a lane: with a session for each of the lane's streams.
struct LaneModel: Sendable {
    let name: String
    let sessions: [any AcceleratorSession]
}

/// A lane: a thread that puts batches on its streams, and memory of the device for one batch at a time.
///
/// It has one stream for batches of the low class and, where there are priorities, a preferred one for the high class. A
/// graph of CUDA's is recorded and replayed by one thread only, which is another reason for a thread of its own.
// @unchecked: what is not behind the mutex is touched by the lane's own thread only.
final class CUDALane: @unchecked Sendable {
    private struct Mailbox {
        var work: [@Sendable () -> Void] = []
        var isStopping = false
    }

    /// A prepared batch with a graph: its number, and the memory that the graph is tied to.
    private struct GraphPlace {
        let number: Int
        let inputs, outputs: DeviceAllocation
    }

    private struct GraphKey: Hashable {
        let model, stream, rows: Int
        let shapes: [[Int]]
    }

    /// Memory for tensors grows in such steps, because each growth stalls the device.
    private static let growth = 1 << 20

    let index: Int
    /// The low class's stream, then the high class's where there is one.
    let streams: [CUDAStream]
    private let context: CUDALaneContext
    private let mailbox = Mutex(Mailbox())
    private let wakeup = Wakeup()
    private let thread = ThreadSlot()
    private let spareEvents = Mutex<[FlightEvents]>([])

    private var inputs: DeviceAllocation?
    private var outputs: DeviceAllocation?
    private var graphs: [GraphKey: GraphPlace] = [:]
    /// How many there ever were: a number is not used again, or a session would replay another batch's graph.
    private var graphsMade = 0
    /// The end of the last copy out of the lane's memory: kernels that write there wait for it.
    private var lastCopyOut: CUDAEvent?

    init(index: Int, streams: [CUDAStream], context: CUDALaneContext) {
        self.index = index
        self.streams = streams
        self.context = context
        let started = SystemThread(name: "cuda\(context.hardware.ordinal)-lane-\(index)") { [self] in
            try? context.hardware.choose()
            serve()
        }
        thread.put(started)
    }

    // -- the thread -------------------------------------------------------------------------------------------------

    /// Has something done on the lane's thread, after what it was given before.
    func perform(_ work: @escaping @Sendable () -> Void) {
        mailbox.withLock { $0.work.append(work) }
        wakeup.signal()
    }

    /// Has something done on the lane's thread and waits for it.
    func performAndWait<Value: Sendable>(
        _ work: @escaping @Sendable (CUDALane) -> Result<Value, DeviceError>
    ) throws(DeviceError) -> Value {
        let (done, box) = (Wakeup(), ResultBox<Value>())
        perform { [self] in
            let value = work(self)
            box.result.withLock { $0 = value }
            done.signal()
        }
        done.wait()
        guard let value = box.result.withLock({ $0 }) else { preconditionFailure("the work has left a result") }
        return try value.get()
    }

    private final class ResultBox<Value: Sendable>: Sendable {
        let result = Mutex<Result<Value, DeviceError>?>(nil)
    }

    func stop() {
        mailbox.withLock { $0.isStopping = true }
        wakeup.signal()
        thread.take()?.join()
    }

    private func serve() {
        while true {
            wakeup.wait()
            let (work, isStopping) = mailbox.withLock { mailbox in
                (mailbox.work.isEmpty ? nil : mailbox.work.removeFirst(), mailbox.isStopping)
            }
            if let work { work() } else if isStopping { return }
        }
    }

    // -- one batch: on the lane's thread ----------------------------------------------------------------------------

    /// The stream for a class.
    private func stream(for requestClass: RequestClass) -> Int { requestClass == .high ? streams.count - 1 : 0 }

    /// Puts the inputs of a batch on their way to the device. Where that fails nothing of it is under way any more.
    func begin(_ batch: DeviceBatch, _ model: LaneModel) throws(DeviceError) -> Flight {
        let spare = spareEvents.withLock { $0.popLast() }
        let flight: Flight
        do {
            let events = if let spare { spare } else { try FlightEvents(of: context.hardware.runtime) }
            flight = Flight(batch, model: model.name, events: events, pinned: context.pinned)
        } catch {
            throw DeviceError(error)
        }
        do {
            let layout = try BatchLayout(of: batch, model)
            let start = MonotonicClock.nanoseconds()
            let memory = try context.pinned.take(layout.inputBytes)
            layout.gather(batch, into: memory.bytes)
            flight.staged(memory, gatherTime: MonotonicClock.nanoseconds() - start)
            let place = try place(of: batch, layout)
            try flight.events.copyStarts.record(on: context.copyIn)
            try context.copyIn.copy(
                UnsafeRawBufferPointer(rebasing: memory.bytes[..<layout.inputBytes]), toDevice: place.inputs.address)
            try flight.events.copied.record(on: context.copyIn)
            return flight
        } catch {
            settle()
            done(flight)
            throw DeviceError(any: error)
        }
    }

    /// Puts the kernels of a batch on the lane's stream, behind its copy, and the copy of its results behind them.
    func launch(_ flight: Flight, _ model: LaneModel) throws(DeviceError) {
        let (batch, events) = (flight.batch, flight.events)
        let number = stream(for: batch.requestClass)
        let (stream, session) = (streams[number], model.sessions[number])
        do {
            let layout = try BatchLayout(of: batch, model)
            let place = try place(of: batch, layout)
            try stream.wait(for: events.copied)
            if let lastCopyOut { try stream.wait(for: lastCopyOut) }
            try events.kernelsStart.record(on: stream)
            let allocated = try session.launch(
                inputs: layout.inputs.map { $0.moved(by: place.inputs.address) },
                outputs: layout.outputs.map { $0?.moved(by: place.outputs.address) }, graph: place.graph)
            try events.kernelsDone.record(on: stream)
            let all = try layout.all(session, allocated)
            let memory = try context.pinned.take(all.map(\.range.upperBound).max() ?? 0)
            flight.expects(all, in: memory)
            try context.copyOut.wait(for: events.kernelsDone)
            try events.copyOutStarts.record(on: context.copyOut)
            if layout.outputBytes > 0 {
                let target = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<layout.outputBytes])
                try context.copyOut.copy(fromDevice: place.outputs.address, to: target)
            }
            for (output, value) in zip(all, allocated) {
                guard let value else { continue }
                let target = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[output.range])
                try context.copyOut.copy(fromDevice: value.tensor.address, to: target)
            }
            try events.copiedOut.record(on: context.copyOut)
            lastCopyOut = events.copiedOut
        } catch {
            throw DeviceError(any: error)
        }
    }

    /// A batch from beginning to end, reported to nobody.
    func runAlone(_ batch: DeviceBatch, _ model: LaneModel) -> Result<BatchResult, DeviceError> {
        do throws(DeviceError) {
            let flight = try begin(batch, model)
            do {
                try launch(flight, model)
                try flight.events.copiedOut.synchronize()
                let result = try flight.collect(into: context.pool)
                done(flight)
                return .success(result)
            } catch {
                settle()
                done(flight)
                throw DeviceError(any: error)
            }
        } catch {
            return .failure(error)
        }
    }

    /// Gives back what a batch used, which nothing on the device refers to any more.
    func done(_ flight: Flight) {
        flight.release()
        spareEvents.withLock { $0.append(flight.events) }
    }

    /// Waits until nothing of a batch that failed on its way is under way any more; what else goes wrong does not matter.
    func settle() {
        try? context.copyIn.synchronize()
        for stream in streams { try? stream.synchronize() }
        try? context.copyOut.synchronize()
    }

    /// Forgets graphs of a model.
    func forget(model: Int) { graphs = graphs.filter { $0.key.model != model } }

    // -- memory -----------------------------------------------------------------------------------------------------

    /// Makes a graph's memory, so that the runs of this batch from now on record and replay it.
    func prepareGraph(_ batch: DeviceBatch, _ model: LaneModel) throws(DeviceError) {
        let layout = try BatchLayout(of: batch, model)
        let key = key(of: batch)
        // A graph writes to fixed places, so all must be known.
        guard graphs[key] == nil, layout.outputs.allSatisfy({ $0 != nil }) else { return }
        do {
            graphsMade += 1
            graphs[key] = GraphPlace(
                number: graphsMade,
                inputs: try DeviceAllocation(layout.inputBytes, of: context.hardware.runtime),
                outputs: try DeviceAllocation(layout.outputBytes, of: context.hardware.runtime))
        } catch {
            throw DeviceError(error)
        }
    }

    private func key(of batch: DeviceBatch) -> GraphKey {
        GraphKey(
            model: batch.model.number, stream: stream(for: batch.requestClass), rows: batch.rows,
            shapes: (batch.parts.first?.inputs ?? []).map {
                Array($0.shape.dimensions.dropFirst(batch.isBatchable ? 1 : 0))
            })
    }

    private func place(
        of batch: DeviceBatch, _ layout: BatchLayout
    ) throws(CUDAError) -> (inputs: DeviceAllocation, outputs: DeviceAllocation, graph: Int?) {
        if !graphs.isEmpty, let place = graphs[key(of: batch)] { return (place.inputs, place.outputs, place.number) }
        return (try grown(&inputs, layout.inputBytes), try grown(&outputs, layout.outputBytes), nil)
    }

    private func grown(_ memory: inout DeviceAllocation?, _ byteCount: Int) throws(CUDAError) -> DeviceAllocation {
        if let memory, memory.byteCount >= byteCount { return memory }
        // Freed first: both may not fit.
        memory = nil
        let made = try DeviceAllocation(
            byteCount.roundedUp(to: Self.growth), of: context.hardware.runtime)
        memory = made
        return made
    }
}
