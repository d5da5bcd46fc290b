// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol

/// Which row of the counts is which model's. Decided when a model comes, so that counting needs no look-up.
///
/// A row belongs to a name and a version, and outlives the model: what is loaded again goes on counting where it was.
/// Rows are bounded. Where all are taken, the row of the model that has been gone for the longest is given to the next,
/// and what it held is added to row 0, as is what happens to models for which there is no row.
struct ModelRows: Sendable {
    struct Row: Sendable {
        let name: String
        let version: Int
        /// Models that count in it: those loaded, and those that are being unloaded.
        var users = 0
        /// What models that are gone have counted by themselves.
        var gone: ModelTotals
        /// When it was left by its last user, as a number that only grows.
        var leftAt: UInt64 = 0
    }

    private(set) var rows: [Row]
    private let limit: Int
    private var departures: UInt64 = 0

    /// The row of whoever has none of his own. No folder, and so no model, can be called that.
    static let otherName = "/other"
    static let other = 0

    /// - Parameter limit: the most rows, row 0 included.
    init(limit: Int) {
        self.limit = limit
        rows = [Row(name: Self.otherName, version: 0, gone: ModelTotals())]
    }

    /// What is to be done with the counts for a model that comes.
    enum Place {
        /// It counts in a row that is there.
        case known(Int)
        /// It counts in a row that is to be added.
        case added(Int)
        /// It counts in a row whose content is to be moved to row 0 first.
        case given(Int)
    }

    /// A row for a model.
    ///
    /// - Complexity: O(rows).
    mutating func enter(_ name: String, _ version: Int) -> Place {
        if let index = rows.firstIndex(where: { $0.name == name && $0.version == version }), index != Self.other {
            rows[index].users += 1
            return .known(index)
        }
        let row = Row(name: name, version: version, users: 1, gone: ModelTotals())
        guard rows.count >= limit else {
            rows.append(row)
            return .added(rows.count - 1)
        }
        let unused = rows.indices.dropFirst().filter { rows[$0].users == 0 }
        guard let index = unused.min(by: { rows[$0].leftAt < rows[$1].leftAt }) else { return .known(Self.other) }
        rows[Self.other].gone.add(rows[index].gone)
        rows[index] = row
        return .given(index)
    }

    /// A model is gone.
    mutating func leave(_ row: Int, _ statistics: ModelStatistics) {
        rows[row].gone.add(ModelTotals(statistics))
        guard row != Self.other else { return }
        departures += 1
        rows[row].users -= 1
        rows[row].leftAt = departures
    }
}

/// The totals of a model's statistics.
struct ModelTotals: Sendable {
    /// Rows inferred, and batches that ran.
    var inferences: UInt64 = 0
    var executions: UInt64 = 0
    /// Nanoseconds of the requests that ran.
    var request: UInt64 = 0
    var queue: UInt64 = 0
    var computeInput: UInt64 = 0
    var computeInfer: UInt64 = 0
    var computeOutput: UInt64 = 0

    init() {}

    init(_ statistics: ModelStatistics) {
        inferences = statistics.inferenceCount
        executions = statistics.executionCount
        request = statistics.success.nanoseconds
        queue = statistics.queue.nanoseconds
        computeInput = statistics.computeInput.nanoseconds
        computeInfer = statistics.computeInfer.nanoseconds
        computeOutput = statistics.computeOutput.nanoseconds
    }

    mutating func add(_ other: ModelTotals) {
        inferences &+= other.inferences
        executions &+= other.executions
        request &+= other.request
        queue &+= other.queue
        computeInput &+= other.computeInput
        computeInfer &+= other.computeInfer
        computeOutput &+= other.computeOutput
    }
}
