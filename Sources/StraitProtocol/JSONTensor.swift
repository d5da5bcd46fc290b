// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

/// Tensor data in JSON: an array of elements, flat or nested as the shape says, row-major.
enum JSONTensor {
    /// Reads the array that comes next and puts each element into `sink`, which gets as many as the shape has.
    static func decode<Sink: TensorSink>(
        shape: Shape, from scanner: inout JSONScanner, into sink: inout Sink
    ) throws(ProtocolError) {
        var probe = scanner
        try probe.openArray()
        let isNested = shape.dimensions.count > 1 && probe.peek() == UInt8(ascii: "[")
        let dimensions = isNested ? shape.dimensions : [shape.elementCount ?? 0]
        try level(dimensions[...], whole: shape, from: &scanner, into: &sink)
    }

    /// One array of the outermost of `dimensions`; recursion is bounded by the rank.
    private static func level<Sink: TensorSink>(
        _ dimensions: ArraySlice<Int>, whole: Shape, from scanner: inout JSONScanner, into sink: inout Sink
    ) throws(ProtocolError) {
        guard let length = dimensions.first else { return }
        let inner = dimensions.dropFirst()
        try scanner.openArray()
        for index in 0..<length {
            if index == 0 ? scanner.peek() == UInt8(ascii: "]") : !scanner.consume(UInt8(ascii: ",")) {
                throw tooShort(scanner, found: index, of: length, whole)
            }
            if inner.isEmpty {
                try sink.put(from: &scanner)
            } else {
                try level(inner, whole: whole, from: &scanner, into: &sink)
            }
        }
        guard scanner.closeArray() else {
            guard scanner.peek() == UInt8(ascii: ",") || length == 0 else {
                throw scanner.unexpected(expected: "',' or ']'")
            }
            throw scanner.failure("more than \(length) elements here; the shape is \(whole)")
        }
    }

    private static func tooShort(_ scanner: JSONScanner, found: Int, of length: Int, _ whole: Shape) -> ProtocolError {
        guard scanner[scanner.offset] == UInt8(ascii: "]") else { return scanner.unexpected(expected: "',' or ']'") }
        return scanner.failure("only \(found) elements here where \(length) are needed; the shape is \(whole)")
    }
}

/// Takes the elements of a tensor one after the other.
protocol TensorSink {
    /// Consumes one element from the scanner and keeps it.
    mutating func put(from scanner: inout JSONScanner) throws(ProtocolError)
}

/// Keeps numbers side by side, as the wire has them.
struct NumberSink<Element: JSONElement>: TensorSink {
    let target: UnsafeMutableRawBufferPointer
    var offset = 0

    init(target: UnsafeMutableRawBufferPointer) { self.target = target }

    @inline(__always)
    mutating func put(from scanner: inout JSONScanner) throws(ProtocolError) {
        let element = try Element.scan(&scanner)
        // The shape sized the target and bounds the number of calls.
        target.storeBytes(of: element, toByteOffset: offset, as: Element.self)
        offset += MemoryLayout<Element>.stride
    }
}

/// Keeps strings, each behind its length.
struct BytesSink: TensorSink {
    let target: UnsafeMutableRawBufferPointer
    var length = 0

    init(target: UnsafeMutableRawBufferPointer) { self.target = target }

    mutating func put(from scanner: inout JSONScanner) throws(ProtocolError) {
        guard scanner.peek() == UInt8(ascii: "\"") else { throw scanner.unexpected(expected: "a string for BYTES") }
        let start = scanner.offset
        let token = try scanner.string()
        guard token.range.count <= Int(UInt32.max) else {
            throw scanner.failure(at: start, "a BYTES element of more than \(UInt32.max) bytes")
        }
        // The target has room for the text of all strings and a length for each.
        let content = UnsafeMutableRawBufferPointer(rebasing: target[(length + BytesLayout.prefixLength)...])
        let written = try scanner.write(token, to: content)
        target.storeBytes(
            of: UInt32(truncatingIfNeeded: written).littleEndian, toByteOffset: length, as: UInt32.self)
        length += BytesLayout.prefixLength + written
    }
}

// -- elements ----------------------------------------------------------------------------------------------------

/// An element of a tensor that JSON can express as one number or word.
protocol JSONElement: BitwiseCopyable {
    /// Consumes one element.
    static func scan(_ scanner: inout JSONScanner) throws(ProtocolError) -> Self
}

/// A boolean in one byte.
struct JSONBool: JSONElement {
    var byte: UInt8

    static func scan(_ scanner: inout JSONScanner) throws(ProtocolError) -> JSONBool {
        JSONBool(byte: try scanner.bool() ? 1 : 0)
    }
}

extension Float: JSONElement {
    @inline(__always)
    static func scan(_ scanner: inout JSONScanner) throws(ProtocolError) -> Float {
        scanner.skipWhitespace()
        let number = try scanner.number()
        guard let value = scanner.float(number) else { throw scanner.outOfRange(number, of: .fp32) }
        return value
    }
}

extension Double: JSONElement {
    @inline(__always)
    static func scan(_ scanner: inout JSONScanner) throws(ProtocolError) -> Double {
        scanner.skipWhitespace()
        let number = try scanner.number()
        guard let value = scanner.double(number) else { throw scanner.outOfRange(number, of: .fp64) }
        return value
    }
}

extension FixedWidthInteger where Self: JSONElement {
    @inline(__always)
    static func scan(_ scanner: inout JSONScanner) throws(ProtocolError) -> Self {
        scanner.skipWhitespace()
        let number = try scanner.number()
        guard let value = scanner.integer(number, as: Self.self) else {
            throw scanner.failure(
                at: number.range.lowerBound,
                "expected a whole number from \(Self.min) to \(Self.max), found \(scanner.text(of: number))")
        }
        return value
    }
}

extension UInt8: JSONElement {}
extension UInt16: JSONElement {}
extension UInt32: JSONElement {}
extension UInt64: JSONElement {}
extension Int8: JSONElement {}
extension Int16: JSONElement {}
extension Int32: JSONElement {}
extension Int64: JSONElement {}

extension JSONScanner {
    func outOfRange(_ number: JSONNumber, of type: ElementType) -> ProtocolError {
        failure(at: number.range.lowerBound, "\(text(of: number)) is out of range for \(type.name)")
    }
}
