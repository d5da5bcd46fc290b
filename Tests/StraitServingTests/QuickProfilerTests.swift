// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Synchronization
internal import Testing

@Suite struct QuickProfilerTests {
    private let clock = ManualClock()
    private let pool = SlabPool(budget: 1 << 28)
    private let shapes = Recorder()

    /// Measures a model of these inputs; each run takes `time` of its batch, on the clock too.
    private func measure(
        _ inputs: [TensorSignature], maxBatchSize: Int,
        taking time: @escaping @Sendable ([[Int]]) -> StraitCore.Duration?
    ) throws -> ModelProfile {
        shapes.forget()
        let device = ScriptedDevice { [clock, shapes] batch in
            let shape = batch.parts[0].inputs.map(\.shape.dimensions)
            shapes.note(shape)
            guard let took = time(shape) else { return nil }
            clock.advance(by: took)
            return took
        }
        let specification = ModelSpecification(
            name: "m", version: 1, modelFile: "m", maxBatchSize: maxBatchSize,
            inputs: inputs.map {
                TensorSpecification(name: $0.name, type: $0.type, shape: Shape($0.dimensions), symbols: $0.symbols)
            }, outputs: [])
        let loaded = LoadedModel(number: 0, inputs: inputs, outputs: [])
        return try QuickProfiler(pool: pool, clock: clock).measure(specification, loaded, on: device).profile
    }

    /// The shapes of the inputs of each run.
    private final class Recorder: Sendable {
        private let shapes = Mutex<[[[Int]]]>([])
        func note(_ shape: [[Int]]) { shapes.withLock { $0.append(shape) } }
        func forget() { shapes.withLock { $0 = [] } }
        var all: [[[Int]]] { shapes.withLock { $0 } }
    }

    private static let picture = TensorSignature(
        name: "x", type: .fp32, dimensions: [-1, 3, 8, 8], symbols: ["batch", "", "", ""])

    @Test func `batches of powers of two up to the largest, each as long as it takes`() throws {
        let profile = try measure([Self.picture], maxBatchSize: 6) { shapes in .milliseconds(2 + Double(shapes[0][0])) }
        #expect(profile.curves.count == 1)
        #expect(profile.curves[0].bucket == 8)
        #expect(profile.curves[0].points.map(\.rows) == [1, 2, 4, 6])
        #expect(profile.curves[0].points.map(\.kernelTime.milliseconds) == [3, 4, 6, 8])
        #expect(profile.curves[0].points.allSatisfy { $0.demand == nil })
        #expect(profile.bytesInPerRow == 3 * 64 * 4)
        #expect(pool.bytesInUse == 0)
    }

    @Test func `it ends after a second, and a model that is slower has run twice`() throws {
        let profile = try measure([Self.picture], maxBatchSize: 8) { .milliseconds(90 * Double($0[0][0])) }
        #expect(profile.curves[0].points.map(\.rows) == [1, 2])
        #expect(clock.now() - .zero < .seconds(1.2))
        let slow = try measure([Self.picture], maxBatchSize: 8) { .milliseconds(800 * Double($0[0][0])) }
        #expect(slow.curves[0].points.map(\.kernelTime.milliseconds) == [800])
        let slower = try measure([Self.picture], maxBatchSize: 8) { .milliseconds(5000 * Double($0[0][0])) }
        #expect(slower.curves[0].points.map(\.kernelTime.milliseconds) == [5000])
        #expect(shapes.all.count == 1)
    }

    @Test func `the first run warms up, and a hiccup is not the time`() throws {
        let times = [50, 2.1, 9, 2]
        let run = Counter()
        let profile = try measure([Self.picture], maxBatchSize: 0) { _ in .milliseconds(times[run.next() % times.count])
        }
        #expect(profile.curves[0].points.map(\.kernelTime.milliseconds) == [2])
    }

    private final class Counter: Sendable {
        private let value = Mutex(0)
        func next() -> Int {
            value.withLock { value in
                defer { value += 1 }
                return value
            }
        }
    }

