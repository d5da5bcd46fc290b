// SPDX-License-Identifier: Apache-2.0

internal import CCUDARuntime
internal import CFakeCUDA
internal import StraitCore
internal import StraitDevices
internal import StraitPlatform
internal import StraitTensor
internal import Synchronization
internal import Testing

@testable internal import CUDARuntime

/// All share one stand-in, with other suites too, so they run one after the other. A class, to give it back at its end.
@Suite(.serialized) final class CUDADeviceTests {
    /// A copy takes 10 µs and 1 µs for each KiB.
    private static let (overhead, perKiB): (Int64, Int64) = (10_000, 1_000)
    private let pool = SlabPool(budget: 1 << 24)

    init() { fake_cuda_claim() }
    deinit { fake_cuda_give_back() }

    private func runtime(devices: Int = 1, memory: Int = 1 << 30) -> CUDARuntime {
        fake_cuda_reset(CInt(devices), memory, Self.overhead, Self.perKiB)
        return CUDARuntime(table: fake_cuda_table())
    }

    private func device(
        _ runtime: CUDARuntime, _ loader: FakeLoader, change: (inout CUDAOptions) -> Void = { _ in }
    ) throws -> CUDADevice {
        var options = CUDAOptions()
        change(&options)
        return try CUDADevice(options, runtime: runtime, loader: loader, pool: pool)
    }

    /// A batch of requests, each with the rows that its numbers fill.
    private func batch(
        _ number: Int, _ model: LoadedModel, lane: Int = 0, as requestClass: RequestClass = .low, _ parts: [[Float]]
    ) throws -> DeviceBatch {
        DeviceBatch(
            batch: BatchID(slot: UInt32(number), generation: 0), lane: LaneID(index: lane), modelID: ModelID(index: 0),
            model: model, isBatchable: true, requestClass: requestClass,
            parts: try parts.map { values in
                let slab = try pool.take(values.count * 4)
                values.withUnsafeBytes { slab.bytes.copyMemory(from: $0) }
                let shape = Shape([values.count / 4, 4])
                return DeviceBatch.Part(
                    request: RequestID(slot: 0, generation: 0), rows: values.count / 4,
                    inputs: [Tensor(name: "in", type: .fp32, shape: shape, slab: slab, range: 0..<(values.count * 4))])
            })
    }

    private func values(_ tensors: [Tensor]) -> [Float] { tensors[0].bytes.bindMemory(to: Float.self).map { $0 } }

    private func values(_ result: Result<BatchResult, DeviceError>?) throws -> [[Float]] {
        try #require(result).get().outputs.map { values(try $0.get()) }
    }

    // -- the shim -------------------------------------------------------------------------------------------------

    @Test func `where no library serves, each one that was tried is named with its reason`() {
        do throws(CUDAError) {
            _ = try CUDARuntime.load(searching: ["libno-such-thing.so", "libc.so.6"])
            Issue.record("neither of them is CUDA's")
        } catch {
            #expect(error.code == .libraryNotFound && error.number == nil)
            #expect(error.message.contains("libno-such-thing.so") && error.message.contains("cudaRuntimeGetVersion"))
            #expect(error.message.contains("LD_LIBRARY_PATH"))
        }
    }

