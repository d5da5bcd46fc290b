// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import StraitTensor
internal import StraitWire
internal import SwiftProtobuf
internal import Testing

@testable internal import StraitProtocol

/// What is remembered of the last request changes nothing about the next one.
@Suite struct RepeatedRequestTests {
    private let pool = SlabPool(budget: 1 << 24)

    /// Everything about a request that a client can see, or the error.
    private func summary(_ result: Result<InferenceRequest, ProtocolError>) -> String {
        switch result {
        case .failure(let error): "\(error)"
        case .success(let request):
            "\(request.id) \(request.priority ?? 0) \(request.timeoutMicroseconds ?? 0) \(request.outputs) "
                + "\(request.sharedInputs) \(request.wantsBinary("y")) "
                + request.inputs.map { "\($0.name) \($0.type) \($0.shape) \(Array($0.bytes))" }.joined()
        }
    }

    private func decode(
        _ json: String, _ binary: [UInt8]?, _ last: inout LastRequest
    ) throws -> Result<InferenceRequest, ProtocolError> {
        let body = try Body(Array(json.utf8), binary: binary, pool: pool)
        return Result { () throws(ProtocolError) in
            try InferenceRequestDecoder.decode(
                body: body.slab, range: body.range, jsonLength: body.jsonLength, pool: pool, last: &last)
        }
    }

    @Test func whatIsRememberedOverHTTPChangesNothing() throws {
        let plain =
            #"{"id":"a","parameters":{"priority":1},"inputs":[{"name":"x","datatype":"UINT8","shape":[2],"#
            + #""parameters":{"binary_data_size":2}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}"#
        let bodies: [(String, [UInt8]?)] = [
            (plain, [1, 2]), (plain, [3, 4]), (plain, [5]), (plain, nil), (plain, [6, 7]),
            (plain.replacing("[2]", with: "[1]"), [8, 9]), (plain.replacing("\"a\"", with: "\"b\""), [8, 9]),
            (oneInput("UINT8", "[2]", "[1,2]"), nil), (oneInput("UINT8", "[2]", "[1,2]"), nil),
            (oneInput("UINT8", "[2]", "[1,3]"), nil), (plain + "x", [1, 2]), (plain, [1, 2]), ("", [1, 2]),
            (plain.replacing("\"a\"", with: "\"\(String(repeating: "i", count: 900))\""), [1, 2]), (plain, [2, 1]),
        ]
        var generator = SeededGenerator(seed: 4)
        var last = LastRequest()
        for round in 0..<400 {
            let (json, binary) = bodies[
                round < bodies.count ? round : Int.random(in: 0..<bodies.count, using: &generator)]
            var none = LastRequest()
            #expect(
                summary(try decode(json, binary, &last)) == summary(try decode(json, binary, &none)), "round \(round)")
        }
    }

    @Test func whatIsRememberedOverGRPCChangesNothing() throws {
        func message(_ id: String, _ raw: [[UInt8]], _ columns: Int64, contents: Bool = false) throws -> [UInt8] {
            let request = Inference_ModelInferRequest.with { request in
                request.modelName = "m"
                request.id = id
                request.inputs = raw.indices.map { index in
                    .with { input in
                        input.name = "x\(index)"
                        input.datatype = "UINT8"
                        input.shape = [columns]
                        if contents { input.contents.uintContents = [1, 2] }
                    }
                }
                request.outputs = [.with { $0.name = "y" }]
                if !contents { request.rawInputContents = raw.map { .init($0) } }
            }
            return try request.serializedBytes()
        }
        let good = try message("a", [[1, 2]], 2)
        let messages = [
            good, try message("a", [[3, 4]], 2), try message("b", [[3, 4]], 2), try message("a", [[3]], 1),
            try message("a", [[3, 4]], 3), try message("a", [[1, 2], [3, 4]], 2),
            try message("a", [[1, 2], [5, 6]], 2),
            try message("a", [[1, 2]], 2, contents: true), good.dropLast(), good + [0x1A, 1, 0x7A],
            good + [0x1A, 1, 0x7B], try message(String(repeating: "i", count: 1020), [[1, 2]], 2),
        ].map { Array($0) }
        var generator = SeededGenerator(seed: 5)
        var last = LastMessage()
        for round in 0..<400 {
            let bytes = messages[round < messages.count ? round : Int.random(in: 0..<messages.count, using: &generator)]
            func decoded(_ last: inout LastMessage) -> String {
                let result = bytes.withUnsafeBytes { message in
                    Result { () throws(WireFailure) in
                        try WireRequestDecoder.decode(message, pool: pool, last: &last)
                    }
                }
                return "\((try? result.get())?.modelName ?? "")"
                    + summary(result.map(\.request).mapError(\.error))
            }
            var none = LastMessage()
            #expect(decoded(&last) == decoded(&none), "round \(round)")
        }
    }

    @Test func aTensorThatIsAlignedInItsHomeStaysThere() throws {
        let values = [UInt8](repeating: 7, count: 3000)
        let request = Inference_ModelInferRequest.with { request in
            request.modelName = "m"
            request.inputs = [
                .with { input in
                    input.name = "x"
                    input.datatype = "UINT8"
                    input.shape = [3000]
                }
            ]
            request.rawInputContents = [.init(values)]
        }
        let bytes: [UInt8] = try request.serializedBytes()
        let first = try #require(bytes[..<100].withUnsafeBytes { WireRequestDecoder.firstTensor(inStart: $0) })
        #expect(first == bytes.count - 3000)
        #expect(bytes[..<10].withUnsafeBytes { WireRequestDecoder.firstTensor(inStart: $0) } == nil)
        for shift in [0, 1, 63] {
            let slab = try pool.take(4096)
            let offset = (-first & 63) + shift
            for (index, byte) in bytes.enumerated() { slab.bytes[offset + index] = byte }
            var last = LastMessage()
            let message = UnsafeRawBufferPointer(rebasing: slab.bytes[offset..<offset + bytes.count])
            let tensor = try WireRequestDecoder.decode(message, pool: pool, last: &last, home: (slab, offset)).request
                .inputs[0]
            #expect(Array(tensor.bytes) == values)
            #expect((tensor.slab === slab) == (shift == 0))
            #expect(Int(bitPattern: tensor.bytes.baseAddress) % SlabPool.alignment == 0)
        }
    }
}
