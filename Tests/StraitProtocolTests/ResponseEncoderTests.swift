// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Testing

@testable internal import StraitProtocol

@Suite struct ResponseEncoderTests {
    private let pool = SlabPool(budget: 1 << 24)

    private func response(_ outputs: [Tensor]) -> InferenceResponse {
        InferenceResponse(modelName: "m", modelVersion: "3", outputs: outputs)
    }

    private func data(_ type: ElementType, _ count: Int, _ content: [UInt8]) throws -> String {
        let tensor = try Tensor.make("y", type, [count], content, pool: pool)
        let json = text(try InferenceResponseEncoder.encode(response([tensor]), binary: { _ in false }).json)
        #expect(isJSON(Array(json.utf8)))
        let start = try #require(json.firstRange(of: #""data":"#))
        return String(json[start.upperBound...].dropLast(3))
    }

    @Test func aJSONResponseIsOneDocumentInAFixedOrder() throws {
        var answer = response([try .make("y", .fp32, [1, 2], rawBytes([Float(0.1), -3]), pool: pool)])
        answer.id = "r\"1"
        answer.parameters = [
            Parameter("strait_late", .bool(true)), Parameter("n", .int(-5)), Parameter("d", .double(0.5)),
            Parameter("s", .string("é")),
        ]
        let encoded = try InferenceResponseEncoder.encode(answer, binary: { _ in false })
        #expect(
            text(encoded.json)
                == #"{"id":"r\"1","model_name":"m","model_version":"3","parameters":{"strait_late":true,"n":-5,"d":0.5,"s":"é"},"outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[0.1,-3.0]}]}"#
        )
        #expect(encoded.headerLength == nil && encoded.binaryTensors.isEmpty)
        #expect(encoded.byteCount == encoded.json.count)
    }

    @Test func binaryOutputsFollowTheJSONInOrder() throws {
        let outputs = [
            try Tensor.make("a", .fp16, [2], [1, 2, 3, 4], pool: pool),
            try Tensor.make("b", .int32, [1], rawBytes([Int32(7)]), pool: pool),
            try Tensor.make("c", .bytes, [1], lengthPrefixed([[0xFF]]), pool: pool),
        ]
        let encoded = try InferenceResponseEncoder.encode(response(outputs), binary: { $0 != "b" })
        #expect(encoded.binaryTensors.map(\.name) == ["a", "c"])
        #expect(encoded.headerLength == encoded.json.count)
        #expect(encoded.byteCount == encoded.json.count + 9)
        #expect(
            text(encoded.json)
                == #"{"model_name":"m","model_version":"3","outputs":[{"name":"a","datatype":"FP16","shape":[2],"parameters":{"binary_data_size":4}},{"name":"b","datatype":"INT32","shape":[1],"data":[7]},{"name":"c","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}]}"#
        )
    }

    @Test func everyTypeIsWrittenSoThatItReadsBack() throws {
        #expect(try data(.bool, 2, [0, 1]) == "[false,true]")
        #expect(try data(.uint8, 2, [0, 255]) == "[0,255]")
        #expect(try data(.uint16, 1, rawBytes([UInt16.max])) == "[65535]")
        #expect(try data(.uint32, 1, rawBytes([UInt32.max])) == "[4294967295]")
        #expect(try data(.uint64, 1, rawBytes([UInt64.max])) == "[18446744073709551615]")
        #expect(try data(.int8, 1, rawBytes([Int8.min])) == "[-128]")
        #expect(try data(.int16, 1, rawBytes([Int16.min])) == "[-32768]")
        #expect(try data(.int32, 1, rawBytes([Int32.min])) == "[-2147483648]")
        #expect(try data(.int64, 1, rawBytes([Int64.min])) == "[-9223372036854775808]")
        #expect(try data(.fp64, 2, rawBytes([0.1, 1e300])) == "[0.1,1e+300]")
        #expect(try data(.bytes, 2, lengthPrefixed([Array("a\"\\\n\u{1}é".utf8), []])) == #"["a\"\\\n\u0001é",""]"#)
    }

    @Test func whatJSONCannotExpressBecomesNull() throws {
        #expect(try data(.fp32, 3, rawBytes([Float.nan, .infinity, -.infinity])) == "[null,null,null]")
        #expect(try data(.fp64, 1, rawBytes([Double.nan])) == "[null]")
    }

    @Test func floatsSurviveTheRoundTrip() throws {
        var generator = SeededGenerator(seed: 3)
        let values = (0..<2000).compactMap { _ in
            let value = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
            return value.isFinite ? value : nil
        }
        let json = try data(.fp32, values.count, rawBytes(values))
        let request = try decode(oneInput("FP32", "[\(values.count)]", json))
        #expect(request.inputs[0].values(Float.self).map(\.bitPattern) == values.map(\.bitPattern))
    }

    @Test func whatHasNoJSONFormAsksForBinary() throws {
        let cases: [(ElementType, [UInt8])] = [(.fp16, [0, 0]), (.bf16, [0, 0]), (.bytes, lengthPrefixed([[0xC3]]))]
        for (type, content) in cases {
            let answer = response([try .make("y", type, [1], content, pool: pool)])
            do throws(ProtocolError) {
                _ = try InferenceResponseEncoder.encode(answer, binary: { _ in false })
                Issue.record("\(type.name) was written as JSON")
            } catch {
                #expect(error.code == .invalidArgument && error.message.contains("\"y\""))
                #expect(error.message.contains("binary_data"))
            }
        }
    }

    @Test func bytesThatDoNotFitTheShapeAreTheServersFault() throws {
        for (type, content) in [
            (ElementType.fp32, [UInt8](repeating: 0, count: 3)), (.bytes, [9, 0, 0, 0]), (.bytes, []),
        ] {
            let answer = response([try .make("y", type, [1], content, pool: pool)])
            do throws(ProtocolError) {
                _ = try InferenceResponseEncoder.encode(answer, binary: { _ in false })
                Issue.record("\(type.name) of a wrong size was written")
            } catch {
                #expect(error.code == .failedInternally)
            }
        }
    }

    @Test func errorsMapToTheirStatuses() {
        let expected: [(ProtocolError.Code, Int, Int)] = [
            (.invalidArgument, 400, 3), (.notFound, 404, 5), (.unavailable, 503, 14), (.resourceExhausted, 429, 8),
            (.deadlineExceeded, 504, 4), (.cancelled, 499, 1), (.failedInternally, 500, 13), (.unsupported, 501, 12),
            (.payloadTooLarge, 413, 8), (.alreadyExists, 400, 6), (.unauthenticated, 401, 16),
            (.permissionDenied, 403, 7),
        ]
        #expect(expected.count == ProtocolError.Code.allCases.count)
        for (code, http, grpc) in expected {
            #expect(ProtocolError(code, "").httpStatus == http && ProtocolError(code, "").grpcStatus == grpc)
        }
    }
}