    @Test func `dimensions that vary take several sizes, alike in all inputs`() throws {
        let inputs = ["ids", "mask"].map {
            TensorSignature(name: $0, type: .int64, dimensions: [-1, -1], symbols: ["batch", "tokens"])
        }
        let profile = try measure(inputs, maxBatchSize: 4) { .milliseconds(Double($0[0][0] * (4 + $0[0][1])) / 10) }
        // 2 inputs of 64, 256, 16, … tokens.
        #expect(profile.curves.prefix(3).map(\.bucket) == [7, 9, 5])
        #expect(profile.curves[0].points.map(\.rows) == [1, 2, 4])
        #expect(profile.curves[1].points.map(\.rows) == [1])
        #expect(profile.curves[1].points[0].kernelTime == .milliseconds(26))
        #expect(Set(profile.curves.map(\.bucket)).count == profile.curves.count)
        #expect(shapes.all.allSatisfy { $0[0] == $0[1] })
    }

    @Test func `a size that the model cannot run is passed over`() throws {
        let line = TensorSignature(name: "x", type: .fp32, dimensions: [-1, 3, -1, -1], symbols: ["b", "", "h", "w"])
        let profile = try measure([line], maxBatchSize: 2) { $0[0][2] == 48 ? .milliseconds(7) : nil }
        #expect(profile.curves.map(\.bucket) == [13])
        #expect(profile.curves[0].points.map(\.rows) == [1, 2])
    }

    @Test func `what counts rows in a model that cannot be batched is 1, wherever it stands`() throws {
        let inputs = [
            TensorSignature(name: "x", type: .fp32, dimensions: [-1, -1], symbols: ["batch", "n"]),
            TensorSignature(name: "rate", type: .int64, dimensions: []),
            TensorSignature(name: "state", type: .fp32, dimensions: [2, -1, 128], symbols: ["", "batch", ""]),
            TensorSignature(name: "words", type: .bytes, dimensions: [-1]),
        ]
        _ = try measure(inputs, maxBatchSize: 0) { _ in .milliseconds(1) }
        #expect(shapes.all.first == [[1, 64], [], [2, 1, 128], [1]])
    }

    @Test func `inputs are ones of their type, and empty strings`() throws {
        let types = ElementType.allCases
        let inputs = types.map { TensorSignature(name: $0.name, type: $0, dimensions: [2]) }
        let specification = ModelSpecification(
            name: "m", version: 1, modelFile: "m", maxBatchSize: 0,
            inputs: inputs.map { TensorSpecification(name: $0.name, type: $0.type, shape: Shape($0.dimensions)) },
            outputs: [])
        let bytes = Bytes()
        let device = ScriptedDevice { batch in
            bytes.note(batch.parts[0].inputs.map { Array($0.bytes) })
            return .milliseconds(1)
        }
        _ = try QuickProfiler(pool: pool).measure(
            specification, LoadedModel(number: 0, inputs: inputs, outputs: []), on: device)
        func twice<T>(_ value: T) -> [UInt8] { withUnsafeBytes(of: (value, value)) { Array($0) } }
        let expected: [ElementType: [UInt8]] = [
            .bool: twice(true), .uint8: twice(UInt8(1)), .uint16: twice(UInt16(1)), .uint32: twice(UInt32(1)),
            .uint64: twice(UInt64(1)), .int8: twice(Int8(1)), .int16: twice(Int16(1)), .int32: twice(Int32(1)),
            .int64: twice(Int64(1)), .fp16: twice(UInt16(0x3C00)), .bf16: twice(UInt16(0x3F80)),
            .fp32: twice(Float(1)), .fp64: twice(Double(1)), .bytes: twice(UInt32(0)),
        ]
        for (type, found) in zip(types, bytes.last) { #expect(found == expected[type], "\(type.name)") }
        #expect(bytes.last.count == types.count)
    }

    private final class Bytes: Sendable {
        private let tensors = Mutex<[[UInt8]]>([])
        func note(_ all: [[UInt8]]) { tensors.withLock { $0 = all } }
        var last: [[UInt8]] { tensors.withLock { $0 } }
    }

    @Test func `a model that cannot run, or whose inputs would be huge, says why`() {
        do {
            _ = try measure([Self.picture], maxBatchSize: 2) { _ in nil }
            Issue.record("measured")
        } catch {
            #expect("\(error)" == "it will not")
        }
        let huge = TensorSignature(name: "x", type: .fp32, dimensions: [-1, 1 << 20, -1], symbols: ["b", "", "n"])
        do {
            _ = try measure([huge], maxBatchSize: 2) { _ in nil }
            Issue.record("measured")
        } catch {
            #expect("\(error)".contains("its input x would have the shape [1,1048576,64]"))
        }
        #expect(pool.bytesInUse == 0)
    }
}
