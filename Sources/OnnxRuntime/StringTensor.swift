// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime
internal import Glibc

extension Value {
    /// A tensor of byte strings; ONNX Runtime copies them.
    ///
    /// - Parameters:
    ///   - elements: the strings, row-major. None may hold a zero byte: ONNX Runtime would end the string there.
    ///   - shape: the dimensions; their product is the number of strings.
    /// - Throws: `invalidValue` for a zero byte or a wrong number of strings; what ONNX Runtime reports.
    /// - Complexity: O(bytes).
    package convenience init(
        strings elements: some Collection<some Collection<UInt8>>, shape: [Int], in environment: Environment
    ) throws(OnnxRuntimeError) {
        guard Self.byteCount(of: shape, 1) == elements.count else {
            throw OnnxRuntimeError(
                .invalidValue, "a tensor of strings of shape \(shape) cannot hold \(elements.count) strings")
        }
        let terminated = TerminatedStrings(elements)
        defer { terminated.deallocate() }
        if let index = terminated.firstWithZero {
            throw OnnxRuntimeError(
                .invalidValue,
                "string \(index) holds a zero byte, which ONNX Runtime cannot take. Encode the bytes, or send them as "
                    + "UINT8.")
        }
        let (api, allocator, library) = (environment.api, environment.allocator, environment.library)
        let handle = try library.made {
            ort_create_tensor(api, allocator, shape, shape.count, OrtElementType.string.rawValue, &$0)
        }
        if let status = ort_fill_strings(api, handle, terminated.pointers.baseAddress, elements.count) {
            ort_release_value(api, handle)
            throw library.error(status, model: nil)
        }
        self.init(stringTensor: handle, shape: shape, in: environment)
    }

    /// The strings of a tensor of strings, copied out.
    ///
    /// - Throws: `invalidValue` for another element type; what ONNX Runtime reports.
    /// - Complexity: O(bytes), two allocations.
    package func strings() throws(OnnxRuntimeError) -> StringElements {
        guard elementType == .string else {
            throw OnnxRuntimeError(.invalidValue, "a tensor of type \(elementType) holds no strings")
        }
        let (api, library, count) = (environment.api, environment.library, elementCount)
        guard count > 0 else { return StringElements(bytes: [], starts: []) }
        let byteCount: Int = try library.read { ort_strings_byte_count(api, handle, &$0) }
        var starts = [Int](repeating: 0, count: count)
        var status: OpaquePointer?
        // One byte more than needed, so that there is an address when all strings are empty.
        let bytes = [UInt8](unsafeUninitializedCapacity: byteCount + 1) { buffer, initialized in
            status = ort_strings_content(api, handle, buffer.baseAddress, byteCount, &starts, count)
            initialized = status == nil ? byteCount : 0
        }
        try library.check(status)
        return StringElements(bytes: bytes, starts: starts)
    }
}

/// The elements of a tensor of strings: slices of one array of bytes.
package struct StringElements: RandomAccessCollection, Sendable, Hashable {
    /// All strings, one after the other.
    package let bytes: [UInt8]
    private let starts: [Int]

    /// Strings that begin at the given places, in order.
    init(bytes: [UInt8], starts: [Int]) {
        self.bytes = bytes
        self.starts = starts
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { starts.count }

    package subscript(position: Int) -> ArraySlice<UInt8> {
        let next = position + 1 < starts.count ? starts[position + 1] : bytes.count
        return bytes[starts[position]..<next]
    }
}

/// Copies of strings, each with a zero byte behind it, in one piece of memory.
private struct TerminatedStrings {
    let pointers: UnsafeMutableBufferPointer<UnsafePointer<CChar>?>
    /// The first string with a zero byte inside.
    let firstWithZero: Int?
    private let memory: UnsafeMutableRawBufferPointer

    init(_ elements: some Collection<some Collection<UInt8>>) {
        // One byte and one place more than needed, so that there is an address for none.
        memory = .allocate(byteCount: elements.reduce(1) { $0 + $1.count + 1 }, alignment: 1)
        pointers = .allocate(capacity: elements.count + 1)
        pointers.initialize(repeating: nil)
        var (offset, zero) = (0, Int?.none)
        for (index, element) in elements.enumerated() {
            let copy = UnsafeMutableRawBufferPointer(rebasing: memory[offset..<(offset + element.count)])
            copy.copyBytes(from: element)
            memory[offset + element.count] = 0
            let start = memory.baseAddress.map { UnsafeRawPointer($0 + offset) }
            if zero == nil, let start, memchr(start, 0, element.count) != nil { zero = index }
            pointers[index] = start?.assumingMemoryBound(to: CChar.self)
            offset += element.count + 1
        }
        firstWithZero = zero
    }

    func deallocate() {
        pointers.deallocate()
        memory.deallocate()
    }
}
