// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime
internal import StraitTensor

/// Strings as the wire has them: each behind its length in 4 little-endian bytes.
enum WireStrings {
    /// The bytes of a length.
    private static let prefix = 4

    /// The elements of a tensor of type `bytes`, whose lengths were checked when it was decoded.
    static func elements(_ tensor: Tensor) -> [Slice<UnsafeRawBufferPointer>] {
        var elements: [Slice<UnsafeRawBufferPointer>] = []
        let bytes = tensor.bytes
        var offset = 0
        while let end = Self.end(of: offset, in: bytes) {
            elements.append(bytes[(offset + prefix)..<end])
            offset = end
        }
        return elements
    }

    /// Writes elements into a slab.
    ///
    /// - Returns: the slab, and the bytes that are used of it.
    static func write(_ elements: StringElements, into pool: SlabPool) -> (slab: Slab, count: Int) {
        let count = elements.reduce(0) { $0 + prefix + $1.count }
        let slab = pool.takeBeyondBudget(count)
        var offset = 0
        for element in elements {
            slab.bytes.storeBytes(of: UInt32(element.count).littleEndian, toByteOffset: offset, as: UInt32.self)
            offset += prefix
            UnsafeMutableRawBufferPointer(rebasing: slab.bytes[offset..<(offset + element.count)])
                .copyBytes(from: element)
            offset += element.count
        }
        return (slab, count)
    }

    /// The end of the element that starts at `offset`; nil at the end of the tensor.
    static func end(of offset: Int, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard offset + prefix <= bytes.count else { return nil }
        let length = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        let end = offset + prefix + Int(length)
        return end <= bytes.count ? end : nil
    }
}

extension Tensor {
    /// The tensor cut along its rows, without copying.
    ///
    /// - Parameter rows: how many each slice gets; in all, as many as there are.
    /// - Complexity: O(slices); for `bytes`, O(elements).
    func split(rows: [Int]) -> [Tensor] {
        let total = shape.dimensions.first ?? 1
        var start = range.lowerBound
        return rows.map { count in
            var slice = self
            slice.shape.dimensions[0] = count
            let end =
                type == .bytes ? endOfStrings(from: start, rows: count) : start + range.count / max(1, total) * count
            slice.range = start..<end
            start = end
            return slice
        }
    }

    private func endOfStrings(from start: Int, rows: Int) -> Int {
        var end = start - range.lowerBound
        let elements = shape.row.elementCount.map { $0 * rows } ?? 0
        for _ in 0..<elements { end = WireStrings.end(of: end, in: bytes) ?? end }
        return range.lowerBound + end
    }
}
