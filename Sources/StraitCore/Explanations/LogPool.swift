// SPDX-License-Identifier: Apache-2.0

/// Parts of decisions, one after the other in a ring of one stretch of memory: what is added last is read and taken back by
/// its position, counted from the very first. Which of it is still needed its owner knows.
struct LogPool<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    /// The most elements, a power of two.
    let limit: Int
    /// The position behind the last element; wraps.
    private(set) var end: UInt32 = 0

    /// Memory is asked for once up to so many elements, so that it does not move as it fills; it is taken as it fills.
    private static var reserved: Int { 1 << 16 }

    /// - Parameter least: the least number of elements that there is room for.
    init(atLeast least: Int) {
        var limit = 1
        while limit < least { limit *= 2 }
        self.limit = limit
        elements.reserveCapacity(min(limit, Self.reserved))
    }

    /// The element at a position that is still kept.
    subscript(position: UInt32) -> Element {
        get { elements[Int(position) & (limit - 1)] }
        set { elements[Int(position) & (limit - 1)] = newValue }
    }

    /// Adds an element, over the oldest once all room is taken.
    mutating func append(_ element: Element) {
        let place = Int(end) & (limit - 1)
        if place == elements.count { elements.append(element) } else { elements[place] = element }
        end &+= 1
    }

    /// The last elements before a position.
    subscript(end: UInt32, last count: UInt32) -> [Element] { (0..<count).map { self[end &- count &+ $0] } }

    /// Moves all from a position on to one before it.
    mutating func move(from source: UInt32, to target: UInt32) {
        let count = end &- source
        for index in 0..<count { self[target &+ index] = self[source &+ index] }
        cut(to: target &+ count)
    }

    /// Takes back all from a position on.
    mutating func cut(to position: UInt32) { end = position }
}
