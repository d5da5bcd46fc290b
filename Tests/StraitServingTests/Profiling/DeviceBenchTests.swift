// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitFormats
internal import StraitPlatform
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Synchronization
internal import Testing

/// A device whose lanes are threads, and whose batches are done at once, whatever they say that they took.
private final class QuickDevice: Device {
    let name = "quick"
    let laneCount = 2

    private struct State {
        var driver: (any LaneDriver)?
        var batches: [DeviceBatch?] = [nil, nil]
        var isStopping = false
        var threads: [SystemThread] = []
        /// Batches on their way, of which one that copies takes one at a time.
        var copyingIn = 0
        var mostCopyingIn = 0
    }

    private let state = Mutex(State())
    private let wakeups = [Wakeup(), Wakeup()]
    private let run: @Sendable (DeviceBatch) -> Result<BatchResult, DeviceError>

    let copying: CopyDescription?

    init(copies: Bool = false, _ run: @escaping @Sendable (DeviceBatch) -> Result<BatchResult, DeviceError>) {
        copying = copies ? CopyDescription(overhead: .microseconds(5), bytesPerSecond: 1e10) : nil
        self.run = run
    }

    /// The most batches that were on their way at one time.
    var mostCopyingIn: Int { state.withLock { $0.mostCopyingIn } }

    func load(path: String, name: String) throws(DeviceError) -> LoadedModel {
        throw DeviceError(.cannotLoad, "it has all it needs")
    }

    func unload(_ model: LoadedModel) {}

    func start(driver: any LaneDriver) {
        let threads = wakeups.indices.map { lane in SystemThread(name: "quick-\(lane)") { [self] in serve(lane) } }
        state.withLock { state in
            state.driver = driver
            state.threads = threads
        }
    }

    private func serve(_ lane: Int) {
        while true {
            wakeups[lane].wait()
            let (batch, driver, isStopping) = state.withLock { state in
                defer { state.batches[lane] = nil }
                return (state.batches[lane], state.driver, state.isStopping)
            }
            var next = batch
            while let current = next {
                let result = run(current)
                if copying != nil {
                    state.withLock { $0.copyingIn -= 1 }
                    // One that fails does so on its way.
                    if case .success = result {
                        driver?.copiedIn(current)
                        driver?.kernelsDone(current)
                    }
                }
                next = driver?.laneFinished(current, result)
            }
            if isStopping { return }
        }
    }

    func run(_ batch: DeviceBatch, on lane: LaneID) {
        state.withLock { state in
            state.batches[lane.index] = batch
            state.copyingIn += 1
            state.mostCopyingIn = max(state.mostCopyingIn, state.copyingIn)
        }
        wakeups[lane.index].signal()
    }

    func stop() {
        let threads = state.withLock { state in
            state.isStopping = true
            return state.threads
        }
        for wakeup in wakeups { wakeup.signal() }
        for thread in threads { thread.join() }
    }
}

@Suite struct DeviceBenchTests {
    private static let pool = SlabPool(budget: 1 << 28)
    private static let key = ModelKey(name: "m", version: 1, hash: "h")

    /// A batchable model of lines whose length varies, in batches of up to 4.
    private static func model(key: ModelKey = key) -> DeviceBench.Model {
        let signature = TensorSignature(name: "x", type: .fp32, dimensions: [-1, 3, -1], symbols: ["batch", "", "n"])
        let specification = ModelSpecification(
            name: "m", version: 1, modelFile: "m", maxBatchSize: 4,
            inputs: [
                TensorSpecification(name: "x", type: .fp32, shape: Shape([-1, 3, -1]), symbols: signature.symbols)
            ], outputs: [])
        let loaded = LoadedModel(number: 0, inputs: [signature], outputs: [])
        return DeviceBench.Model(key: key, specification: specification, loaded: loaded)
    }

    /// A device on which a row of n elements takes n ns, and whose results are its inputs.
    private static func device(
        copies: Bool = false, failing fails: @escaping @Sendable (DeviceBatch) -> Bool = { _ in false }
    ) -> QuickDevice {
        QuickDevice(copies: copies) { batch in
            guard !fails(batch) else { return .failure(DeviceError(.runFailed, "it will not")) }
            let elements = batch.parts.reduce(0) { sum, part in part.inputs.reduce(sum) { $0 + $1.range.count / 4 } }
            let times = MeasuredTimes(
                copyIn: StraitCore.Duration(nanoseconds: 7), kernels: StraitCore.Duration(nanoseconds: Int64(elements)),
                copyOut: .zero)
            return .success(BatchResult(outputs: batch.parts.map { .success($0.inputs) }, times: times))
        }
    }

    private func bench<Value>(
        _ device: QuickDevice, _ body: (DeviceBench) throws -> Value
    ) rethrows -> Value {
        let bench = DeviceBench(device, cores: [], pool: Self.pool)
        defer { bench.stop() }
        return try body(bench)
    }

    private static func subject(_ elements: Int, _ rows: Int) -> ProfileRecord.Subject {
        ProfileRecord.Subject(model: "m", version: 1, elementsPerRow: elements, rows: rows)
    }

