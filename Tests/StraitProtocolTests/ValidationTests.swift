// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Testing

@testable internal import StraitProtocol

@Suite struct ValidationTests {
    private let model = ModelSpecification(
        name: "bert", version: 1, modelFile: "", maxBatchSize: 4,
        inputs: [
            TensorSpecification(name: "ids", type: .int64, shape: [-1, -1], symbols: ["batch", "length"]),
            TensorSpecification(name: "mask", type: .int64, shape: [-1, -1], symbols: ["", "length"]),
            TensorSpecification(name: "scale", type: .fp32, shape: [-1, 1]),
        ],
        outputs: [
            TensorSpecification(name: "y", type: .fp32, shape: [-1, 10]),
            TensorSpecification(name: "half", type: .fp16, shape: [-1]),
        ])
    private let pool = SlabPool(budget: 1 << 20)

    private func input(_ name: String, _ type: ElementType, _ shape: Shape) throws -> Tensor {
        let count = (shape.elementCount ?? 0) * (type.byteSize ?? 0)
        return try .make(name, type, shape, Array(repeating: 0, count: count), pool: pool)
    }

    private func good() throws -> InferenceRequest {
        InferenceRequest(
            inputs: [
                try input("mask", .int64, [2, 5]), try input("ids", .int64, [2, 5]), try input("scale", .fp32, [2, 1]),
            ], binaryOutputsByDefault: true)
    }

    private func failure(_ change: (inout InferenceRequest) throws -> Void) throws -> String? {
        var request = try good()
        try change(&request)
        do throws(ProtocolError) {
            _ = try validate(request: request, against: model)
            return nil
        } catch {
            #expect(error.code == .invalidArgument)
            return error.message
        }
    }

    @Test func aRequestThatFitsTellsItsRows() throws {
        #expect(try validate(request: try good(), against: model).rows == 2)
    }

    @Test func aModelThatIsNotBatchableTakesARequestAsOneRow() throws {
        let single = ModelSpecification(
            name: "s", version: 1, modelFile: "", maxBatchSize: 0,
            inputs: [TensorSpecification(name: "x", type: .fp32, shape: [-1, 3])],
            outputs: [TensorSpecification(name: "y", type: .fp32, shape: [1])])
        let request = InferenceRequest(inputs: [try input("x", .fp32, [100, 3])])
        #expect(try validate(request: request, against: single).rows == 1)
    }

    @Test func everyDifferenceIsNamed() throws {
        func replace(_ index: Int, _ tensor: Tensor) throws -> String? { try failure { $0.inputs[index] = tensor } }
        let cases: [(String?, String)] = [
            (
                try failure { $0.inputs.removeLast() },
                "input \"scale\" of model \"bert\" is missing; expected FP32 [-1,1]"
            ),
            (
                try failure { $0.inputs.append(try input("z", .fp32, [1])) },
                "has no input \"z\"; it has \"ids\", \"mask\", \"scale\""
            ),
            (try failure { $0.inputs.append($0.inputs[0]) }, "given twice"),
            (
                try replace(2, try input("scale", .fp64, [2, 1])),
                "input \"scale\" is FP64; model \"bert\" expects FP32"
            ),
            (
                try replace(2, try input("scale", .fp32, [2])),
                "has shape [2]; model \"bert\" expects [-1,1], where -1 is any size"
            ),
            (try replace(2, try input("scale", .fp32, [2, 2])), "has shape [2,2]; model \"bert\" expects [-1,1]"),
            (try replace(2, try input("scale", .fp32, [3, 1])), "input \"scale\" has 3 rows, input \"ids\" has 2"),
            (
                try replace(0, try input("mask", .int64, [2, 6])),
                "dimension \"length\" is 6 in input \"mask\" and 5 in input \"ids\""
            ),
            (try replace(1, try input("ids", .int64, [2, 0])), "dimension 1 is 0, expected 1 or more"),
            (try replace(1, try input("ids", .int64, [0, 5])), "dimension 0 is 0"),
            (try replace(1, try input("ids", .int64, [5, 5])), "has 5 rows; model \"bert\" takes at most 4"),
            (try failure { $0.outputs = [RequestedOutput(name: "z")] }, "has no output \"z\"; it has \"y\", \"half\""),
            (try failure { $0.binaryOutputsByDefault = false }, "output \"half\" is FP16, which has no JSON form"),
            (
                try failure { $0.outputs = [RequestedOutput(name: "half", binary: false)] },
                "output \"half\" is FP16"
            ),
        ]
        for (message, expected) in cases { #expect(message?.contains(expected) == true, "\(message ?? "accepted")") }
        #expect(
            try failure {
                $0.binaryOutputsByDefault = false
                $0.outputs = [RequestedOutput(name: "y")]
            } == nil)
    }
}
