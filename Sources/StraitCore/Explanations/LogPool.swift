// SPDX-License-Identifier: Apache-2.0

/// Parts of decisions, one after the other in a ring of one stretch of memory: what is added last is read and taken back by
/// its position, counted from the very first. Which of it is still needed its owner knows, who makes the ring larger while
/// that does not fit.
struct LogPool<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    /// The most elements that there may be room for, a power of two.
    let limit: Int
    /// The elements that there is room for, a power of two.
    private(set) var room: Int
    /// The position behind the last element; wraps.
    private(set) var end: UInt32 = 0

    /// Memory is asked for once up to so many elements, so that it does not move as it fills; it is taken as it fills.
    private static var reserved: Int { 1 << 16 }

    /// How large a ring is at first.
    private static var firstRoom: Int { 1024 }

    /// - Parameter least: the least number of elements that there can be room for.
    init(atLeast least: Int) {
        var limit = 1
        while limit < least { limit *= 2 }
        self.limit = limit
        room = min(limit, Self.firstRoom)
        elements.reserveCapacity(min(limit, Self.reserved))
    }

    /// The element at a position that is still kept.
    subscript(position: UInt32) -> Element {
        get { elements[Int(position) & (room - 1)] }
        set { elements[Int(position) & (room - 1)] = newValue }
    }

    /// Adds an element, over the oldest once all room is taken.
    mutating func append(_ element: Element) {
        let place = Int(end) & (room - 1)
        if place == elements.count { elements.append(element) } else { elements[place] = element }
        end &+= 1
    }

    /// Doubles the room of a ring that is full.
    ///
    /// - Complexity: O(its elements): some hundred microseconds for the largest, once.
    mutating func grow() {
        // Whichever of the two places a position has from now on, its element is there.
        for index in 0..<room { elements.append(elements[index]) }
        room *= 2
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
