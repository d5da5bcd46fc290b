// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Testing

@testable internal import StraitProtocol

@Suite struct ClassificationTests {
    private let pool = SlabPool(budget: 1 << 20)

    private func best(
        _ classes: Int, _ type: ElementType, _ shape: Shape, _ content: [UInt8], isBatched: Bool = false,
        labels: [String] = []
    ) throws -> (shape: Shape, texts: [String]) {
        let tensor = try Tensor.make("y", type, shape, content, pool: pool)
        let best = Classification.best(classes, of: tensor, isBatched: isBatched, labels: labels, pool: pool)
        #expect(best.name == "y" && best.type == .bytes)
        #expect(TensorContent.problem(in: best.bytes, type: .bytes, shape: best.shape) == nil)
        return (best.shape, (best.strings ?? []).map(text))
    }

    @Test func `the best come first, with their labels as far as there are any`() throws {
        let values: [Float] = [0.25, -1, 0.5, 0.5, .nan, .infinity]
        let all = try best(9, .fp32, [6], rawBytes(values), labels: ["cat", "dog", "", "fox"])
        #expect(all.shape == [6])
        #expect(all.texts == ["inf:5", "0.5:2", "0.5:3:fox", "0.25:0:cat", "-1.0:1:dog", "nan:4"])
        #expect(try best(2, .fp32, [2, 3], rawBytes(values)).texts == ["inf:5", "0.5:2"])
    }

    @Test func `each row of a batch has its own`() throws {
        let two = try best(1, .int16, [2, 3], rawBytes([Int16(1), 7, -3, -1, -2, -9]), isBatched: true)
        #expect(two.shape == [2, 1])
        #expect(two.texts == ["7:1", "-1:0"])
        #expect(try best(3, .uint8, [0, 3], [], isBatched: true).shape == [0, 0])
    }

    @Test func `numbers of every type are ranked`() throws {
        #expect(try best(1, .uint64, [2], rawBytes([UInt64.max, 1])).texts == ["18446744073709551615:0"])
        #expect(try best(2, .int64, [2], rawBytes([Int64.min, -1])).texts == ["-1:1", "-9223372036854775808:0"])
        #expect(try best(2, .fp64, [2], rawBytes([0.1, 1e300])).texts == ["1e+300:1", "0.1:0"])
        // FP16: 1.5, the smallest subnormal, -infinity. BF16: 1.5 and -2.
        let halves: [UInt16] = [0xFC00, 0x0001, 0x3E00]
        #expect(try best(3, .fp16, [3], rawBytes(halves)).texts == ["1.5:2", "5.9604645e-08:1", "-inf:0"])
        #expect(try best(2, .bf16, [2], rawBytes([UInt16(0xC000), 0x3FC0])).texts == ["1.5:1", "-2.0:0"])
    }

    @Test func `what cannot be ranked is refused before it is computed`() throws {
        let model = ModelSpecification(
            name: "m", version: 1, modelFile: "", maxBatchSize: 0, inputs: [],
            outputs: [
                TensorSpecification(name: "words", type: .bytes, shape: [-1]),
                TensorSpecification(name: "half", type: .fp16, shape: [-1]),
            ])
        let words = InferenceRequest(inputs: [], outputs: [RequestedOutput(name: "words", classes: 2)])
        #expect(throws: ProtocolError.self) { try validate(request: words, against: model) }
        // A half has no JSON form, but its classes do.
        let half = InferenceRequest(inputs: [], outputs: [RequestedOutput(name: "half", classes: 2)])
        #expect(try validate(request: half, against: model).rows == 1)
    }
}
