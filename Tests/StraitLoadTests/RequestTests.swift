// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import StraitLoad
internal import StraitProtocol
internal import StraitTensor
internal import Testing

@Suite struct RequestTests {
    private let pool = SlabPool(budget: 1 << 24)

    private func decode(_ body: RequestBody) throws -> InferenceRequest {
        let slab = try pool.take(body.bytes.count)
        slab.bytes.copyBytes(from: body.bytes)
        return try InferenceRequestDecoder.decode(
            body: slab, range: 0..<body.bytes.count, jsonLength: body.jsonLength, pool: pool)
    }

    private func generated(
        _ inputs: [ModelMetadata.Input], shapes: [String: [Int]] = [:], seed: UInt64 = 1
    ) throws(LoadError) -> (template: RequestTemplate, assumptions: [String]) {
        var random = RandomSource(seed: seed)
        return try InputGenerator.template(
            for: ModelMetadata(name: "m", inputs: inputs), shapes: shapes, random: &random)
    }

    @Test(arguments: LoadPlan.Encoding.allCases)
    func whatIsEncodedDecodesToTheSameTensors(encoding: LoadPlan.Encoding) throws {
        let types = ElementType.allCases.filter { encoding == .binary || ($0 != .fp16 && $0 != .bf16) }
        let made = try generated(types.map { .init(name: "in_\($0.name)", datatype: $0.name, shape: [2, 3]) })
        let body = try RequestBody(made.template, requestClass: .low, timeout: 12_345, encoding: encoding)
        let request = try decode(body)
        #expect(request.priority == 2)
        #expect(request.timeoutMicroseconds == 12_345)
        #expect(request.binaryOutputsByDefault == (encoding == .binary))
        #expect(request.inputs.map(\.name) == made.template.inputs.map(\.name))
        for (decoded, input) in zip(request.inputs, made.template.inputs) {
            #expect(decoded.type == input.type)
            #expect(decoded.shape == input.shape)
            #expect(Array(decoded.bytes) == input.bytes, "\(input.name)")
        }
    }

    @Test func withoutADeadlineNoTimeoutIsSent() throws {
        let made = try generated([.init(name: "x", datatype: "FP32", shape: [1])])
        let request = try decode(try RequestBody(made.template, requestClass: .high, timeout: nil, encoding: .binary))
        #expect(request.timeoutMicroseconds == nil)
        #expect(request.priority == 1)
    }

    @Test(arguments: ["FP16", "BF16"])
    func whatJSONCannotHoldIsRefusedByName(datatype: String) throws {
        let made = try generated([.init(name: "half", datatype: datatype, shape: [1])])
        let error = #expect(throws: LoadError.self) {
            try RequestBody(made.template, requestClass: .high, timeout: nil, encoding: .json)
        }
        #expect(error?.message.contains("half") == true)
    }

    @Test func aRequestFileIsSentAsItIsWithItsOutputs() throws {
        let path = FileManager.default.temporaryDirectory.appending(
            path: "strait-load-\(UInt64.random(in: 0...(.max))).json")
        defer { try? FileManager.default.removeItem(at: path) }
        let json =
            #"{"id":"7","inputs":[{"name":"x","shape":[1,3],"datatype":"INT32","data":[[1,-2,3]]}],"#
            + #""outputs":[{"name":"y"}]}"#
        try Data(json.utf8).write(to: path)
        let template = try RequestTemplate(file: path.path)
        #expect(template.outputs == ["y"])
        let request = try decode(try RequestBody(template, requestClass: .high, timeout: 5, encoding: .binary))
        #expect(request.inputs.first?.bytes.elementsEqual([1, 0, 0, 0, 254, 255, 255, 255, 3, 0, 0, 0]) == true)
        #expect(request.outputs.map(\.name) == ["y"])

        try Data(#"{"inputs":[{"name":"x""#.utf8).write(to: path)
        let broken = #expect(throws: LoadError.self) { try RequestTemplate(file: path.path) }
        #expect(broken?.code == .badInput)
        #expect(broken?.message.contains(path.path) == true)
    }

    @Test func aMissingRequestFileIsNamed() {
        let error = #expect(throws: LoadError.self) { try RequestTemplate(file: "/nonexistent/request.json") }
        #expect(error?.message.contains("/nonexistent/request.json") == true)
    }

    @Test func theSameSeedGivesTheSameInputAndAnotherSeedOther() throws {
        let input = [ModelMetadata.Input(name: "x", datatype: "FP32", shape: [4, 4])]
        #expect(try generated(input).template == (try generated(input).template))
        #expect(try generated(input).template != (try generated(input, seed: 2).template))
    }

    @Test func tokensStayInEveryVocabularyAndMasksAreOnes() throws {
        let made = try generated(
            [
                .init(name: "input_ids", datatype: "INT64", shape: [-1, -1]),
                .init(name: "attention_mask", datatype: "INT64", shape: [-1, -1]),
                .init(name: "token_type_ids", datatype: "INT64", shape: [-1, -1]),
                .init(name: "bytes", datatype: "INT32", shape: [-1, 2048]),
            ],
            shapes: ["input_ids": [1, 64], "attention_mask": [64], "token_type_ids": [1, 64]])
        #expect(made.assumptions.isEmpty)
        let request = try decode(try RequestBody(made.template, requestClass: .high, timeout: nil, encoding: .binary))
        func values<Element: FixedWidthInteger & BitwiseCopyable>(_ index: Int, _: Element.Type) -> [Element] {
            let bytes = request.inputs[index].bytes
            let size = MemoryLayout<Element>.size
            return (0..<bytes.count / size).map { bytes.loadUnaligned(fromByteOffset: $0 * size, as: Element.self) }
        }
        #expect(request.inputs.map(\.shape) == [[1, 64], [1, 64], [1, 64], [1, 2048]])
        #expect(values(0, Int64.self).allSatisfy { (0..<1000).contains($0) })
        #expect(Set(values(0, Int64.self)).count > 10)
        #expect(values(1, Int64.self).allSatisfy { $0 == 1 })
        #expect(values(2, Int64.self).allSatisfy { $0 == 0 })
        #expect(values(3, Int32.self).allSatisfy { (0...256).contains($0) })
    }

    @Test func freeDimensionsThatAreAssumedAreTold() throws {
        let made = try generated([.init(name: "x", datatype: "FP32", shape: [-1, 3, -1])])
        #expect(made.template.inputs[0].shape == [1, 3, 1])
        #expect(made.assumptions.count == 1)
        #expect(try generated([.init(name: "x", datatype: "FP32", shape: [-1, 3])]).assumptions.isEmpty)
    }

    @Test(arguments: [["x": [2, 4]], ["x": [1, 1, 3]], ["y": [1, 3]], ["x": [1 << 40, 3]]])
    func shapesThatDoNotFitAreRefused(shapes: [String: [Int]]) {
        let error = #expect(throws: LoadError.self) {
            try generated([.init(name: "x", datatype: "FP32", shape: [-1, 3])], shapes: shapes)
        }
        #expect(error?.code == .badInput)
    }

    @Test func metadataThatIsNoMetadataIsRefused() {
        let error = #expect(throws: LoadError.self) { try ModelMetadata(json: Array("[1]".utf8), model: "m") }
        #expect(error?.code == .badAnswer)
    }
}
