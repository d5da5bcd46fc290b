// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Testing

@testable internal import StraitProtocol

@Suite struct RawRequestTests {
    private let pool = SlabPool(budget: 1 << 20)

    private func model(_ type: ElementType, _ shape: Shape, rows: Int = 0, inputs: Int = 1) -> ModelSpecification {
        ModelSpecification(
            name: "m", version: 1, modelFile: "", maxBatchSize: rows,
            inputs: (0..<inputs).map { TensorSpecification(name: "x\($0)", type: type, shape: shape) }, outputs: [])
    }

    private func decode(_ bytes: [UInt8], _ model: ModelSpecification) throws -> InferenceRequest {
        var body = try Body([], binary: bytes, pool: pool)
        body.jsonLength = 0
        return try body.decode(for: model, pool: pool)
    }

    private func failure(_ bytes: [UInt8], _ model: ModelSpecification) throws -> String? {
        do {
            _ = try decode(bytes, model)
            return nil
        } catch let error as ProtocolError {
            #expect(error.code == .invalidArgument)
            return error.message
        }
    }

    @Test func `the size tells the one dimension that varies, and the batch is one row`() throws {
        let request = try decode(rawBytes([Float](arrayLiteral: 1, 2, 3, 4, 5, 6)), model(.fp32, [-1, -1, 2], rows: 8))
        #expect(request.inputs.map(\.name) == ["x0"] && request.inputs[0].shape == [1, 3, 2])
        #expect(request.inputs[0].values(Float.self) == [1, 2, 3, 4, 5, 6])
        #expect(request.wantsBinary("anything") && request.outputs.isEmpty)
        #expect(try decode([1, 2, 3, 4], model(.uint8, [2, 2])).inputs[0].shape == [2, 2])
        #expect(try decode([1, 2, 3, 4], model(.uint16, [-1])).inputs[0].shape == [2])
    }

    @Test func `of strings there is one, the body`() throws {
        for shape: Shape in [[-1, 1], [1, -1], [1, 1]] {
            let request = try decode(Array("hé\0llo".utf8), model(.bytes, shape, rows: 4))
            #expect(request.inputs[0].shape == [1, 1])
            #expect(request.inputs[0].strings == [Array("hé\0llo".utf8)])
        }
        #expect(try decode([], model(.bytes, [1])).inputs[0].strings == [[]])
        #expect(try failure([1], model(.bytes, [2]))?.contains("holds one BYTES element") == true)
    }

    @Test func `what does not tell its shape is refused`() throws {
        #expect(try failure([0, 0, 0], model(.fp32, [-1]))?.contains("FP32 of shape [0] takes 0 bytes") == true)
        #expect(try failure([0, 0, 0, 0], model(.fp32, [2]))?.contains("FP32 of shape [2] takes 8 bytes") == true)
        #expect(try failure([0, 0, 0, 0], model(.fp32, [-1, -1]))?.contains("more than one dimension varies") == true)
        #expect(try failure([7], model(.bool, [-1]))?.contains("expected 0 or 1") == true)
        #expect(try failure([0], model(.bool, [-1], inputs: 2))?.contains("has 2 inputs") == true)
        #expect(try failure([0], model(.bool, [], inputs: 0))?.contains("has 0 inputs") == true)
        let vast = [Int](repeating: 1 << 31, count: 3)
        #expect(try failure([0], model(.fp32, Shape(vast)))?.contains("is not the shape of a tensor") == true)
        #expect(try failure([0], model(.fp32, Shape(vast + [-1])))?.contains("raw request's 1 bytes") == true)
    }
}
