// SPDX-License-Identifier: Apache-2.0

package import StraitTensor

/// A response ready to be sent: JSON first, then the binary tensors' bytes in order, nothing between.
package struct EncodedResponse: Sendable {
    /// The JSON part.
    package var json: [UInt8]
    /// The outputs that follow as raw bytes.
    package var binaryTensors: [Tensor]

    /// The header `Inference-Header-Content-Length`, in bytes; nil where everything is JSON and it must be left out.
    package var headerLength: Int? { binaryTensors.isEmpty ? nil : json.count }
    /// Bytes of the whole body.
    package var byteCount: Int { binaryTensors.reduce(json.count) { $0 + $1.range.count } }
}

/// Writes the body of an inference response.
package enum InferenceResponseEncoder {
    /// Bytes of JSON to expect for one number; only a guess for the first allocation.
    private static let typicalNumberLength = 12

    /// Encodes `response`; `binary` tells for each output's name whether it goes out as raw bytes.
    ///
    /// Data in JSON are flat, row-major. NaN and the infinities become `null`, see ``JSONWriter/number(_:)``.
    ///
    /// - Throws: ``ProtocolError`` `invalidArgument` where an output has no JSON form (FP16, BF16, or BYTES that are
    ///   not UTF-8) and was not asked for as binary; `failedInternally` where an output's bytes do not fit its shape.
    /// - Complexity: O(bytes of the outputs that go out as JSON).
    package static func encode(
        _ response: InferenceResponse, binary: (String) -> Bool
    ) throws(ProtocolError) -> EncodedResponse {
        var binaryTensors: [Tensor] = []
        let asJSON = response.outputs.filter { !binary($0.name) && !response.inSharedMemory.contains($0.name) }
        let elements = asJSON.reduce(0) { $0 + $1.range.count / ($1.type.byteSize ?? typicalNumberLength) }
        var writer = JSONWriter(capacity: 512 + elements * typicalNumberLength)
        writer.beginObject()
        if !response.id.isEmpty { writer.member("id", response.id) }
        writer.member("model_name", response.modelName)
        writer.member("model_version", response.modelVersion)
        if !response.parameters.isEmpty {
            writer.key("parameters")
            writer.beginObject()
            for parameter in response.parameters { write(parameter, to: &writer) }
            writer.endObject()
        }
        writer.key("outputs")
        writer.beginArray()
        for output in response.outputs {
            writer.beginObject()
            writer.member("name", output.name)
            writer.member("datatype", output.type.name)
            writer.member("shape", output.shape.dimensions)
            if response.inSharedMemory.contains(output.name) {
                // Nothing else, as from Triton: its C++ client takes parameters to mean a binary tensor.
            } else if binary(output.name) {
                writer.key("parameters")
                writer.beginObject()
                writer.member("binary_data_size", output.range.count)
                writer.endObject()
                binaryTensors.append(output)
            } else {
                writer.key("data")
                try writeData(of: output, to: &writer)
            }
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return EncodedResponse(json: writer.bytes, binaryTensors: binaryTensors)
    }

    private static func write(_ parameter: Parameter, to writer: inout JSONWriter) {
        writer.key(parameter.name)
        switch parameter.value {
        case .bool(let value): writer.bool(value)
        case .int(let value): writer.integer(value)
        case .double(let value): writer.number(value)
        case .string(let value): writer.string(value)
        }
    }

    // -- data ----------------------------------------------------------------------------------------------------

    private static func writeData(of tensor: Tensor, to writer: inout JSONWriter) throws(ProtocolError) {
        if let size = tensor.type.byteSize {
            guard tensor.shape.elementCount?.multipliedReportingOverflow(by: size).partialValue == tensor.range.count
            else {
                throw ProtocolError(
                    .failedInternally,
                    "output \"\(tensor.name)\" has \(tensor.range.count) bytes for \(tensor.type.name) \(tensor.shape)")
            }
        }
        writer.beginArray()
        switch tensor.type {
        case .bool: each(UInt8.self, of: tensor) { writer.bool($0 != 0) }
        case .uint8: each(UInt8.self, of: tensor) { writer.integer($0) }
        case .uint16: each(UInt16.self, of: tensor) { writer.integer($0) }
        case .uint32: each(UInt32.self, of: tensor) { writer.integer($0) }
        case .uint64: each(UInt64.self, of: tensor) { writer.integer($0) }
        case .int8: each(Int8.self, of: tensor) { writer.integer($0) }
        case .int16: each(Int16.self, of: tensor) { writer.integer($0) }
        case .int32: each(Int32.self, of: tensor) { writer.integer($0) }
        case .int64: each(Int64.self, of: tensor) { writer.integer($0) }
        case .fp32: each(Float.self, of: tensor) { writer.number($0) }
        case .fp64: each(Double.self, of: tensor) { writer.number($0) }
        case .fp16, .bf16:
            throw ProtocolError(
                .invalidArgument,
                "output \"\(tensor.name)\" is \(tensor.type.name), which has no JSON form: ask for it with binary_data")
        case .bytes: try writeStrings(of: tensor, to: &writer)
        }
        writer.endArray()
    }

    @inline(__always)
    private static func each<Element: BitwiseCopyable>(
        _ type: Element.Type, of tensor: Tensor, _ write: (Element) -> Void
    ) {
        let bytes = tensor.bytes
        for offset in stride(from: 0, to: bytes.count, by: MemoryLayout<Element>.stride) {
            write(bytes.loadUnaligned(fromByteOffset: offset, as: Element.self))
        }
    }

    private static func writeStrings(of tensor: Tensor, to writer: inout JSONWriter) throws(ProtocolError) {
        var index = 0
        let count = try BytesLayout.forEachElement(in: tensor.bytes) { (element) throws(ProtocolError) in
            guard UTF8Check.isValid(element) else {
                throw ProtocolError(
                    .invalidArgument,
                    "element \(index) of output \"\(tensor.name)\" is not UTF-8 text: ask for it with binary_data")
            }
            writer.string(utf8: element)
            index += 1
        }
        guard count == tensor.shape.elementCount else {
            throw ProtocolError(
                .failedInternally, "output \"\(tensor.name)\" does not have the elements of its shape \(tensor.shape)")
        }
    }
}
