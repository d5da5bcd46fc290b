// SPDX-License-Identifier: Apache-2.0

package import CUDARuntime
package import StraitCore
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

    struct State {
        var models: [Int: [LaneModel]] = [:]
        var nextModel = 0
        /// Bytes of device memory that models take.
        var usedBytes = 0
        var loss: DeviceError?
        var isStopped = false
    }

    let options: CUDAOptions
    let hardware: CUDAHardware
    let loader: any AcceleratorLoader
    let pool: SlabPool
    private let pinned: PinnedPool
    let lanes: [CUDALane]
    let state = Mutex(State())
    let driver = Mutex<(any LaneDriver)?>(nil)
    let arrivals = Mutex<FlightReporter?>(nil)
    let departures = Mutex<FlightReporter?>(nil)
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
