// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Testing

@testable internal import StraitProtocol

@Suite struct RequestDecoderTests {
    @Test func aFullRequestIsReadWithKeysInAnyOrder() throws {
        let request = try decode(
            #"""
            {"outputs":[{"name":"y"},{"parameters":{"binary_data":false},"name":"z"},
                        {"name":"w","parameters":{"binary_data":true,"classification":0}}],
             "inputs":[{"data":[1,2,3.5,-4e-1],"shape":[2,2],"datatype":"FP32","name":"a"},
                       {"name":"b","shape":[2],"datatype":"INT64","parameters":{},"data":[-7,9223372036854775807]}],
             "parameters":{"priority":1,"timeout":20000,"binary_data_output":true,"sequence_id":0,"custom":[{"a":null}]},
             "id":"r\u00e9\ud83d\ude00/1","model_name":"ignored"}
            """#)
        #expect(request.id == "ré😀/1")
        #expect(request.priority == 1)
        #expect(request.timeoutMicroseconds == 20000)
        #expect(request.binaryOutputsByDefault)
        #expect(
            request.outputs == [
                RequestedOutput(name: "y"), RequestedOutput(name: "z", binary: false),
                RequestedOutput(name: "w", binary: true),
            ])
        #expect(request.wantsBinary("y") && !request.wantsBinary("z") && request.wantsBinary("unnamed"))
        #expect(request.inputs.map(\.name) == ["a", "b"])
        #expect(request.inputs[0].shape == [2, 2] && request.inputs[0].type == .fp32)
        #expect(request.inputs[0].values(Float.self) == [1, 2, 3.5, -0.4])
        #expect(request.inputs[1].values(Int64.self) == [-7, .max])
    }

    @Test func whatIsAbsentOrNullOrZeroHasItsDefault() throws {
        for json in [
            #"{"inputs":[]}"#,
            #"{"id":null,"parameters":null,"outputs":null,"inputs":[]}"#,
            #" { "id" : "" , "parameters" : { "priority":0, "timeout":0 } , "outputs" : [ ] , "inputs" : [ ] } "#,
        ] {
            let request = try decode(json)
            #expect(request.id.isEmpty && request.priority == nil && request.timeoutMicroseconds == nil)
            #expect(request.inputs.isEmpty && request.outputs.isEmpty && !request.binaryOutputsByDefault)
        }
    }

    @Test func nestedAndFlatDataGiveTheSameBytes() throws {
        let flat = try decode(oneInput("INT32", "[2,3,2]", "[1,2,3,4,5,6,7,8,9,10,11,12]"))
        let nested = try decode(
            oneInput("INT32", "[2,3,2]", "[ [[1,2],[3,4],[5,6]] ,\n\t[[7,8],[9,10],[11,12]] ]"))
        #expect(flat.inputs[0].values(Int32.self) == Array(1...12))
        #expect(nested.inputs[0].values(Int32.self) == Array(1...12))
    }

    @Test func everyTypeWithAJSONFormIsDecoded() throws {
        func first(_ type: String, _ data: String) throws -> Tensor {
            try decode(oneInput(type, "[2]", data)).inputs[0]
        }
        #expect(try first("BOOL", "[true,false]").values(UInt8.self) == [1, 0])
        #expect(try first("UINT8", "[0,255]").values(UInt8.self) == [0, 255])
        #expect(try first("UINT16", "[0,65535]").values(UInt16.self) == [0, 65535])
        #expect(try first("UINT32", "[0,4294967295]").values(UInt32.self) == [0, .max])
        #expect(try first("UINT64", "[-0,18446744073709551615]").values(UInt64.self) == [0, .max])
        #expect(try first("INT8", "[-128,127]").values(Int8.self) == [-128, 127])
        #expect(try first("INT16", "[-32768,32767]").values(Int16.self) == [.min, .max])
        #expect(try first("INT32", "[-2147483648,2147483647]").values(Int32.self) == [.min, .max])
        #expect(
            try first("INT64", "[-9223372036854775808,9223372036854775807]").values(Int64.self) == [.min, .max])
        #expect(try first("FP32", "[1,-2.5e3]").values(Float.self) == [1, -2500])
        #expect(try first("FP64", "[1E+2,0.1]").values(Double.self) == [100, 0.1])
    }

    @Test func stringsBecomeBytesBehindTheirLength() throws {
        let request = try decode(oneInput("BYTES", "[2,2]", #"[["","a\u0000b"],["é\n\"\/","\ud83d\ude00"]]"#))
        #expect(request.inputs[0].strings == [[], [97, 0, 98], Array("é\n\"/".utf8), Array("😀".utf8)])
    }

    @Test func bracketsInsideStringsAreOnlyText() throws {
        let strings = ["0123456789", "12345678]", "]]", "[{", "0123\"]", "\\"]
        let data =
            "["
            + strings.map { #""\#($0.replacing("\\", with: #"\\"#).replacing("\"", with: #"\""#))""# }
            .joined(separator: ",") + "]"
        let request = try decode(oneInput("BYTES", "[6]", data))
        #expect(request.inputs[0].strings == strings.map { Array($0.utf8) })
    }

    @Test func jsonTensorsShareOneAlignedSlab() throws {
        let pool = SlabPool(budget: 1 << 20)
        let request = try decode(
            #"""
            {"inputs":[{"name":"a","shape":[3],"datatype":"UINT8","data":[1,2,3]},
                       {"name":"b","shape":[1],"datatype":"BYTES","data":["xyz"]},
                       {"name":"c","shape":[2],"datatype":"FP64","data":[0.5,2]}]}
            """#, pool: pool)
        let slabs = Set(request.inputs.map { ObjectIdentifier($0.slab) })
        #expect(slabs.count == 1)
        #expect(request.inputs.allSatisfy { $0.range.lowerBound % SlabPool.alignment == 0 })
        #expect(request.inputs[0].values(UInt8.self) == [1, 2, 3])
        #expect(request.inputs[1].strings == [Array("xyz".utf8)])
        #expect(request.inputs[2].values(Double.self) == [0.5, 2])
        withExtendedLifetime(request) { #expect(pool.bytesInUse == SlabPool.smallestSlab) }
    }

    @Test func binaryTensorsStayInTheBody() throws {
        let pool = SlabPool(budget: 1 << 20)
        let json = #"""
            {"inputs":[{"name":"a","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}},
                       {"name":"j","shape":[1],"datatype":"INT8","data":[5]},
                       {"name":"h","shape":[1,1],"datatype":"FP16","parameters":{"binary_data_size":2}},
                       {"name":"s","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":10}}]}
            """#
        let strings = lengthPrefixed([Array("hi".utf8), []])
        let body = try Body(
            Array(json.utf8), binary: rawBytes([Float(1.5), -2]) + [0x00, 0x3C] + strings, pool: pool)
        let request = try body.decode(pool: pool)
        #expect(request.inputs.map(\.name) == ["a", "j", "h", "s"])
        #expect(request.inputs[0].slab === body.slab && request.inputs[3].slab === body.slab)
        #expect(request.inputs[0].values(Float.self) == [1.5, -2])
        #expect(request.inputs[1].values(Int8.self) == [5])
        #expect(request.inputs[2].values(UInt16.self) == [0x3C00])
        #expect(request.inputs[3].strings == [Array("hi".utf8), []])
    }

    @Test func anImageOfNumbersIsExact() throws {
        let count = 150_528
        var generator = SeededGenerator(seed: 1)
        let values = (0..<count).map { _ in Float.random(in: -3...3, using: &generator) }
        let request = try decode(oneInput("FP32", "[1,3,224,224]", "\(values)"))
        #expect(request.inputs[0].values(Float.self) == values)
        // As a client writes floats that passed through doubles: 17 digits.
        let long = "[" + values.map { Double($0).description }.joined(separator: ", ") + "]"
        #expect(try decode(oneInput("FP32", "[1,3,224,224]", long)).inputs[0].values(Float.self) == values)
    }

    @Test func emptyTensorsDecode() throws {
        for (shape, data) in [("[0]", "[]"), ("[2,0]", "[[],[]]"), ("[0,5]", "[]"), ("[2,0,1000000000000]", "[[],[]]")]
        {
            let request = try decode(oneInput("FP32", shape, data))
            #expect(request.inputs[0].range.isEmpty)
        }
        #expect(try decode(oneInput("FP32", "[]", "[4]")).inputs[0].values(Float.self) == [4])
    }

    @Test func claimedSizesTakeNoMemory() throws {
        let pool = SlabPool(budget: 1 << 40)
        let error = try decodingError(Array(oneInput("FP64", "[1000000000000]", "[1,2,3]").utf8), pool: pool)
        #expect(error?.code == .invalidArgument)
        #expect(pool.bytesInUse == 0)
    }

    @Test func aFullPoolAsksToTryLaterAndATooSmallOneRefuses() throws {
        let pool = SlabPool(budget: 1 << 14)
        let json = Array(
            oneInput("FP64", "[1000]", "[" + Array(repeating: "1", count: 1000).joined(separator: ",") + "]").utf8)
        let body = try Body(json, pool: pool)
        let held = try pool.take(1 << 13)
        do throws(ProtocolError) {
            _ = try withExtendedLifetime(held) { () throws(ProtocolError) in try body.decode(pool: pool) }
            Issue.record("decoded without memory")
        } catch {
            #expect(error.code == .resourceExhausted)
        }
        let tiny = SlabPool(budget: 1024)
        #expect(throws: ProtocolError.self) { try body.decode(pool: tiny) }
        do throws(ProtocolError) { _ = try body.decode(pool: tiny) } catch { #expect(error.code == .payloadTooLarge) }
    }
}
