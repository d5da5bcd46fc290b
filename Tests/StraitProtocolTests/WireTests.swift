// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import StraitTensor
internal import StraitWire
internal import SwiftProtobuf
internal import Testing

@testable internal import StraitProtocol

/// What generated code writes, our decoder reads, and the other way round.
@Suite struct WireTests {
    private let pool = SlabPool(budget: 1 << 24)

    private func request(_ change: (inout Inference_ModelInferRequest) -> Void = { _ in }) throws -> [UInt8] {
        var message = Inference_ModelInferRequest()
        message.modelName = "m"
        change(&message)
        return try message.serializedBytes()
    }

    private func decode(_ bytes: [UInt8]) throws(WireFailure) -> WireRequest {
        let result = bytes.withUnsafeBytes { message in
            Result { () throws(WireFailure) in try WireRequestDecoder.decode(message, pool: pool) }
        }
        return try result.get()
    }

    private func input(
        _ name: String, _ type: ElementType, _ shape: [Int64],
        _ fill: (inout Inference_InferTensorContents) -> Void = { _ in }
    ) -> Inference_ModelInferRequest.InferInputTensor {
        var tensor = Inference_ModelInferRequest.InferInputTensor()
        tensor.name = name
        tensor.datatype = type.name
        tensor.shape = shape
        fill(&tensor.contents)
        return tensor
    }

    private func error(_ change: (inout Inference_ModelInferRequest) -> Void) throws -> ProtocolError? {
        let bytes = try request(change)
        do throws(WireFailure) {
            _ = try decode(bytes)
            return nil
        } catch {
            return error.error
        }
    }

    @Test func theHeadOfARequestIsRead() throws {
        let wire = try decode(
            try request { message in
                message.modelVersion = "3"
                message.id = "é"
                message.parameters["priority"] = .with { $0.uint64Param = 2 }
                message.parameters["timeout"] = .with { $0.int64Param = 1500 }
                message.parameters["weight"] = .with { $0.doubleParam = 0.5 }
                message.parameters["note"] = .with { $0.stringParam = "anything" }
                message.outputs = [.with { $0.name = "b" }, .with { $0.name = "a" }]
            })
        #expect(wire.modelName == "m")
        #expect(wire.modelVersion == "3")
        #expect(wire.request.id == "é")
        #expect(wire.request.priority == 2)
        #expect(wire.request.timeoutMicroseconds == 1500)
        #expect(wire.request.outputs.map(\.name) == ["b", "a"])
        #expect(wire.request.inputs.isEmpty)
        #expect(wire.request.wantsBinary("a"))
    }

    @Test func rawTensorsLieAlignedAndInOrder() throws {
        let first = rawBytes([Float(1), 2, 3])
        let second: [UInt8] = [2, 0, 0, 0, 65, 66, 0, 0, 0, 0]
        let wire = try decode(
            try request { message in
                message.inputs = [input("x", .fp32, [1, 3]), input("y", .bytes, [2])]
                message.rawInputContents = [.init(first), .init(second)]
            })
        let tensors = wire.request.inputs
        #expect(tensors.map(\.name) == ["x", "y"])
        #expect(tensors.map { Array($0.bytes) } == [first, second])
        #expect(tensors.map(\.shape) == [[1, 3], [2]])
        for tensor in tensors { #expect(tensor.range.lowerBound.isMultiple(of: SlabPool.alignment)) }
    }

    @Test func typedContentsOfEveryTypeBecomeRaw() throws {
        let wire = try decode(
            try request { message in
                message.inputs = [
                    input("bool", .bool, [2]) { $0.boolContents = [true, false] },
                    input("int8", .int8, [2]) { $0.intContents = [-128, 127] },
                    input("int16", .int16, [2]) { $0.intContents = [-32768, 5] },
                    input("int32", .int32, [2]) { $0.intContents = [.min, .max] },
                    input("int64", .int64, [2]) { $0.int64Contents = [.min, .max] },
                    input("uint8", .uint8, [2]) { $0.uintContents = [0, 255] },
                    input("uint16", .uint16, [2]) { $0.uintContents = [7, 65535] },
                    input("uint32", .uint32, [2]) { $0.uintContents = [0, .max] },
                    input("uint64", .uint64, [2]) { $0.uint64Contents = [0, .max] },
                    input("fp32", .fp32, [2]) { $0.fp32Contents = [-0.5, .infinity] },
                    input("fp64", .fp64, [2]) { $0.fp64Contents = [1e300, -1] },
                    input("bytes", .bytes, [2]) { $0.bytesContents = [.init("é".utf8), .init()] },
                ]
            })
        let found = wire.request.inputs.map { Array($0.bytes) }
        let wanted: [[UInt8]] = [
            [1, 0], rawBytes([Int8.min, 127]), rawBytes([Int16.min, 5]), rawBytes([Int32.min, .max]),
            rawBytes([Int64.min, .max]), [0, 255], rawBytes([UInt16(7), .max]), rawBytes([UInt32(0), .max]),
            rawBytes([UInt64(0), .max]), rawBytes([Float(-0.5), .infinity]), rawBytes([1e300, -1.0]),
            [2, 0, 0, 0, 0xC3, 0xA9, 0, 0, 0, 0],
        ]
        #expect(found == wanted)
    }

    /// Any sender may write packed numbers one by one, or in several pieces.
    @Test func numbersComePackedOrNot() throws {
        let contents: [UInt8] = [2 << 3, 1] + [2 << 3 | 2, 1, 2] + [2 << 3, 3]
        var head = input("x", .int32, [])
        head.clearContents()
        // Its shape comes one by one, too.
        let tensor = try head.serializedBytes() + [3 << 3, 3] + [5 << 3 | 2, UInt8(contents.count)] + contents
        let bytes = try request() + [5 << 3 | 2, UInt8(tensor.count)] + tensor
        #expect(Array(try decode(bytes).request.inputs[0].bytes) == rawBytes([Int32(1), 2, 3]))
    }

    @Test(arguments: [
        (ElementType.int8, Int32(128)), (.int8, -129), (.int16, 32768), (.int16, -32769),
    ]) func aNumberThatItsTypeCannotHoldIsRefused(type: ElementType, value: Int32) throws {
        let error = try error { $0.inputs = [input("x", type, [1]) { $0.intContents = [value] }] }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("element 0 is \(value)") == true)
    }

