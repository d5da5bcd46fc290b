// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

extension Value {
    /// A tensor of byte strings; ONNX Runtime copies them.
    ///
    /// - Parameters:
    ///   - elements: the strings, row-major; any bytes.
    ///   - shape: the dimensions; their product is the number of strings.
    /// - Throws: `invalidValue` for a wrong number of strings; what ONNX Runtime reports.
    /// - Complexity: O(bytes).
    package convenience init(
        strings elements: some Collection<some Collection<UInt8>>, shape: [Int], in environment: Environment
    ) throws(OnnxRuntimeError) {
        guard Self.byteCount(of: shape, 1) == elements.count else {
            throw OnnxRuntimeError(
                .invalidValue, "a tensor of strings of shape \(shape) cannot hold \(elements.count) strings")
        }
        let (api, allocator, library) = (environment.api, environment.allocator, environment.library)
        let handle = try library.made {
            ort_create_tensor(api, allocator, shape, shape.count, OrtElementType.string.rawValue, &$0)
        }
        for (index, element) in elements.enumerated() {
            var buffer: UnsafeMutablePointer<CChar>?
            if let status = ort_string_buffer(api, handle, index, element.count, &buffer) {
                ort_release_value(api, handle)
                throw library.error(status, model: nil)
            }
            UnsafeMutableRawBufferPointer(start: buffer, count: element.count).copyBytes(from: element)
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
