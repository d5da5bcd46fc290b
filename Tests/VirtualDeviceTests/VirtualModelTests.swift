// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitTensor
internal import Testing

@testable internal import StraitDevices
@testable internal import VirtualAccelerator

@Suite struct VirtualModelTests {
    /// A model without a file that says all of itself.
    static func source(
        _ inputs: [TensorSignature] = [TensorSignature(name: "in", type: .fp32, dimensions: [-1, 3])],
        _ outputs: [TensorSignature] = [TensorSignature(name: "out", type: .fp32, dimensions: [-1, 1000])],
        costs: (inout ModelSource.VirtualKernels) -> Void = {
            $0.baseMilliseconds = 1
            $0.rowMilliseconds = 0.5
        }
    ) -> ModelSource {
        var source = ModelSource(path: "nowhere/model.onnx", name: "made")
        source.hasFile = false
        source.maximumRows = 8
        source.declared = ModelSource.Interface(inputs: inputs, outputs: outputs)
        costs(&source.virtualCosts)
        return source
    }

    @Test func declaredCostsAreTaken() throws {
        let source = Self.source {
            $0.baseMilliseconds = 1.5
            $0.rowMilliseconds = 0.25
            $0.inputBytes = 600_000
            $0.outputBytes = 4000
            $0.compute = 0.85
            $0.bandwidth = 0.75
            $0.cache = 0.4
            $0.cacheSensitivity = 0.45
            $0.isPinned = false
            $0.phases = 6
        }
        let model = try VirtualModel(source, on: .made("l4"), environment: nil)
        #expect(
            model.kernels
                == KernelModel(
                    name: "made", baseTime: 1_500_000, timePerRow: 250_000, maximumRows: 8, bytesInPerRow: 600_000,
                    bytesOutPerRow: 4000, isPinned: false,
                    demand: ResourceDemand(compute: 0.85, bandwidth: 0.75, cache: 0.4), cacheSensitivity: 0.45, seed: 6)
        )
        #expect(model.guesses == "")
        let large = try VirtualModel(source, on: .made("a100"), environment: nil)
        #expect(large.kernels == GPUClass.a100.running(model.kernels))
        #expect(large.kernels.baseTime == 900_000 && large.kernels.timePerRow == 75_000)
        let fixed = try VirtualModel(source, on: .made("fixed,ms=8"), environment: nil)
        #expect((1...8).allSatisfy { fixed.kernels.soloTime(rows: $0) == 8_000_000 })
        #expect(fixed.kernels.bytesInPerRow == 0)
    }

    @Test func aModelWithoutAFileMustSayItsTimes() {
        let silent = Self.source(costs: { _ in })
        let problem = #expect(throws: DeviceError.self) {
            _ = try VirtualModel(silent, on: .made("l4"), environment: nil)
        }
        #expect(problem?.message.contains("strait.virtual_base_ms") == true)
        // Not where all take the same.
        #expect(throws: Never.self) { _ = try VirtualModel(silent, on: .made("fixed,ms=8"), environment: nil) }
        let timeless = Self.source { $0.baseMilliseconds = 0 }
        #expect(throws: DeviceError.self) { _ = try VirtualModel(timeless, on: .made("l4"), environment: nil) }
    }

    @Test func aModelMustSayItsTensorsWhereNobodyReadsItsFile() {
        var source = Self.source()
        source.declared = nil
        let problem = #expect(throws: DeviceError.self) {
            _ = try VirtualModel(source, on: .made("l4"), environment: nil)
        }
        #expect(problem?.message.contains("it has no file") == true)
        source.hasFile = true
        let other = #expect(throws: DeviceError.self) {
            _ = try VirtualModel(source, on: .made("l4"), environment: nil)
        }
        #expect(other?.message.contains("without ONNX Runtime") == true)
    }

    @Test func anOutputThatFillsTheMemoryIsRefused() {
        for dimensions in [[-1, 1 << 40], [1 << 31, 1 << 31, 1 << 31], [Int.max]] {
            let source = Self.source(
                [TensorSignature(name: "in", type: .fp32, dimensions: [-1, 3])],
                [TensorSignature(name: "out", type: .fp32, dimensions: dimensions)])
            let problem = #expect(throws: DeviceError.self) {
                _ = try VirtualModel(source, on: .made("l4"), environment: nil)
            }
            #expect(problem?.message.contains("too large") == true)
        }
    }

    @Test func aProfileSaysWhatTheDeviceWouldTake() throws {
        let spec = VirtualSpec.made("l4,speed=0.5,noise=0")
        let model = try VirtualModel(Self.source(), on: spec, environment: nil)
        let profile = model.profile(hostSpan: spec.hostSpan)
        #expect(profile.curves.count == 1)
        #expect(profile.curves[0].points.map(\.rows) == [1, 2, 4, 8])
        #expect(profile.curves[0].points.map(\.kernelTime) == [3, 4, 6, 10].map { Duration.milliseconds($0) })
        #expect(profile.bytesInPerRow == 12 && profile.bytesOutPerRow == 4000)
        // Rows of any size take the same here: no scheduler is to scale them.
        let varying = try VirtualModel(
            Self.source([TensorSignature(name: "in", type: .fp32, dimensions: [-1, -1])]), on: spec, environment: nil)
        #expect(varying.profile(hostSpan: spec.hostSpan).curves.map(\.bucket) == Array(0...40))
    }

    // -- answers --------------------------------------------------------------------------------------------------

    private let pool = SlabPool(budget: 1 << 20)

    private func batch(
        _ inputs: [TensorSignature], _ outputs: [TensorSignature], shapes: [[Int]], isBatchable: Bool
    ) throws -> DeviceBatch {
        let parts = try shapes.enumerated().map { index, shape in
            let count = (Shape(shape).elementCount ?? 0) * 4
            let tensor = Tensor(
                name: "in", type: .fp32, shape: Shape(shape), slab: try pool.take(count), range: 0..<count)
            return DeviceBatch.Part(
                request: RequestID(slot: UInt32(index), generation: 0), rows: isBatchable ? shape[0] : 1,
                inputs: [tensor])
        }
        return DeviceBatch(
            batch: BatchID(slot: 0, generation: 0), lane: LaneID(index: 0), modelID: ModelID(index: 0),
            model: LoadedModel(number: 0, inputs: inputs, outputs: outputs), isBatchable: isBatchable, parts: parts)
    }

    @Test func answersHaveTheDeclaredShapes() throws {
        let inputs = [TensorSignature(name: "in", type: .fp32, dimensions: [-1, -1], symbols: ["batch", "length"])]
        let outputs = [
            TensorSignature(name: "fixed", type: .int64, dimensions: [-1, 5]),
            TensorSignature(name: "named", type: .fp32, dimensions: [-1, -1, 2], symbols: ["batch", "length", ""]),
            TensorSignature(name: "free", type: .bytes, dimensions: [-1, -1], symbols: ["batch", "beams"]),
        ]
        let made = SyntheticAnswers(pool: pool)
        let answers = made.answers(to: try batch(inputs, outputs, shapes: [[2, 7], [1, 7]], isBatchable: true))
        let first = try answers[0].get()
        #expect(first.map(\.name) == ["fixed", "named", "free"])
        #expect(first.map(\.shape) == [[2, 5], [2, 7, 2], [2, 1]])
        #expect(first.map(\.range.count) == [80, 112, 8])
        #expect(try answers[1].get().map(\.shape) == [[1, 5], [1, 7, 2], [1, 1]])
        for answer in answers {
            for tensor in try answer.get() { #expect(tensor.bytes.allSatisfy { $0 == 0 }) }
        }
        let whole = made.answers(to: try batch(inputs, outputs, shapes: [[4, 9]], isBatchable: false))
        #expect(try whole[0].get().map(\.shape) == [[1, 5], [4, 9, 2], [4, 1]])
    }

    @Test func anAnswerThatWouldFillTheMemoryFails() throws {
        let inputs = [TensorSignature(name: "in", type: .fp32, dimensions: [-1, -1], symbols: ["batch", "n"])]
        let outputs = [
            TensorSignature(name: "out", type: .fp32, dimensions: [-1, -1, 1 << 20], symbols: ["batch", "n", ""])
        ]
        let answers = SyntheticAnswers(pool: pool).answers(
            to: try batch(inputs, outputs, shapes: [[1, 90], [1, 2]], isBatchable: true))
        #expect(throws: DeviceError.self) { try answers[0].get() }
        #expect(throws: Never.self) { try answers[1].get() }
    }

    @Test func zerosAreSharedAndGivenBack() throws {
        let made = SyntheticAnswers(pool: pool)
        let inputs = [TensorSignature(name: "in", type: .fp32, dimensions: [-1, 3])]
        let outputs = [TensorSignature(name: "out", type: .fp32, dimensions: [-1, 1000])]
        do {
            let batch = try batch(inputs, outputs, shapes: [[1, 3], [2, 3], [1, 3]], isBatchable: true)
            let answers = made.answers(to: batch)
            let slabs = try answers.map { try $0.get()[0].slab }
            #expect(slabs[2] === slabs[1] && slabs[0] !== slabs[1], "one that is too small gives way to a larger one")
        }
        made.stop()
        #expect(pool.bytesInUse == 0)
    }
}
