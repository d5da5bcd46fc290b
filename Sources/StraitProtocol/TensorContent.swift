// SPDX-License-Identifier: Apache-2.0

package import StraitTensor

/// How elements of type BYTES lie in memory and on the wire: each behind its length in 4 little-endian bytes.
package enum BytesLayout {
    /// Bytes of the length before each element.
    package static let prefixLength = 4

    /// Calls `body` with the content of each element in turn.
    ///
    /// - Returns: The number of elements, or nil where a length points beyond the end.
    @discardableResult
    package static func forEachElement<Failure: Error>(
        in bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) -> Int? {
        var count = 0
        var offset = 0
        while offset < bytes.count {
            guard bytes.count - offset >= prefixLength else { return nil }
            let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
            offset += prefixLength
            guard bytes.count - offset >= length else { return nil }
            try body(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]))
            offset += length
            count += 1
        }
        return count
    }
}

/// Checks that raw bytes are what their type and shape say.
package enum TensorContent {
    /// What is wrong with `bytes` as the content of such a tensor, in words; nil where nothing is.
    ///
    /// - Complexity: O(1), but O(bytes) for BOOL and BYTES.
    package static func problem(in bytes: UnsafeRawBufferPointer, type: ElementType, shape: Shape) -> String? {
        guard let count = shape.elementCount else { return "shape \(shape) is not the shape of a tensor" }
        guard let size = type.byteSize else { return problemInBytes(bytes, shape: shape, count: count) }
        let (needed, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow, needed == bytes.count else {
            let product = overflow ? "more bytes than any memory holds" : "\(needed) bytes"
            return "\(type.name) of shape \(shape) takes \(product)"
        }
        // A bool that is neither 0 nor 1 is undefined behaviour in the C++ that computes with it.
        if type == .bool, let index = bytes.firstIndex(where: { $0 > 1 }) {
            return "element \(index) of BOOL is \(bytes[index]); expected 0 or 1"
        }
        return nil
    }

    private static func problemInBytes(_ bytes: UnsafeRawBufferPointer, shape: Shape, count: Int) -> String? {
        guard let found = BytesLayout.forEachElement(in: bytes, { _ in }) else {
            return "a BYTES element's length points beyond the end of the tensor"
        }
        return found == count ? nil : "BYTES of shape \(shape) has \(count) elements, found \(found)"
    }
}
