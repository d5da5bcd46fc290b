// SPDX-License-Identifier: Apache-2.0

package import StraitTensor

/// The classification extension: instead of an output its best classes, as strings `value:index` or
/// `value:index:label`.
package enum Classification {
    /// Whether elements of that type have an order.
    package static func ranks(_ type: ElementType) -> Bool { type != .bytes && type != .bool }

    /// The best `classes` of each row of an output.
    ///
    /// - Parameters:
    ///   - isBatched: whether the first dimension counts rows; else all of the output is one row.
    ///   - labels: the names of the classes, as far as there are any.
    /// - Returns: a BYTES tensor of shape `[rows, classes]`, or `[classes]`; of fewer classes where there are no more.
    ///   NaN comes last, of equal values the first.
    /// - Complexity: O(elements · log elements).
    package static func best(
        _ classes: Int, of output: Tensor, isBatched: Bool, labels: [String], pool: SlabPool
    ) -> Tensor {
        let elements = output.shape.elementCount ?? 0
        let rows = isBatched ? output.shape.dimensions.first ?? 1 : 1
        let width = rows > 0 ? elements / rows : 0
        let count = min(classes, width)
        let ranking = Ranking(output)
        var content: [UInt8] = []
        for row in 0..<rows {
            let values = (0..<width).map { ranking.value(row * width + $0) }
            let order = values.indices.sorted { Ranking.isBetter(values[$0], values[$1], $0 < $1) }
            for index in order.prefix(count) {
                var text = ranking.text(row * width + index) + ":" + String(index)
                if index < labels.count, !labels[index].isEmpty { text += ":" + labels[index] }
                withUnsafeBytes(of: UInt32(truncatingIfNeeded: text.utf8.count).littleEndian) {
                    content.append(contentsOf: $0)
                }
                content.append(contentsOf: text.utf8)
            }
        }
        let slab = pool.takeBeyondBudget(content.count)
        slab.bytes.copyBytes(from: content)
        return Tensor(
            name: output.name, type: .bytes, shape: isBatched ? [rows, count] : [count], slab: slab,
            range: 0..<content.count)
    }
}

/// The elements of a tensor as numbers that can be compared, and as text.
private struct Ranking {
    let type: ElementType
    let bytes: UnsafeRawBufferPointer
    let owner: Slab

    init(_ tensor: Tensor) {
        type = tensor.type
        bytes = tensor.bytes
        owner = tensor.slab
    }

    static func isBetter(_ one: Double, _ other: Double, _ isFirst: Bool) -> Bool {
        if one.isNaN || other.isNaN { return one.isNaN == other.isNaN ? isFirst : other.isNaN }
        return one == other ? isFirst : one > other
    }

    private func load<Element: BitwiseCopyable>(_ index: Int, _ type: Element.Type) -> Element {
        bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Element>.stride, as: type)
    }

    /// The element for comparing; whole numbers beyond 2^53 that differ in their last digits count as equal.
    func value(_ index: Int) -> Double {
        switch type {
        case .bool, .uint8: Double(load(index, UInt8.self))
        case .uint16: Double(load(index, UInt16.self))
        case .uint32: Double(load(index, UInt32.self))
        case .uint64: Double(load(index, UInt64.self))
        case .int8: Double(load(index, Int8.self))
        case .int16: Double(load(index, Int16.self))
        case .int32: Double(load(index, Int32.self))
        case .int64: Double(load(index, Int64.self))
        case .fp16, .bf16, .fp32: Double(float(index))
        case .fp64: load(index, Double.self)
        case .bytes: 0
        }
    }

    func text(_ index: Int) -> String {
        switch type {
        case .uint64: load(index, UInt64.self).description
        case .int64: load(index, Int64.self).description
        case .fp16, .bf16, .fp32: float(index).description
        case .fp64: load(index, Double.self).description
        case .bool, .uint8, .uint16, .uint32, .int8, .int16, .int32, .bytes: Int(value(index)).description
        }
    }

    private func float(_ index: Int) -> Float {
        switch type {
        case .fp32: load(index, Float.self)
        // BF16 is the upper half of an FP32.
        case .bf16: Float(bitPattern: UInt32(load(index, UInt16.self)) << 16)
        case .fp16: HalfFloat.float(load(index, UInt16.self))
        default: 0
        }
    }
}

/// The type FP16, by its bits: Swift's own is not there on every machine.
enum HalfFloat {
    static func float(_ bits: UInt16) -> Float {
        let isNegative = bits >> 15 == 1
        let exponent = Int(bits >> 10 & 0x1F)
        let fraction = Float(bits & 0x3FF)
        let magnitude: Float =
            switch exponent {
            case 0: fraction * 0x1p-24
            case 0x1F: fraction == 0 ? .infinity : .nan
            default: Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction * 0x1p-10)
            }
        return isNegative ? -magnitude : magnitude
    }
}
