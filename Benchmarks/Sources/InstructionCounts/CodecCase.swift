// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol
internal import StraitTensor

/// A message that is read or written.
struct CodecCase: CountedCase {
    let name: String
    let repetitions: (few: Int, many: Int)
    /// Made once for each run; what it gives is repeated.
    let prepare: @Sendable () throws -> () throws -> Void

    func run(_ repetitions: Int) throws -> Int {
        let body = try prepare()
        for _ in 0..<repetitions { try body() }
        return repetitions
    }

    static let all: [any CountedCase] = [
        CodecCase(name: "request/json/4-floats", repetitions: (500, 2500)) {
            try decoding(elements: 4, isBinary: false)
        },
        CodecCase(name: "request/json/1000-floats", repetitions: (20, 120)) {
            try decoding(elements: 1000, isBinary: false)
        },
        CodecCase(name: "request/binary/4-floats", repetitions: (500, 2500)) {
            try decoding(elements: 4, isBinary: true)
        },
        CodecCase(name: "request/binary/150528-floats", repetitions: (500, 2500)) {
            try decoding(elements: 150_528, isBinary: true)
        },
        CodecCase(name: "response/json/4-floats", repetitions: (500, 2500)) {
            try encoding(elements: 4, isBinary: false)
        },
        CodecCase(name: "response/json/1000-floats", repetitions: (20, 120)) {
            try encoding(elements: 1000, isBinary: false)
        },
        CodecCase(name: "response/binary/1000-floats", repetitions: (500, 2500)) {
            try encoding(elements: 1000, isBinary: true)
        },
        CodecCase(name: "configuration", repetitions: (50, 250)) {
            let text = Array(configuration.utf8)
            return {
                keep(try ModelConfigurationParser.parse(text, path: "config.pbtxt", model: "model").warnings.count)
            }
        },
    ]

    // -- requests -------------------------------------------------------------------------------------------------

    private static func decoding(elements: Int, isBinary: Bool) throws -> () throws -> Void {
        let pool = SlabPool(budget: 1 << 24)
        let values = floats(elements)
        var data = ""
        var parameters = #","parameters":{"binary_data_size":\#(4 * elements)}"#
        if !isBinary {
            parameters = ""
            data = #","data":[\#(values.map { String($0) }.joined(separator: ","))]"#
        }
        let json = Array(
            #"""
            {"id":"42","parameters":{"priority":1,"timeout":50000,"binary_data_output":true},"inputs":[{"name":"input",\#
            "datatype":"FP32","shape":[1,\#(elements)]\#(parameters)\#(data)}],"outputs":[{"name":"output"}]}
            """#.utf8)
        let length = json.count + (isBinary ? 4 * elements : 0)
        let body = try pool.take(length)
        UnsafeMutableRawBufferPointer(rebasing: body.bytes[..<json.count]).copyBytes(from: json)
        return {
            let request = try InferenceRequestDecoder.decode(
                body: body, range: 0..<length, jsonLength: isBinary ? json.count : nil, pool: pool)
            keep(request.inputs[0].range.count)
        }
    }

    // -- responses ------------------------------------------------------------------------------------------------

    private static func encoding(elements: Int, isBinary: Bool) throws -> () throws -> Void {
        let pool = SlabPool(budget: 1 << 24)
        let slab = try pool.take(4 * elements)
        floats(elements).withUnsafeBytes { slab.bytes.copyMemory(from: $0) }
        let output = Tensor(
            name: "output", type: .fp32, shape: [1, elements], slab: slab, range: 0..<(4 * elements))
        let response = InferenceResponse(
            modelName: "model", modelVersion: "1", id: "42", parameters: [Parameter("strait_late", .bool(true))],
            outputs: [output])
        return { keep(try InferenceResponseEncoder.encode(response) { _ in isBinary }.byteCount) }
    }

    // -- what they are made of ------------------------------------------------------------------------------------

    /// Numbers of many lengths.
    private static func floats(_ count: Int) -> [Float] {
        var state: UInt32 = 1
        return (0..<count).map { index in
            state = state &* 1_664_525 &+ 1_013_904_223
            return Float(state >> 8) / Float(index % 7 + 1) - 1e6
        }
    }

    private static let configuration = """
        # A classifier.
        name: "model"
        platform: "onnxruntime_onnx"
        max_batch_size: 8
        input [
          { name: "input" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] },
          { name: "mask" data_type: TYPE_INT64 dims: [ -1 ] }
        ]
        output { name: "output" data_type: TYPE_FP32 dims: [ 1000 ] }
        dynamic_batching {
          preferred_batch_size: [ 4, 8 ]
          max_queue_delay_microseconds: 500
        }
        parameters { key: "strait.class" value { string_value: "high" } }
        parameters { key: "strait.deadline_ms" value { string_value: "500" } }

        """

    /// Where results go that nobody wants, so that no optimiser leaves the work out.
    @inline(never) private static func keep(_ value: Int) { sum &+= value }
    nonisolated(unsafe) private static var sum = 0
}