    @Test func inputsInSharedMemoryAreToldApart() throws {
        let place = try SharedPlace(region: "r", offset: 8, byteCount: 4)
        let wire = try decode(
            try request { message in
                var shared = input("s", .fp32, [1])
                shared.clearContents()
                shared.parameters["shared_memory_region"] = .with { $0.stringParam = "r" }
                shared.parameters["shared_memory_offset"] = .with { $0.int64Param = 8 }
                shared.parameters["shared_memory_byte_size"] = .with { $0.uint64Param = 4 }
                message.inputs = [shared, input("x", .uint8, [2])]
                message.rawInputContents = [.init([7, 8])]
                var output = Inference_ModelInferRequest.InferRequestedOutputTensor()
                output.name = "y"
                output.parameters = shared.parameters
                output.parameters["classification"] = .with { $0.int64Param = 3 }
                message.outputs = [output]
            })
        #expect(wire.request.inputs.map { Array($0.bytes) } == [[7, 8]])
        #expect(wire.request.sharedInputs == [SharedInput(name: "s", type: .fp32, shape: [1], place: place)])
        #expect(wire.request.outputs == [RequestedOutput(name: "y", classes: 3, place: place)])
    }

    @Test(arguments: ["shared_memory_offset", "shared_memory_region"])
    func aPlaceWithoutARegionOrASizeIsNone(name: String) throws {
        let error = try error { message in
            var output = Inference_ModelInferRequest.InferRequestedOutputTensor()
            output.name = "y"
            var value = Inference_InferParameter()
            if name.hasSuffix("region") { value.stringParam = "r" } else { value.int64Param = 1 }
            output.parameters[name] = value
            message.outputs = [output]
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("is missing") == true)
    }

    @Test func whatAMessageRepeatsIsBounded() throws {
        let error = try error { message in
            message.inputs = (0...64).map { input("\($0)", .fp32, []) { $0.fp32Contents = [1] } }
        }
        #expect(error?.message == "inputs[64]: more than 64 inputs")
    }

    @Test func aFailureKnowsTheIDThatWasRead() throws {
        let bytes = try request { message in
            message.id = "a name"
            message.inputs = [input("x", .fp16, [1])]
        }
        do throws(WireFailure) {
            _ = try decode(bytes)
            Issue.record("decoded")
        } catch {
            #expect(error.id == "a name")
            #expect(error.error.message.hasPrefix("inputs[0] (\"x\"): FP16 has no typed form"))
        }
    }

    @Test func bytesThatAreOnlyCopiedAreToldFromThoseThatAreRead() throws {
        let bytes = try request { message in
            message.inputs = [
                input("x", .uint8, [2000]), input("y", .int32, [700]) { $0.intContents = .init(1...700) },
            ]
            message.rawInputContents = [.init(repeating: 1, count: 2000), .init(repeating: 2, count: 50)]
        }
        func raw(beside limit: Int) -> Int {
            bytes.withUnsafeBytes { WireRequestDecoder.rawBytes(of: $0, beside: limit) }
        }
        #expect(raw(beside: bytes.count) == 2050)
        // The typed contents come first, and are more than that.
        #expect(raw(beside: 700) == 0)
    }

