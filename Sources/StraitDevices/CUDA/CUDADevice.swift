// SPDX-License-Identifier: Apache-2.0

package import CUDARuntime
internal import Glibc
internal import OnnxRuntime
package import StraitCore
internal import StraitPlatform
package import StraitTensor
internal import Synchronization

/// A CUDA device: each lane a stream (two where classes have priorities), one stream of copies for each direction.
///
/// A batch is gathered into pinned memory by its lane's thread, copied on the stream of copies to the device, run on the
/// lane's stream behind that copy, and copied back behind the kernels; the device itself keeps that order, by events. Two
/// more threads wait for copies to end and report them. Written against CUDA's and ONNX Runtime's interfaces and tested on
/// a stand-in; docs/gpu.md says what has met hardware.
package final class CUDADevice: Device {
    package let name: String
    package let identity: DeviceIdentity
    package let laneCount: Int
    package let copying: CopyDescription?

    private struct State {
        var models: [Int: [LaneModel]] = [:]
        var nextModel = 0
        /// Bytes of device memory that models take.
        var usedBytes = 0
        var loss: DeviceError?
        var isStopped = false
    }

    private let options: CUDAOptions
    private let hardware: CUDAHardware
    private let loader: any AcceleratorLoader
    private let pool: SlabPool
    private let pinned: PinnedPool
    private let lanes: [CUDALane]
    private let state = Mutex(State())
    private let driver = Mutex<(any LaneDriver)?>(nil)
    private let arrivals = Mutex<FlightReporter?>(nil)
    private let departures = Mutex<FlightReporter?>(nil)
    /// Bytes of device memory that may be used.
    package let memoryBudget: Int

    /// Opens a device, and measures its link.
    ///
    /// - Parameters:
    ///   - loader: what loads models onto it.
    ///   - pool: where results are put.
    /// - Throws: ``DeviceError``: `noDevice`, or what CUDA reports.
    package init(
        _ options: CUDAOptions, runtime: CUDARuntime, loader: any AcceleratorLoader, pool: SlabPool
    ) throws(DeviceError) {
        precondition((1...CUDAOptions.maximumLanes).contains(options.lanes), "a device has lanes")
        do {
            let hardware = try CUDAHardware(options.ordinal, of: runtime)
            let (least, greatest) = hardware.priorities
            let hasPriorities = options.usesPriorities && greatest < least
            let pinned = PinnedPool(budget: options.stagingBudget, of: runtime)
            let context = CUDALaneContext(
                hardware: hardware, copyIn: try CUDAStream(of: runtime), copyOut: try CUDAStream(of: runtime),
                pinned: pinned, pool: pool)
            let free = try hardware.memory().free
            memoryBudget = min(options.memoryBudget ?? Int(Double(free) * CUDAOptions.defaultShare), free)
            copying = try Self.measureLink(context)
            var streams: [[CUDAStream]] = []
            for _ in 0..<options.lanes {
                let low = try CUDAStream(priority: least, of: runtime)
                streams.append(hasPriorities ? [low, try CUDAStream(priority: greatest, of: runtime)] : [low])
            }
            lanes = streams.enumerated().map { CUDALane(index: $0, streams: $1, context: context) }
            name = "cuda:\(options.ordinal) (\(hardware.name))"
            var words = "\(hardware.name), \(options.lanes) lane\(options.lanes == 1 ? "" : "s")"
            if hasPriorities { words += ", priorities" }
            if options.usesGraphs { words += ", graphs" }
            identity = DeviceIdentity(
                name: words, driver: "CUDA \(runtime.version) (driver \(runtime.driverVersion)), \(loader.software)")
            self.hardware = hardware
            self.pinned = pinned
        } catch {
            throw DeviceError(error)
        }
        laneCount = options.lanes
        self.options = options
        self.loader = loader
        self.pool = pool
    }

    /// Bytes of the two copies by which a link is measured.
    private static let (smallCopy, largeCopy) = (4096, 16 << 20)
    /// The shortest of so many counts: others on the machine only ever make a copy longer.
    private static let copies = 3

    /// The time of a small copy, and the rate of a large one, to the device.
    private static func measureLink(_ context: CUDALaneContext) throws(CUDAError) -> CopyDescription {
        let runtime = context.hardware.runtime
        let host = try PinnedMemory(largeCopy, of: runtime)
        let device = try DeviceAllocation(largeCopy, of: runtime)
        let (start, end) = (try CUDAEvent(of: runtime), try CUDAEvent(of: runtime))
        func time(_ byteCount: Int) throws(CUDAError) -> Int64 {
            var shortest = Int64.max
            for _ in 0..<copies {
                try start.record(on: context.copyIn)
                try context.copyIn.copy(
                    UnsafeRawBufferPointer(rebasing: host.bytes[..<byteCount]), toDevice: device.address)
                try end.record(on: context.copyIn)
                try end.synchronize()
                shortest = min(shortest, try end.nanoseconds(since: start))
            }
            return max(1, shortest)
        }
        let small = try time(smallCopy)
        let large = try time(largeCopy)
        let rate = Double(largeCopy - smallCopy) / (Double(max(1, large - small)) / 1e9)
        return CopyDescription(overhead: Duration(nanoseconds: small), bytesPerSecond: rate)
    }

    // -- models -----------------------------------------------------------------------------------------------------

    /// What a model takes beyond the size of its file, at least: buffers between its layers, and the provider's own.
    private static let estimateFactor = 1.25

    package func load(path: String, name: String) throws(DeviceError) -> LoadedModel {
        let sessions = lanes.reduce(0) { $0 + $1.streams.count }
        var file = stat()
        let fileBytes = stat(path, &file) == 0 ? Int(file.st_size) : 0
        let estimate = Int(Double(fileBytes * sessions) * Self.estimateFactor)
        let used = state.withLock { $0.usedBytes }
        guard used + estimate <= memoryBudget else { throw refusal(name, needs: estimate, used, sessions) }
        do {
            try hardware.choose()
            let before = try hardware.memory().free
            var onLanes: [LaneModel] = []
            for lane in lanes {
                var made: [any AcceleratorSession] = []
                for stream in lane.streams {
                    made.append(
                        try loader.load(
                            path: path, model: name, on: stream, memoryLimit: memoryBudget - used,
                            usesGraphs: options.usesGraphs))
                }
                onLanes.append(LaneModel(name: name, sessions: made))
            }
            let taken = max(0, before - (try hardware.memory().free))
            guard used + taken <= memoryBudget else { throw refusal(name, needs: taken, used, sessions) }
            let session = onLanes[0].sessions[0]
            let strings = (session.inputs + session.outputs).filter { $0.type == .string }.map(\.name)
            guard strings.isEmpty else {
                throw DeviceError(
                    .cannotLoad,
                    "model \(name): its tensors \(strings.joined(separator: ", ")) are strings, which cannot be put on a "
                        + "CUDA device; serve it with --device cpu")
            }
            var (inputs, outputs): ([TensorSignature], [TensorSignature]) = ([], [])
            for info in session.inputs { inputs.append(try TensorSignature(info, of: name)) }
            for info in session.outputs { outputs.append(try TensorSignature(info, of: name)) }
            let metadata = try session.metadata()
            let number = state.withLock { state in
                state.usedBytes += taken
                state.models[state.nextModel] = onLanes
                defer { state.nextModel += 1 }
                return state.nextModel
            }
            return LoadedModel(number: number, inputs: inputs, outputs: outputs, metadata: metadata)
        } catch {
            let error = DeviceError(any: error)
            throw error.code == .runFailed ? DeviceError(.cannotLoad, error.message) : error
        }
    }

    private func refusal(_ model: String, needs: Int, _ used: Int, _ sessions: Int) -> DeviceError {
        func megabytes(_ bytes: Int) -> Int { bytes / 1_000_000 }
        return DeviceError(
            .outOfMemory,
            "model \(model): its \(sessions) sessions need about \(megabytes(needs)) MB on \(name), and "
                + "\(megabytes(max(0, memoryBudget - used))) of the \(megabytes(memoryBudget)) MB that may be used are left; "
                + "use fewer lanes, no priorities, or a larger memory budget")
    }

    /// Runs of a batch that prepare it: the first one tries algorithms and allocates; a graph is recorded by one of the
    /// next and replayed by the last.
    private static let (warmUps, graphWarmUps) = (2, 4)

    package func prepare(_ batch: DeviceBatch) throws(DeviceError) {
        guard let models = state.withLock({ $0.models[batch.model.number] }) else { throw unknown(batch) }
        // One lane after the other: a graph is recorded only while nothing else on the device allocates or waits.
        for lane in lanes {
            for requestClass in lane.streams.count > 1 ? [RequestClass.low, .high] : [.low] {
                let batch = batch.of(requestClass)
                let runs = options.usesGraphs ? Self.graphWarmUps : Self.warmUps
                let model = models[lane.index]
                let usesGraphs = options.usesGraphs
                try lane.performAndWait { (lane) -> Result<Void, DeviceError> in
                    do throws(DeviceError) {
                        if usesGraphs { try lane.prepareGraph(batch, model) }
                        for _ in 0..<runs { _ = try lane.runAlone(batch, model).get() }
                        return .success(())
                    } catch {
                        return .failure(error)
                    }
                }
            }
        }
        try chargeWarmUp(batch.model.number, models[0].name)
    }

    /// Counts what warming up took.
    private func chargeWarmUp(_ number: Int, _ name: String) throws(DeviceError) {
        do {
            try hardware.choose()
            let memory = try hardware.memory()
            guard memory.free > 0 else {
                throw DeviceError(.outOfMemory, "model \(name): no memory of \(self.name) is left after its warm-up")
            }
        } catch {
            throw DeviceError(any: error)
        }
    }

    package func unload(_ model: LoadedModel) {
        guard state.withLock({ $0.models[model.number] }) != nil else { return }
        // Lanes hold nothing of it any more.
        for lane in lanes {
            try? lane.performAndWait { lane in
                lane.forget(model: model.number)
                return .success(())
            }
        }
        try? hardware.choose()
        let before = (try? hardware.memory().free) ?? 0
        _ = state.withLock { $0.models.removeValue(forKey: model.number) }
        let freed = max(0, ((try? hardware.memory().free) ?? before) - before)
        state.withLock { $0.usedBytes = max(0, $0.usedBytes - freed) }
    }

    private func unknown(_ batch: DeviceBatch) -> DeviceError {
        DeviceError(.runFailed, "\(name) has no model \(batch.model.number) any more")
    }

    package func rehearse(_ batch: DeviceBatch) throws(DeviceError) -> MeasuredTimes {
        try runAlone(batch).times
    }

    /// Runs a batch on its lane and waits for it, while nothing was started: to see its results.
    ///
    /// - Throws: ``DeviceError``.
    package func runAlone(_ batch: DeviceBatch) throws(DeviceError) -> BatchResult {
        guard let models = state.withLock({ $0.models[batch.model.number] }) else { throw unknown(batch) }
        let lane = lanes[batch.lane.index]
        return try lane.performAndWait { lane in lane.runAlone(batch, models[lane.index]) }
    }

    // -- serving ----------------------------------------------------------------------------------------------------

    package func start(driver: any LaneDriver) {
        self.driver.withLock { $0 = driver }
        let choose: @Sendable () -> Void = { [hardware] in try? hardware.choose() }
        let arrivals = FlightReporter(name: "cuda\(options.ordinal)-in", prepare: choose) { [weak self] flight in
            self?.reportArrival(flight)
            flight.arrived.signal()
        }
        let departures = FlightReporter(name: "cuda\(options.ordinal)-out", prepare: choose) { [weak self] flight in
            self?.reportEnd(flight)
        }
        self.arrivals.withLock { $0 = arrivals }
        self.departures.withLock { $0 = departures }
    }

    package func run(_ batch: DeviceBatch, on lane: LaneID) {
        lanes[lane.index].perform { [self] in serve(batch, on: lanes[lane.index]) }
    }

    /// A batch up to the end of its kernels, on its lane's thread.
    private func serve(_ batch: DeviceBatch, on lane: CUDALane) {
        let (models, loss) = state.withLock { ($0.models[batch.model.number], $0.loss) }
        if let loss { return report(batch, .failure(loss)) }
        guard let model = models?[lane.index] else { return report(batch, .failure(unknown(batch))) }
        let flight: Flight
        do {
            flight = try lane.begin(batch, model)
        } catch {
            lane.settle()
            return giveUp(batch, model, lane, error)
        }
        // Before the kernels are launched, which takes the host a while: the copy may be over sooner.
        arrivals.withLock { $0 }?.add(flight)
        var hasArrived = false
        do throws(DeviceError) {
            try lane.launch(flight, model)
            flight.arrived.wait()
            hasArrived = true
            if let failure = flight.failure { throw failure }
            do { try flight.events.kernelsDone.synchronize() } catch { throw DeviceError(error) }
        } catch {
            // Its arrival may still be under way in another thread; each batch is reported by one at a time.
            if !hasArrived { flight.arrived.wait() }
            lane.settle()
            lane.done(flight)
            return giveUp(batch, model, lane, error)
        }
        driver.withLock { $0 }?.kernelsDone(batch)
        departures.withLock { $0 }?.add(flight)
    }

    private func reportArrival(_ flight: Flight) {
        do {
            try flight.events.copied.synchronize()
            flight.releaseInputs()
        } catch {
            return flight.fail(DeviceError(error))
        }
        driver.withLock { $0 }?.copiedIn(flight.batch)
    }

    private func reportEnd(_ flight: Flight) {
        let lane = lanes[flight.batch.lane.index]
        let result: Result<BatchResult, DeviceError>
        do {
            try flight.events.copiedOut.synchronize()
            result = .success(try flight.collect(into: pool))
        } catch {
            result = .failure(DeviceError(any: error))
        }
        lane.done(flight)
        report(flight.batch, result)
    }

    /// A batch that failed as a whole: its requests are run one by one where that may help, since the input of one may be
    /// to blame.
    private func giveUp(_ batch: DeviceBatch, _ model: LaneModel, _ lane: CUDALane, _ error: DeviceError) {
        guard error.code != .deviceLost, batch.parts.count > 1 else { return report(batch, .failure(error)) }
        let start = MonotonicClock.nanoseconds()
        let outputs = batch.parts.map { part in lane.runAlone(batch.only(part), model).flatMap { $0.outputs[0] } }
        let took = Duration(nanoseconds: MonotonicClock.nanoseconds() - start)
        let times = MeasuredTimes(copyIn: .zero, kernels: took, copyOut: .zero)
        report(batch, .success(BatchResult(outputs: outputs, times: times, wasSplit: true)))
    }

    private func report(_ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>) {
        let driver = driver.withLock { $0 }
        if case .failure(let error) = result, error.code == .deviceLost {
            let isFirst = state.withLock { state in
                defer { state.loss = state.loss ?? error }
                return state.loss == nil
            }
            if isFirst { driver?.deviceLost(self, error) }
        }
        _ = driver?.laneFinished(batch, result)
    }

    package func probe() throws(DeviceError) {
        if let loss = state.withLock({ $0.loss }) {
            throw DeviceError(.deviceLost, "\(loss.message); CUDA lets this process use the device no more: restart it")
        }
        do {
            try hardware.choose()
            try hardware.synchronize()
        } catch {
            throw DeviceError(error)
        }
    }

    package func stop() {
        let isFirst = state.withLock { state in
            defer { state.isStopped = true }
            return !state.isStopped
        }
        guard isFirst else { return }
        for lane in lanes { lane.stop() }
        arrivals.withLock { $0 }?.stop()
        departures.withLock { $0 }?.stop()
        driver.withLock { $0 = nil }
    }

    deinit { stop() }
}

extension DeviceBatch {
    /// The same of a class.
    fileprivate func of(_ requestClass: RequestClass) -> DeviceBatch {
        DeviceBatch(
            batch: batch, device: device, lane: lane, modelID: modelID, model: model, isBatchable: isBatchable,
            requestClass: requestClass, parts: parts)
    }
}
