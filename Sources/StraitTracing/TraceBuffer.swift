// SPDX-License-Identifier: Apache-2.0

/// Traces that wait to be sent, in memory of bounded length. What comes while it is full is left out and counted: the
/// receiver of traces may be slow, the server must not be.
package struct TraceBuffer: Sendable {
    private var traces: [RequestTrace] = []
    private let capacity: Int
    /// How many had no room since the beginning.
    package private(set) var dropped: UInt64 = 0

    /// A buffer for `capacity` traces.
    package init(capacity: Int) {
        self.capacity = capacity
        traces.reserveCapacity(capacity)
    }

    /// How many wait.
    package var count: Int { traces.count }

    /// Takes one in, if there is room.
    package mutating func append(_ trace: RequestTrace) {
        guard traces.count < capacity else {
            dropped &+= 1
            return
        }
        traces.append(trace)
    }

    /// Takes all out, in their order.
    ///
    /// - Parameter others: empty; its memory is used from now on.
    package mutating func exchange(_ others: inout [RequestTrace]) { swap(&traces, &others) }
}
