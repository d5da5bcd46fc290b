// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Testing

@testable internal import StraitProtocol

/// A body that must be refused, and what its message must say.
struct Malformed: Sendable, CustomTestStringConvertible {
    var json: [UInt8]
    var binary: [UInt8]?
    var expected: String
    var code = ProtocolError.Code.invalidArgument

    init(_ json: String, binary: [UInt8]? = nil, _ expected: String, code: ProtocolError.Code = .invalidArgument) {
        self.init(bytes: Array(json.utf8), binary: binary, expected, code: code)
    }

    init(bytes: [UInt8], binary: [UInt8]? = nil, _ expected: String, code: ProtocolError.Code = .invalidArgument) {
        self.json = bytes
        self.binary = binary
        self.expected = expected
        self.code = code
    }

    var testDescription: String { "\(text(Array(json.prefix(80)))) → \(expected)" }

    /// A request with one binary input.
    static func binaryInput(_ type: String, _ shape: String, size: String, _ content: [UInt8], _ expected: String)
        -> Malformed
    {
        Malformed(
            #"{"inputs":[{"name":"x","datatype":"\#(type)","shape":\#(shape),"parameters":{"binary_data_size":\#(size)}}]}"#,
            binary: content, expected)
    }

    /// A request with parameters.
    static func parameters(_ parameters: String, _ expected: String, code: ProtocolError.Code = .invalidArgument)
        -> Malformed
    {
        Malformed(#"{"parameters":{\#(parameters)},"inputs":[]}"#, expected, code: code)
    }

    /// A request whose input has these parameters, and no data.
    static func shared(_ parameters: String, _ expected: String) -> Malformed {
        Malformed(
            #"{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"parameters":{\#(parameters)}}]}"#, expected)
    }

    /// A request whose input has `data`.
    static func data(_ type: String, _ shape: String, _ data: String, _ expected: String) -> Malformed {
        Malformed(oneInput(type, shape, data), expected)
    }
}

@Suite struct MalformedRequestTests {
    static let syntax: [Malformed] = [
        Malformed("", "expected an object, found the end"),
        Malformed("   ", "expected an object, found the end"),
        Malformed("[]", "expected an object, found '['"),
        Malformed("{", "expected a key in quotes, found the end"),
        Malformed(#"{"inputs""#, "expected ':', found the end"),
        Malformed(#"{"inputs":"#, "inputs: byte 10: expected an array, found the end"),
        Malformed(#"{"inputs":[}"#, "expected an object, found '}'"),
        Malformed(#"{"inputs":[],}"#, "expected a key in quotes, found '}'"),
        Malformed(#"{"inputs":[],"x":[1,]}"#, "expected a value after ',', found ']'"),
        Malformed(#"{"inputs":[],"x":[1 2]}"#, "expected ',' or ']', found '2'"),
        Malformed(#"{"inputs":[] "id":"a"}"#, "expected ',' or '}'"),
        Malformed(#"{"inputs":[]} x"#, "expected the end of the JSON text, found 'x'"),
        Malformed(#"{"inputs":[]}{}"#, "expected the end of the JSON text, found '{'"),
        Malformed(#"{"inputs":[],"x":tru}"#, "expected true or false"),
        Malformed(#"{"inputs":[],"x":nul}"#, "expected a value"),
        Malformed(#"{"inputs":[],"x":NaN}"#, "JSON has no NaN"),
        Malformed(#"{"inputs":[],"x":01}"#, "must not start with 0"),
        Malformed(#"{"inputs":[],"x":1.}"#, "expected a digit after the decimal point"),
        Malformed(#"{"inputs":[],"x":1e+}"#, "expected a digit in the exponent"),
        Malformed(#"{"inputs":[],"x":-}"#, "expected a number"),
        Malformed(#"{"inputs":[],"x":+1}"#, "expected a value, found '+'"),
        Malformed(#"{"inputs":[],"x":'a'}"#, "expected a value, found '''"),
        Malformed(#"{inputs:[]}"#, "expected a key in quotes, found 'i'"),
        Malformed(#"{"id":"abc"#, "the string is never closed"),
        Malformed(#"{"id":"a\q"}"#, "unknown escape"),
        Malformed(#"{"id":"\u12G4"}"#, "four hexadecimal digits"),
        Malformed(#"{"id":"\ud800"}"#, "lone surrogate"),
        Malformed(#"{"id":"\udc00\ud800"}"#, "lone surrogate"),
        Malformed(#"{"id":"\ud800\u0041"}"#, "lone surrogate"),
        Malformed(#"{"id":"\ud800\ue000"}"#, "lone surrogate"),
        Malformed(#"{"id":"\"#, "unknown escape"),
        Malformed(bytes: Array(#"{"id":""#.utf8) + [0x0A] + Array(#""}"#.utf8), "control characters"),
        Malformed(bytes: Array(#"{"id":""#.utf8) + [0xFF] + Array(#""}"#.utf8), "not valid UTF-8"),
        Malformed(bytes: Array(#"{"id":""#.utf8) + [0xC0, 0x80] + Array(#""}"#.utf8), "not valid UTF-8"),
        Malformed(bytes: Array(#"{"id":""#.utf8) + [0xED, 0xA0, 0x80] + Array(#""}"#.utf8), "not valid UTF-8"),
        Malformed(bytes: Array(#"{"id":""#.utf8) + [0xF4, 0x90, 0x80, 0x80] + Array(#""}"#.utf8), "not valid UTF-8"),
        Malformed(bytes: Array(#"{"id":""#.utf8) + [0xE2, 0x82], "not valid UTF-8"),
        Malformed(bytes: [0xEF, 0xBB, 0xBF] + Array(#"{"inputs":[]}"#.utf8), "found byte 0xEF"),
        Malformed(bytes: Array(#"{"inputs":[]}"#.utf8) + [0], "found byte 0x00"),
        Malformed(#"{"x":"# + String(repeating: "[", count: 100_000), "nested deeper than 32 levels"),
        Malformed(#"{"x":"# + String(repeating: #"{"a":"#, count: 100), "nested deeper than 32 levels"),
        Malformed(#"{"inputs":[],"x":"# + String(repeating: "9", count: 2000) + "}", "longer than 1024"),
    ]

    static let structure: [Malformed] = [
        Malformed("{}", #""inputs" is missing"#),
        Malformed(#"{"inputs":{}}"#, "inputs: byte 10: expected an array"),
        Malformed(#"{"inputs":null}"#, "expected an array, found 'n'"),
        Malformed(#"{"inputs":[1]}"#, "inputs[0]: byte 11: expected an object, found '1'"),
        Malformed(#"{"inputs":[],"inputs":[]}"#, "given twice"),
        Malformed(#"{"inputs":[],"id":7}"#, "id: byte 18: expected a string, found '7'"),
        Malformed(#"{"inputs":[],"id":""# + String(repeating: "i", count: 1025) + #""}"#, "at most 1024"),
        Malformed(#"{"inputs":[{}]}"#, #"inputs[0]: "name" is missing"#),
        Malformed(#"{"inputs":[{"name":"x"}]}"#, #"inputs[0] ("x"): "shape" is missing"#),
        Malformed(#"{"inputs":[{"name":"x","shape":[1]}]}"#, #""datatype" is missing"#),
        Malformed(#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]}"#, "no data"),
        Malformed(#"{"inputs":[{"name":"","shape":[1],"datatype":"FP32"}]}"#, "the name is empty"),
        Malformed(#"{"inputs":[{"name":"# + "\"" + String(repeating: "n", count: 257) + #"""#, "at most 256"),
        Malformed(#"{"inputs":[{"name":5}]}"#, "inputs[0].name: byte 19: expected a string, found '5'"),
        Malformed(
            oneInput("FP32", "[1]", "[1]").replacing(
                "}]}", with: "},{" + #""name":"x","shape":[1],"datatype":"FP32","data":[1]}]}"#), "same name"),
        Malformed(oneInput("FP31", "[1]", "[1]"), #"unknown datatype "FP31"; expected one of BOOL"#),
        Malformed(oneInput("fp32", "[1]", "[1]"), "unknown datatype"),
        Malformed(oneInput("FP32", "1", "[1]"), "shape: byte"),
        Malformed(oneInput("FP32", "[-1]", "[1]"), "found -1"),
        Malformed(oneInput("FP32", "[1.5]", "[1]"), "found 1.5"),
        Malformed(oneInput("FP32", "[1e0]", "[1]"), "found 1e0"),
        Malformed(oneInput("FP32", #"["1"]"#, "[1]"), "expected a dimension as a whole number"),
        Malformed(oneInput("FP32", "[9223372036854775808]", "[1]"), "found 9223372036854775808"),
        Malformed(oneInput("FP32", "[4294967296,4294967296]", "[1]"), "more elements than any memory holds"),
        Malformed(oneInput("FP32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[1]"), "more than 16 dimensions"),
        Malformed(oneInput("FP64", "[1000000000000]", "[1,2,3]"), "cannot hold as many"),
        Malformed(oneInput("FP16", "[1]", "[1]"), "FP16 has no JSON form"),
        Malformed(oneInput("BF16", "[1]", "[1]"), "BF16 has no JSON form"),
        Malformed(oneInput("FP32", "[1]", "1"), "data: byte 60: expected an array, found '1'"),
        Malformed(oneInput("FP32", "[1]", "[1"), "found '}'"),
        Malformed(
            #"{"inputs":["#
                + Array(repeating: #"{"name":"n","shape":[0],"datatype":"INT8","data":[]}"#, count: 1)
                .joined() + ",5]}", "inputs[1]: byte"),
        Malformed(
            #"{"inputs":["#
                + (0..<65).map { #"{"name":"n\#($0)","shape":[0],"datatype":"INT8","data":[]}"# }.joined(separator: ",")
                + "]}", "more than 64 inputs"),
        Malformed(
            #"{"inputs":[],"outputs":["# + (0..<65).map { #"{"name":"n\#($0)"}"# }.joined(separator: ",") + "]}",
            "more than 64 outputs"),
        Malformed(
            #"{"inputs":[],"outputs":[{"name":"y"},{"name":"y"}]}"#, #"outputs[1] ("y"): the output is asked for twice"#
        ),
        Malformed(#"{"inputs":[],"outputs":[{}]}"#, #"outputs[0]: "name" is missing"#),
        Malformed(#"{"inputs":[],"outputs":["y"]}"#, "expected an object"),
    ]

    static let values: [Malformed] = [
        .data("FP32", "[3]", "[1.0,2.0]", "only 2 elements here where 3 are needed; the shape is [3]"),
        .data("FP32", "[2]", "[1,2,3]", "more than 2 elements here; the shape is [2]"),
        .data("FP32", "[1]", "[ ]", "only 0 elements here where 1 are needed"),
        .data("FP32", "[2,2]", "[[1,2],[3]]", "only 1 elements here where 2 are needed; the shape is [2,2]"),
        .data("FP32", "[2,2]", "[[1,2],[3,4,5]]", "more than 2 elements"),
        .data("FP32", "[2,2]", "[[1,2],3,4]", "expected an array, found '3'"),
        .data("FP32", "[2,2]", "[1,[2,3],4]", "expected a number, found '['"),
        .data("FP32", "[2]", "[[1,2]]", "expected a number, found '['"),
        .data("FP32", "[2,2]", "[[[1,2],[3,4]]]", "expected a number, found '['"),
        .data("FP32", "[1]", "[NaN]", "send the tensor as binary"),
        .data("FP32", "[1]", "[Infinity]", "send the tensor as binary"),
        .data("FP32", "[1]", "[null]", "expected a number, found 'n'"),
        .data("FP32", "[1]", #"["1"]"#, "expected a number"),
        .data("FP32", "[1]", "[1e39]", "1e39 is out of range for FP32"),
        .data("FP64", "[1]", "[-1e309]", "-1e309 is out of range for FP64"),
        .data("FP32", "[2]", "[1 2]", "expected ',' or ']', found '2'"),
        .data("FP32", "[2]", "[1,,2]", "expected a number, found ','"),
        .data("FP32", "[1]", "[1,]", "more than 1 elements"),
        .data("FP32", "[1]", "[0x10]", "expected ',' or ']', found 'x'"),
        .data("FP32", "[1]", "[.5]", "expected a number, found '.'"),
        .data(
            "UINT8", "[2]", "[1,300]",
            #"inputs[0] ("x").data: byte 64: expected a whole number from 0 to 255, found 300"#),
        .data("UINT8", "[1]", "[-1]", "from 0 to 255, found -1"),
        .data("INT8", "[1]", "[128]", "from -128 to 127, found 128"),
        .data("INT32", "[1]", "[1.5]", "found 1.5"),
        .data("INT32", "[1]", "[1e2]", "found 1e2"),
        .data("INT64", "[1]", "[9223372036854775808]", "found 9223372036854775808"),
        .data("INT64", "[1]", "[-9223372036854775809]", "found -9223372036854775809"),
        .data("UINT64", "[1]", "[18446744073709551616]", "found 18446744073709551616"),
        .data("UINT64", "[1]", "[99999999999999999999999999]", "found 999999999999999999999999…"),
        .data("BOOL", "[1]", "[1]", "expected true or false, found '1'"),
        .data("BYTES", "[1]", "[1]", "expected a string for BYTES, found '1'"),
        .data("BYTES", "[2]", #"["a"]"#, "only 1 elements"),
        .data("BYTES", "[1]", #"["\ud800"]"#, "lone surrogate"),
        .data("FP32", "[1]", #"[{"a":1}]"#, "expected numbers, strings or ']'"),
    ]

    static let parameters: [Malformed] = [
        .parameters(#""priority":"1""#, "parameters.priority: byte 26: expected a priority as a whole number"),
        .parameters(#""priority":-1"#, "found -1"),
        .parameters(#""priority":1.0"#, "found 1.0"),
        .parameters(#""timeout":"20""#, "parameters.timeout"),
        .parameters(#""timeout":9223372036854775808"#, "from 0 to 9223372036854775807"),
        .parameters(#""timeout":null"#, "expected a timeout in microseconds"),
        .parameters(#""binary_data_output":1"#, "expected true or false"),
        .parameters(#""priority":1,"priority":2"#, "given twice"),
        .parameters(#""sequence_id":5"#, "sequences", code: .unsupported),
        .parameters(#""sequence_id":"s""#, "sequences", code: .unsupported),
        .parameters((0..<65).map { #""p\#($0)":1"# }.joined(separator: ","), "more than 64 parameters"),
        Malformed(#"{"parameters":[],"inputs":[]}"#, "parameters: byte 14: expected an object"),
        Malformed(
            #"{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":-3}}]}"#,
            "found -3"),
        Malformed(
            #"{"inputs":[],"outputs":[{"name":"y","parameters":{"binary_data":"yes"}}]}"#,
            #"outputs[0] ("y").parameters.binary_data: byte"#),
        .shared(#""shared_memory_region":"r""#, "shared_memory_byte_size is missing"),
        .shared(#""shared_memory_byte_size":8"#, "shared_memory_region is missing"),
        .shared(#""shared_memory_region":7,"shared_memory_byte_size":8"#, "expected a string"),
        .shared(#""shared_memory_region":"r","shared_memory_byte_size":-8"#, "found -8"),
        .shared(#""shared_memory_region":"r","shared_memory_byte_size":1e3"#, "found 1e3"),
        .shared(#""shared_memory_region":"r","shared_memory_byte_size":9223372036854775808"#, "a size in bytes"),
        .shared(
            #""shared_memory_region":"r","shared_memory_byte_size":8,"shared_memory_offset":9223372036854775807"#,
            "lie beyond any memory"),
        .shared(
            #""shared_memory_region":"r","shared_memory_byte_size":8,"binary_data_size":8"#,
            "both binary_data_size and shared_memory_region"),
        Malformed(
            #"{"inputs":[],"outputs":[{"name":"y","parameters":{"shared_memory_byte_size":4}}]}"#,
            #"outputs[0] ("y").parameters: shared_memory_region is missing"#),
    ]

    static let binary: [Malformed] = [
        .binaryInput("FP32", "[2]", size: "4", [0, 0, 0, 0], "FP32 of shape [2] takes 8 bytes"),
        .binaryInput("FP32", "[1]", size: "8", [0, 0, 0, 0], "only 4 bytes are left in the body"),
        .binaryInput("FP32", "[1]", size: "4", [0, 0, 0, 0, 0], "1 bytes are left over"),
        .binaryInput("FP32", "[1]", size: "-4", [0, 0, 0, 0], "found -4"),
        .binaryInput("FP32", "[1]", size: "9223372036854775807", [0, 0, 0, 0], "only 4 bytes are left"),
        .binaryInput("FP32", "[4611686018427387904]", size: "4", [0, 0, 0, 0], "more bytes than any memory holds"),
        .binaryInput("BOOL", "[2]", size: "2", [1, 2], "element 1 of BOOL is 2"),
        .binaryInput("BYTES", "[1]", size: "3", [0, 0, 0], "points beyond the end"),
        .binaryInput("BYTES", "[1]", size: "5", [2, 0, 0, 0, 65], "points beyond the end"),
        .binaryInput("BYTES", "[1]", size: "4", [255, 255, 255, 255], "points beyond the end"),
        .binaryInput("BYTES", "[2]", size: "5", [1, 0, 0, 0, 65], "has 2 elements, found 1"),
        .binaryInput("BYTES", "[0]", size: "4", [0, 0, 0, 0], "has 0 elements, found 1"),
        Malformed(#"{"inputs":[]}"#, binary: [1], "1 bytes are left over"),
        Malformed(
            #"{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1],"parameters":{"binary_data_size":1}}]}"#,
            binary: [1], "both"),
        Malformed(
            #"{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"parameters":{"binary_data_size":1}}]}"#,
            "Inference-Header-Content-Length is missing"),
    ]

    @Test(arguments: syntax + structure + values + parameters + binary)
    func isRefusedWithAMessageThatNamesTheFault(_ body: Malformed) throws {
        let error = try decodingError(body.json, binary: body.binary)
        #expect(error?.code == body.code)
        #expect(error?.message.contains(body.expected) == true, "\(error?.message ?? "decoded")")
        // It goes into the answer, so it must not grow with the request.
        #expect((error?.message.utf8.count ?? 0) < 1000)
    }

    @Test func headerLengthsThatLieAreRefused() throws {
        let pool = SlabPool(budget: 1 << 20)
        var body = try Body(Array(#"{"inputs":[]}"#.utf8), pool: pool)
        for (length, code) in [
            (14, ProtocolError.Code.invalidArgument), (-1, .invalidArgument), (0, .invalidArgument),
            (5, .invalidArgument),
            (.max, .invalidArgument),
        ] {
            body.jsonLength = length
            do throws(ProtocolError) {
                _ = try body.decode(pool: pool)
                Issue.record("decoded with a header length of \(length)")
            } catch {
                #expect(error.code == code)
            }
        }
        body.jsonLength = 13
        _ = try body.decode(pool: pool)
    }

    @Test func everyPrefixOfAGoodRequestIsRefused() throws {
        let json = Array(
            #"{"id":"\u00e9é","inputs":[{"name":"x","shape":[2,1],"datatype":"FP32","data":[[1.5e1],[-2]]}],"p":{"a":[true,null]}}"#
                .utf8)
        #expect(try decodingError(json) == nil)
        for length in 0..<json.count {
            #expect(try decodingError(Array(json[..<length]))?.code == .invalidArgument)
        }
    }

    /// A letter with any number of accents is one character, but must not make a message of any length.
    @Test func quotesAreShortInBytes() throws {
        let letter = "e" + String(repeating: "\u{301}", count: 10_000)
        let json = Array("{\"inputs\":[{\"datatype\":\"\(letter)\"}],\"x\":1}".utf8)
        let error = try #require(try decodingError(json))
        #expect(error.message.utf8.count < 1000)
    }

    @Test func memoryIsGivenBackAfterARefusal() throws {
        let pool = SlabPool(budget: 1 << 26)
        for body in Self.syntax + Self.structure + Self.values + Self.parameters + Self.binary {
            _ = try decodingError(body.json, binary: body.binary, pool: pool)
            #expect(pool.bytesInUse == 0)
        }
    }
}
