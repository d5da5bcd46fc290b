// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol
internal import StraitTensor

/// The body of an inference request, ready to be sent any number of times.
package struct RequestBody: Sendable, Equatable {
    /// The JSON, followed by the binary tensors if there are any.
    package let bytes: [UInt8]
    /// The length of the JSON where binary tensors follow it; nil where the whole body is JSON.
    package let jsonLength: Int?

    /// Encodes a request of the given class that allows `timeout` microseconds; nil for no limit.
    ///
    /// - Throws: ``LoadError`` of code `badInput` for a tensor that has no form in JSON.
    package init(
        _ template: RequestTemplate, requestClass: LoadClass, timeout: Int64?, encoding: LoadPlan.Encoding
    ) throws(LoadError) {
        let binary = encoding == .binary
        var json = JSONWriter()
        json.beginObject()
        json.key("parameters")
        json.beginObject()
        json.member("priority", requestClass.priority)
        if let timeout { json.member("timeout", timeout) }
        if binary { json.member("binary_data_output", true) }
        json.endObject()
        json.key("inputs")
        json.beginArray()
        for input in template.inputs {
            json.beginObject()
            json.member("name", input.name)
            json.member("shape", input.shape.dimensions)
            json.member("datatype", input.type.name)
            if binary {
                json.key("parameters")
                json.beginObject()
                json.member("binary_data_size", input.bytes.count)
                json.endObject()
            } else {
                json.key("data")
                try json.elements(of: input)
            }
            json.endObject()
        }
        json.endArray()
        if !template.outputs.isEmpty {
            json.key("outputs")
            json.beginArray()
            for output in template.outputs {
                json.beginObject()
                json.member("name", output)
                json.endObject()
            }
            json.endArray()
        }
        json.endObject()
        bytes = binary ? template.inputs.reduce(into: json.bytes) { $0 += $1.bytes } : json.bytes
        jsonLength = binary ? json.bytes.count : nil
    }
}

extension JSONWriter {
    /// Writes a tensor's elements as one flat array.
    fileprivate mutating func elements(of input: RequestInput) throws(LoadError) {
        func noForm(_ why: String) -> LoadError {
            LoadError(.badInput, "Input \(input.name) cannot be sent as JSON: \(why). Use --encoding binary.")
        }
        beginArray()
        switch input.type {
        case .bool: input.forEach(UInt8.self) { bool($0 != 0) }
        case .uint8: input.forEach(UInt8.self) { integer($0) }
        case .uint16: input.forEach(UInt16.self) { integer($0) }
        case .uint32: input.forEach(UInt32.self) { integer($0) }
        case .uint64: input.forEach(UInt64.self) { integer($0) }
        case .int8: input.forEach(Int8.self) { integer($0) }
        case .int16: input.forEach(Int16.self) { integer($0) }
        case .int32: input.forEach(Int32.self) { integer($0) }
        case .int64: input.forEach(Int64.self) { integer($0) }
        case .fp32: input.forEach(UInt32.self) { number(Float(bitPattern: $0)) }
        case .fp64: input.forEach(UInt64.self) { number(Double(bitPattern: $0)) }
        case .fp16, .bf16: throw noForm("\(input.type.name) has no form there")
        case .bytes:
            var rest = input.bytes[...]
            while rest.count >= 4 {
                let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
                let element = rest.dropFirst(4).prefix(length)
                guard element.count == length, let text = String(validating: element, as: UTF8.self) else {
                    throw noForm("an element is not UTF-8 text")
                }
                string(text)
                rest = rest.dropFirst(4 + length)
            }
        }
        endArray()
    }
}

extension RequestInput {
    /// Gives each element, taken for a little-endian integer of the given width.
    fileprivate func forEach<Element: FixedWidthInteger & BitwiseCopyable>(
        _: Element.Type, _ body: (Element) -> Void
    ) {
        let size = MemoryLayout<Element>.size
        bytes.withUnsafeBytes { raw in
            for index in 0..<raw.count / size {
                body(Element(littleEndian: raw.loadUnaligned(fromByteOffset: index * size, as: Element.self)))
            }
        }
    }
}
