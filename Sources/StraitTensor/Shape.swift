// SPDX-License-Identifier: Apache-2.0

/// The dimensions of a tensor, outermost first. In a model's declaration −1 stands for a dimension that varies.
public struct Shape: Sendable, Hashable, ExpressibleByArrayLiteral, CustomStringConvertible {
    /// The most dimensions a tensor may have. ONNX models stay below 8; a bound keeps hostile shapes cheap.
    public static let maximumRank = 16

    /// The dimensions, outermost first.
    public var dimensions: [Int]

    /// A shape of the given dimensions.
    public init(_ dimensions: [Int]) { self.dimensions = dimensions }

    /// A shape of the given dimensions.
    public init(arrayLiteral elements: Int...) { self.dimensions = elements }

    /// The number of elements, or nil where a dimension is negative or the product exceeds `Int.max`.
    ///
    /// - Complexity: O(rank).
    public var elementCount: Int? {
        var count = 1
        for dimension in dimensions {
            guard dimension >= 0 else { return nil }
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow else { return nil }
            count = product
        }
        return count
    }

    /// The shape without its outermost dimension: that of one row of a batch.
    public var row: Shape { Shape(Array(dimensions.dropFirst())) }

    /// As the protocol writes it: `[1,224,224,3]`.
    public var description: String { "[" + dimensions.map(String.init).joined(separator: ",") + "]" }
}