    @Test func fullMemoryIsToldFromTooMuch() throws {
        let small = SlabPool(budget: 4096)
        let bytes = try request { message in
            message.inputs = [input("x", .uint8, [2000])]
            message.rawInputContents = [.init(repeating: 1, count: 2000)]
        }
        let held = try small.take(4096)
        let failure = #expect(throws: WireFailure.self) {
            try bytes.withUnsafeBytes { _ = try WireRequestDecoder.decode($0, pool: small) }
        }
        #expect(failure?.error.code == .resourceExhausted)
        withExtendedLifetime(held) {}
    }

    // -- responses -----------------------------------------------------------------------------------------------

    private func bytes(_ response: WireResponse) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: response.byteCount)
        bytes.withUnsafeMutableBytes { response.write(from: 0, to: $0) }
        return bytes
    }

    @Test func aResponseReadsAsItWasMeant() throws {
        var answer = InferenceResponse(
            modelName: "m", modelVersion: "3", id: "r",
            outputs: [
                try .make("y", .fp32, [1, 2], rawBytes([Float(0.1), -3]), pool: pool),
                try .make("z", .uint8, [300], [UInt8](repeating: 7, count: 300), pool: pool),
            ])
        answer.parameters = [
            Parameter("strait_late", .bool(true)), Parameter("n", .int(-5)), Parameter("d", .double(0.5)),
            Parameter("s", .string("é")),
        ]
        let encoded = WireResponseEncoder.encode(answer)
        let message = try Inference_ModelInferResponse(serializedBytes: bytes(encoded))
        #expect(message.modelName == "m" && message.modelVersion == "3" && message.id == "r")
        #expect(message.parameters["strait_late"]?.boolParam == true)
        #expect(message.parameters["n"]?.int64Param == -5)
        #expect(message.parameters["d"]?.doubleParam == 0.5)
        #expect(message.parameters["s"]?.stringParam == "é")
        #expect(message.outputs.map(\.name) == ["y", "z"])
        #expect(message.outputs.map(\.datatype) == ["FP32", "UINT8"])
        #expect(message.outputs.map(\.shape) == [[1, 2], [300]])
        #expect(message.rawOutputContents.map { Array($0) } == answer.outputs.map { Array($0.bytes) })
        #expect(message.unknownFields.data.isEmpty)

        let streamed = try Inference_ModelStreamInferResponse(serializedBytes: bytes(encoded.streamed))
        #expect(streamed.errorMessage.isEmpty && streamed.inferResponse == message)
    }

    @Test func anOutputInSharedMemoryHasAnEmptyPlaceAmongTheRawOnes() throws {
        var answer = InferenceResponse(
            modelName: "m", modelVersion: "3",
            outputs: [
                try .make("y", .uint8, [3], [1, 2, 3], pool: pool), try .make("z", .uint8, [1], [9], pool: pool),
            ])
        answer.inSharedMemory = ["y"]
        let message = try Inference_ModelInferResponse(serializedBytes: bytes(WireResponseEncoder.encode(answer)))
        #expect(message.rawOutputContents.map { Array($0) } == [[], [9]])
        #expect(message.outputs[0].name == "y" && message.outputs[0].shape == [3])
        #expect(message.outputs.allSatisfy { $0.parameters.isEmpty })
    }

    @Test func anErrorInAStreamCarriesTheID() throws {
        let encoded = WireResponseEncoder.streamedError("no such model", id: "r")
        let message = try Inference_ModelStreamInferResponse(serializedBytes: bytes(encoded))
        #expect(message.errorMessage == "no such model")
        #expect(message.inferResponse.id == "r")
        #expect(message.inferResponse.parameters["triton_final_response"]?.boolParam == true)
    }

    @Test func anAnswerInAStreamSaysThatNoOtherFollows() throws {
        let answer = InferenceResponse(modelName: "m", modelVersion: "3", outputs: [])
        let encoded = WireResponseEncoder.encode(answer, isStreamed: true)
        let message = try Inference_ModelStreamInferResponse(serializedBytes: bytes(encoded.streamed))
        #expect(message.inferResponse.parameters["triton_final_response"]?.boolParam == true)
        let alone = try Inference_ModelInferResponse(serializedBytes: bytes(WireResponseEncoder.encode(answer)))
        #expect(alone.parameters.isEmpty)
    }

    // -- documents -----------------------------------------------------------------------------------------------

    @Test func statisticsHaveAllEightDurations() throws {
        var statistics = ModelStatistics(name: "m", version: 2)
        statistics.success.add(nanoseconds: 5)
        statistics.batches = [.init(size: 4)]
        let message = WireDocuments.modelStatistics([statistics]).modelStats[0]
        #expect(message.version == "2")
        #expect(message.inferenceStats.success.ns == 5)
        #expect(message.inferenceStats.hasCacheMiss && message.inferenceStats.hasCacheHit)
        #expect(message.batchStats.map(\.batchSize) == [4])
    }
}