    @Test func `a device tells about itself, and a missing one is told`() throws {
        let runtime = runtime(devices: 2)
        let hardware = try CUDAHardware(1, of: runtime)
        #expect(hardware.name == "fake 1" && hardware.capability == "9.0" && runtime.version == "13.0")
        #expect(hardware.priorities == (0, -5) && hardware.copyEngines == 3)
        #expect(throws: CUDAError(.noDevice, "there is no CUDA device 2; the driver shows 2")) {
            try CUDAHardware(2, of: runtime)
        }
        fake_cuda_fail(FAKE_DEVICE_COUNT, 0, CInt(CUDA_NO_DRIVER), 0)
        do {
            _ = try CUDAHardware(0, of: runtime)
            Issue.record("there is no driver")
        } catch {
            #expect(error.code == .noDevice && error.number == 35)
        }
        for (number, code) in [
            (2, CUDAError.Code.outOfMemory), (100, .noDevice), (700, .lost), (719, .lost), (1, .failed),
        ] {
            #expect(CUDAError.code(number) == code)
        }
    }

    // -- order and times ------------------------------------------------------------------------------------------

    @Test(arguments: [true, false]) func `batches on two lanes are answered right, in the order of the contract`(
        isShapeKnown: Bool
    ) throws {
        let runtime = runtime()
        let loader = FakeLoader(runtime, isShapeKnown: isShapeKnown)
        let device = try device(runtime, loader)
        let driver = NotingDriver()
        let model = try device.load(path: "none", name: "double")
        device.start(driver: driver)
        // Both lanes at once, then each again: what one leaves in its memory must not reach the other.
        for round in 0..<20 {
            for lane in 0..<2 {
                let number = round * 2 + lane
                let rows: [[Float]] = [
                    (0..<8).map { Float(number * 100 + $0) }, (0..<4).map { Float(-number * 100 - $0) },
                ]
                device.run(
                    try batch(number, model, lane: lane, as: number % 3 == 0 ? .high : .low, rows),
                    on: LaneID(index: lane))
            }
            for _ in 0..<2 { driver.ended.wait() }
        }
        for number in 0..<40 {
            let expected: [[Float]] = [
                (0..<8).map { Float(number * 200 + $0 * 2) }, (0..<4).map { Float(-number * 200 - $0 * 2) },
            ]
            #expect(try values(driver.result(number)) == expected, "batch \(number)")
            let reports = driver.reports.filter {
                [.copiedIn(number), .kernelsDone(number), .ended(number)].contains($0)
            }
            #expect(reports == [.copiedIn(number), .kernelsDone(number), .ended(number)])
            let times = try #require(try driver.result(number)?.get().times)
            // Events tell milliseconds as floats, so a few hundred nanoseconds are lost. They are longer where the other
            // lane lets time pass between this one's event and its launch.
            #expect(times.kernels.nanoseconds > 3_000_000 - 1000, "\(times.kernels)")
            #expect(times.copyIn.nanoseconds >= Self.overhead && times.copyOut.nanoseconds >= Self.overhead)
        }
        device.stop()
    }

    @Test func `the link is measured, and batches of one model wait for the lane's memory`() throws {
        let runtime = runtime()
        // Shorter than its copy: kernels that did not wait for it would read what is not there yet.
        let device = try device(runtime, FakeLoader(runtime) { _ in 100 })
        let link = try #require(device.copying)
        #expect(link.overhead.nanoseconds == Self.overhead + 4 * Self.perKiB)
        #expect((link.bytesPerSecond / 1.024e9 - 1).magnitude < 0.001, "\(link.bytesPerSecond)")
        let model = try device.load(path: "none", name: "double")
        for number in 1...3 {
            let batch = try batch(0, model, [[Float](repeating: Float(number), count: 4096)])
            #expect(try device.runAlone(batch).times.kernels.nanoseconds < 1000)
            #expect(
                try values(.success(device.runAlone(batch)))[0] == [Float](repeating: Float(2 * number), count: 4096))
        }
        device.stop()
    }

    @Test func `the high class has streams that the device prefers`() throws {
        let runtime = runtime()
        for usesPriorities in [true, false] {
            let loader = FakeLoader(runtime)
            let device = try device(runtime, loader) { $0.usesPriorities = usesPriorities }
            let model = try device.load(path: "none", name: "double")
            for requestClass in [RequestClass.low, .high] {
                _ = try device.runAlone(try batch(0, model, as: requestClass, [[1, 2, 3, 4]]))
            }
            #expect(loader.launches.withLock { $0.map(\.priority) } == [0, usesPriorities ? -5 : 0])
            #expect(device.identity.name.contains("priorities") == usesPriorities)
            device.stop()
        }
    }

    @Test func `prepared batches have graphs with places of their own`() throws {
        let runtime = runtime()
        let loader = FakeLoader(runtime)
        let device = try device(runtime, loader) { ($0.usesGraphs, $0.lanes) = (true, 1) }
        let model = try device.load(path: "none", name: "double")
        for rows in [1, 2] {
            try device.prepare(try batch(0, model, [[Float](repeating: 0, count: rows * 4)]))
        }
        let prepared = loader.launches.withLock { $0 }
        #expect(Set(prepared.compactMap(\.graph)) == [1, 2, 3, 4] && !prepared.contains { $0.graph == nil })
        for graph in 1...4 { #expect(Set(prepared.filter { $0.graph == graph }.map(\.input)).count == 1) }
        for rows in [2, 3] {
            let numbers = (0..<(rows * 4)).map { Float($0) }
            let result = try device.runAlone(try batch(0, model, [numbers]))
            #expect(try values(.success(result)) == [numbers.map { $0 * 2 }])
        }
        let last = loader.launches.withLock { Array($0.suffix(2)) }
        #expect(last[0].graph == 3 && last[0].input == prepared.first { $0.graph == 3 }?.input && last[1].graph == nil)
        device.stop()
    }

    @Test func `graphs of a model that is prepared while another goes have numbers of their own`() throws {
        let runtime = runtime()
        let loader = FakeLoader(runtime)
        let device = try device(runtime, loader) { ($0.usesGraphs, $0.lanes) = (true, 1) }
        func prepare(_ model: LoadedModel, rows: Int) throws {
            try device.prepare(try batch(0, model, [[Float](repeating: 0, count: rows * 4)]))
        }
        let first = try device.load(path: "none", name: "first")
        for rows in [1, 2] { try prepare(first, rows: rows) }
        let second = try device.load(path: "none", name: "second")
        let before = loader.launches.withLock { $0.count }
        try prepare(second, rows: 1)
        device.unload(first)
        for rows in [2, 3, 4] { try prepare(second, rows: rows) }
        let launches = loader.launches.withLock { Array($0[before...]) }
        // Four sizes of batch, of two classes: a number that stands for two of them would replay one for the other.
        let graphs = Dictionary(grouping: launches) { $0.graph }
        #expect(graphs.count == 8)
        for (_, runs) in graphs { #expect(Set(runs.map(\.input)).count == 1) }
        device.stop()
    }

    // -- what goes wrong ------------------------------------------------------------------------------------------

    @Test func `a model that does not fit is refused, and the memory of one that goes is free again`() throws {
        let runtime = runtime(memory: 64 << 20)
        let loader = FakeLoader(runtime, sessionBytes: 4 << 20)
        let device = try device(runtime, loader) { $0.memoryBudget = 20 << 20 }
        let first = try device.load(path: "none", name: "first")
        do throws(DeviceError) {
            _ = try device.load(path: "none", name: "second")
            Issue.record("16 of 20 MiB were taken")
        } catch {
            #expect(error.code == .outOfMemory && error.message.contains("second") && error.message.contains("budget"))
        }
        // The refused one's sessions are gone.
        #expect(fake_cuda_device_bytes() == 16 << 20)
        device.unload(first)
        #expect(fake_cuda_device_bytes() == 0)
        _ = try device.load(path: "none", name: "second")
        fake_cuda_fail(FAKE_DEVICE_ALLOCATE, 0, CInt(CUDA_OUT_OF_MEMORY), 0)
        #expect(throws: DeviceError.self) { try device.load(path: "none", name: "third") }
        device.stop()
    }

    @Test func `a batch that fails on its way is run request by request, and the lane goes on`() throws {
        let runtime = runtime()
        let device = try device(runtime, FakeLoader(runtime)) { $0.lanes = 1 }
        let driver = NotingDriver()
        let model = try device.load(path: "none", name: "double")
        device.start(driver: driver)
        for (number, parts) in [[[Float](repeating: 1, count: 4)], [[1, 2, 3, 4], [5, 6, 7, 8]]].enumerated() {
            // The copy back of the batch, after the one of its inputs.
            fake_cuda_fail(FAKE_COPY, 1, 1, 0)
            device.run(try batch(number, model, parts), on: LaneID(index: 0))
            driver.ended.wait()
        }
        guard case .failure(let error) = driver.result(0) else {
            Issue.record("there was nothing to try again")
            return
        }
        #expect(error.code == .runFailed && error.message.contains("CUDA error 1"))
        let split = try #require(try driver.result(1)?.get())
        #expect(split.wasSplit)
        #expect(try values(.success(split)) == [[2, 4, 6, 8], [10, 12, 14, 16]])
        device.run(try batch(2, model, [[1, 1, 1, 1]]), on: LaneID(index: 0))
        driver.ended.wait()
        #expect(try values(driver.result(2)) == [[2, 2, 2, 2]])
        device.stop()
    }

    @Test func `a device that is lost says so once, and answers all that it is given`() throws {
        let runtime = runtime()
        let device = try device(runtime, FakeLoader(runtime))
        let driver = NotingDriver()
        let model = try device.load(path: "none", name: "double")
        device.start(driver: driver)
        try device.probe()
        fake_cuda_fail(FAKE_EVENT_SYNCHRONIZE, 0, 700, 1)
        for number in 0..<4 {
            device.run(
                try batch(number, model, lane: number % 2, [[1, 2, 3, 4], [5, 6, 7, 8]]), on: LaneID(index: number % 2))
            driver.ended.wait()
        }
        for number in 0..<4 {
            guard case .failure(let error) = driver.result(number) else {
                Issue.record("a device that is lost gives no results")
                continue
            }
            #expect(error.code == .deviceLost)
        }
        #expect(driver.reports.filter { $0 == .lost }.count == 1)
        do throws(DeviceError) { try device.probe() } catch { #expect(error.code == .deviceLost) }
        #expect(throws: DeviceError.self) { try device.probe() }
        device.stop()
    }

    @Test func `staging is bounded, and given back`() throws {
        let runtime = runtime()
        let device = try device(runtime, FakeLoader(runtime)) { $0.stagingBudget = 48 << 10 }
        let model = try device.load(path: "none", name: "double")
        let large = try batch(0, model, [[Float](repeating: 1, count: 8192)])
        do throws(DeviceError) {
            _ = try device.runAlone(large)
            Issue.record("inputs and results of 32 KiB each")
        } catch {
            #expect(error.code == .outOfMemory && error.message.contains("pinned"))
        }
        for _ in 0..<100 { _ = try device.runAlone(try batch(0, model, [[Float](repeating: 1, count: 1024)])) }
        #expect(fake_cuda_pinned_bytes() <= 48 << 10)
        device.stop()
    }

    @Test func `batches that cannot be put on their way give their staging memory back`() throws {
        let runtime = runtime()
        let device = try device(runtime, FakeLoader(runtime)) { ($0.stagingBudget, $0.lanes) = (48 << 10, 1) }
        let model = try device.load(path: "none", name: "double")
        let refused = try batch(0, model, [[Float](repeating: 1, count: 1024)])
        for _ in 0..<100 {
            fake_cuda_fail(FAKE_COPY, 0, 1, 0)
            do throws(DeviceError) {
                _ = try device.runAlone(refused)
                Issue.record("the copy of its inputs failed")
            } catch {
                #expect(error.code == .runFailed)
            }
        }
        let result = try device.runAlone(try batch(1, model, [[1, 2, 3, 4]]))
        #expect(try values(.success(result)) == [[2, 4, 6, 8]])
        #expect(fake_cuda_pinned_bytes() <= 48 << 10)
        device.stop()
    }

    @Test(.timeLimit(.minutes(1))) func `a model goes though a batch of another hangs on a lane`() throws {
        let runtime = runtime()
        let (hangs, goesOn) = (Wakeup(), Wakeup())
        let loader = FakeLoader(runtime) { rows in
            if rows == 2 {
                hangs.signal()
                goesOn.wait()
            }
            return 1000
        }
        let device = try device(runtime, loader) { ($0.lanes, $0.unloadPatience) = (1, .zero) }
        let driver = NotingDriver()
        let (first, second) = (
            try device.load(path: "none", name: "first"), try device.load(path: "none", name: "second")
        )
        device.start(driver: driver)
        device.run(try batch(0, second, [[1, 2, 3, 4, 5, 6, 7, 8]]), on: LaneID(index: 0))
        hangs.wait()
        device.unload(first)
        goesOn.signal()
        driver.ended.wait()
        #expect(try values(driver.result(0)) == [[2, 4, 6, 8, 10, 12, 14, 16]])
        // Behind what the lane had to do.
        let result = try device.runAlone(try batch(1, second, [[1, 2, 3, 4]]))
        #expect(try values(.success(result)) == [[2, 4, 6, 8]])
        #expect(throws: DeviceError.self) { try device.runAlone(try batch(2, first, [[1, 2, 3, 4]])) }
        device.stop()
    }

    @Test func `nothing is left of a device that is gone`() throws {
        let runtime = runtime()
        do {
            let device = try device(runtime, FakeLoader(runtime))
            let driver = NotingDriver()
            let model = try device.load(path: "none", name: "double")
            try device.prepare(try batch(0, model, [[1, 2, 3, 4]]))
            device.start(driver: driver)
            device.run(try batch(0, model, [[1, 2, 3, 4]]), on: LaneID(index: 0))
            driver.ended.wait()
            device.stop()
        }
        #expect(fake_cuda_objects() == 0 && fake_cuda_device_bytes() == 0 && fake_cuda_pinned_bytes() == 0)
    }
}