    @Test func `what was asked for comes first, then the usual sizes of other powers of two`() throws {
        let target = try bench(Self.device()) { try $0.add(Self.model(), shapes: [["x": [1, 3, 320]]]) }
        // 960 takes the place of 3 × 256.
        #expect(target.sizes.map(\.elementsPerRow) == [960, 192, 48, 1536, 3])
        #expect(target.sizes.map(\.time.nanoseconds) == target.sizes.map { Int64($0.elementsPerRow) })
        #expect(target.maximumBatch == 4)
    }

    @Test(arguments: [
        (["y": [1, 3, 4]], "it has no input y; its inputs are x"),
        (["x": [1, 4, 4]], "its input x is of shape [-1,3,-1], not [1,4,4]"),
        (["x": [1, 3]], "its input x is of shape [-1,3,-1], not [1,3]"),
    ])
    func `a shape that does not fit is refused`(shape: [String: [Int]], words: String) {
        bench(Self.device()) { bench in
            do {
                _ = try bench.add(Self.model(), shapes: [shape])
                Issue.record("added")
            } catch {
                #expect("\(error)" == words)
            }
        }
    }

    @Test func `sizes that cannot run are passed over, unless there is no other`() throws {
        let long = try bench(Self.device { $0.parts[0].inputs[0].shape.dimensions[2] < 256 }) {
            try $0.add(Self.model(), shapes: [])
        }
        #expect(long.sizes.map(\.elementsPerRow) == [768, 1536])
        bench(Self.device { _ in true }) { bench in
            do {
                _ = try bench.add(Self.model(), shapes: [])
                Issue.record("added")
            } catch {
                #expect("\(error)" == "it will not")
            }
        }
    }

    @Test func `batches are of requests of a row each`() throws {
        let parts = Mutex<[[Int]]>([])
        try bench(
            Self.device { batch in
                parts.withLock { $0.append(batch.parts.map(\.rows)) }
                return false
            }
        ) { bench in
            _ = try bench.add(Self.model(), shapes: [])
            parts.withLock { $0 = [] }
            let times = try bench.run(Self.subject(192, 4), times: 3)
            #expect(times.map(\.kernels.nanoseconds) == [768, 768, 768] && times[0].copyIn.nanoseconds == 7)
            #expect(parts.withLock { $0 } == [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]])
            #expect(bench.bytes(of: Self.subject(192, 4)) == (3072, 3072))
        }
    }

    @Test func `two run beside each other until both have run often enough`() throws {
        try bench(Self.device()) { bench in
            _ = try bench.add(Self.model(), shapes: [])
            let company = try bench.runTogether(
                [Self.subject(192, 4), Self.subject(48, 1)], from: 0, beside: nil, for: .milliseconds(2))
            #expect(company.means == [768, 48] && company.stress == 0)
            #expect(company.copyIn.nanoseconds == 7)
            // And the lanes are free again.
            #expect(try bench.run(Self.subject(48, 1), times: 1).count == 1)
        }
    }

    @Test func `a device that copies is given one batch at a time`() throws {
        let device = Self.device(copies: true) { $0.parts.count == 3 }
        try bench(device) { bench in
            _ = try bench.add(Self.model(), shapes: [])
            let both = [Self.subject(192, 4), Self.subject(48, 1)]
            #expect(try bench.runTogether(both, from: 0, beside: nil, for: .milliseconds(2)).means == [768, 48])
            // What fails on its way leaves the way free.
            #expect(throws: DeviceError.self) { try bench.run(Self.subject(48, 3), times: 2) }
            #expect(try bench.run(Self.subject(48, 1), times: 2).count == 2)
        }
        #expect(device.mostCopyingIn == 1)
    }

    @Test func `a failure beside others ends the loops`() throws {
        try bench(Self.device { $0.parts.count == 2 }) { bench in
            _ = try bench.add(Self.model(), shapes: [])
            #expect(throws: DeviceError.self) {
                try bench.runTogether(
                    [Self.subject(48, 1), Self.subject(48, 2)], from: 0, beside: nil, for: .milliseconds(1))
            }
            #expect(try bench.run(Self.subject(48, 1), times: 2).count == 2)
        }
    }

    @Test func `a device that is no processor is not put under stress`() {
        bench(Self.device()) { bench in
            #expect(bench.stressors.isEmpty && !bench.takesTurns(.compute))
            #expect(bench.run(.compute, for: .milliseconds(1)) == 0)
            #expect(bench.reference().took > .zero)
        }
    }

    @Test func `a processor's cores are, and lose what batches take`() throws {
        let device = Self.device()
        let bench = DeviceBench(device, cores: [CoreSet.allowed().first ?? 0], pool: Self.pool)
        defer { bench.stop() }
        #expect(bench.stressors == [.compute, .bandwidth])
        #expect(bench.takesTurns(.bandwidth) && !bench.takesTurns(.compute))
        #expect((0..<200).contains { _ in bench.run(.compute, for: .milliseconds(5)) > 0 })
        _ = try bench.add(Self.model(), shapes: [])
        // A busy machine may leave the stressor no turn in so short a time.
        var company = try bench.runTogether([Self.subject(192, 1)], from: 0, beside: .compute, for: .milliseconds(5))
        for _ in 0..<200 where company.stress == 0 {
            company = try bench.runTogether([Self.subject(192, 1)], from: 0, beside: .compute, for: .milliseconds(5))
        }
        #expect(company.stress > 0 && company.means == [192])
    }
}
