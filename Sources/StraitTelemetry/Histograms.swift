// SPDX-License-Identifier: Apache-2.0

// StraitTelemetry: counts and histograms as values, and the text in which they are told. No clock, no lock, no network.

/// Histograms with the same buckets, a row each: in one stretch of memory, so that noting a value allocates nothing.
///
/// Values are whole numbers of a unit that the caller chose, such as nanoseconds. Buckets are fixed, so that the
/// histograms of several servers may be added up.
package struct Histograms: Sendable, Equatable {
    /// The inclusive upper ends of the buckets, ascending; one bucket more takes what is beyond.
    package let bounds: [Int64]
    private var counts: [UInt64]
    private var sums: [Int64]

    /// Histograms without values.
    ///
    /// - Parameter bounds: ascending, at least one.
    package init(bounds: [Int64], rows: Int = 1) {
        precondition(!bounds.isEmpty, "a histogram has a bound")
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "a histogram's bounds ascend")
        self.bounds = bounds
        counts = Array(repeating: 0, count: rows * (bounds.count + 1))
        sums = Array(repeating: 0, count: rows)
    }

    /// How many histograms there are.
    package var rows: Int { sums.count }

    /// Notes a value in a row. Negative values count as 0.
    ///
    /// - Complexity: O(log buckets); no allocation.
    package mutating func note(_ value: Int64, row: Int = 0) {
        let value = max(0, value)
        var (low, high) = (0, bounds.count)
        while low < high {
            let middle = (low + high) >> 1
            if bounds[middle] < value { low = middle + 1 } else { high = middle }
        }
        counts[row * (bounds.count + 1) + low] &+= 1
        sums[row] &+= value
    }

    /// Adds an empty histogram.
    package mutating func addRow() {
        counts.append(contentsOf: repeatElement(0, count: bounds.count + 1))
        sums.append(0)
    }

    /// Moves what a row holds to another; the first is empty afterwards.
    package mutating func move(_ row: Int, to other: Int) {
        let width = bounds.count + 1
        for bucket in 0..<width {
            counts[other * width + bucket] &+= counts[row * width + bucket]
            counts[row * width + bucket] = 0
        }
        sums[other] &+= sums[row]
        sums[row] = 0
    }

    /// For each bucket the values in it and below, the last of them being all.
    package func cumulative(_ row: Int = 0) -> [UInt64] {
        let width = bounds.count + 1
        var total: UInt64 = 0
        return counts[row * width..<(row + 1) * width].map { count in
            total &+= count
            return total
        }
    }

    /// How many values a row holds.
    package func count(_ row: Int = 0) -> UInt64 {
        let width = bounds.count + 1
        return counts[row * width..<(row + 1) * width].reduce(0, &+)
    }

    /// The sum of a row's values.
    package func sum(_ row: Int = 0) -> Int64 { sums[row] }

    /// The same in memory of its own, so that noting into this one goes on without copying.
    package func copied() -> Histograms {
        var copy = self
        copy.counts = counts.copied()
        copy.sums = sums.copied()
        return copy
    }
}

/// Counts in rows of one length: in one stretch of memory, so that counting allocates nothing.
package struct Counts: Sendable, Equatable {
    /// Counts in a row.
    package let columns: Int
    private var values: [UInt64]

    /// Counts of nothing.
    package init(columns: Int, rows: Int = 1) {
        self.columns = columns
        values = Array(repeating: 0, count: rows * columns)
    }

    /// How many rows there are.
    package var rows: Int { values.count / columns }

    /// A count.
    package subscript(row: Int, column: Int) -> UInt64 { values[row * columns + column] }

    /// Counts one, or more.
    package mutating func add(_ count: UInt64 = 1, row: Int = 0, column: Int) {
        values[row * columns + column] &+= count
    }

    /// Adds a row of zeros.
    package mutating func addRow() { values.append(contentsOf: repeatElement(0, count: columns)) }

    /// Moves what a row holds to another; the first is zero afterwards.
    package mutating func move(_ row: Int, to other: Int) {
        for column in 0..<columns {
            values[other * columns + column] &+= values[row * columns + column]
            values[row * columns + column] = 0
        }
    }

    /// The same in memory of its own, so that counting in this one goes on without copying.
    package func copied() -> Counts {
        var copy = self
        copy.values = values.copied()
        return copy
    }
}

extension Array where Element: BitwiseCopyable {
    /// A copy that shares no memory with this one.
    fileprivate func copied() -> [Element] {
        Array(unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = buffer.initialize(fromContentsOf: self)
        }
    }
}
