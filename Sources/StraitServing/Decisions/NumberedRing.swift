// SPDX-License-Identifier: Apache-2.0

/// The last of many things that are numbered from 1 as they come. Memory for all of them is asked for once, and taken as it
/// fills.
struct NumberedRing<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    let capacity: Int
    /// The number of the newest one; 0 before the first.
    private(set) var newest: UInt64 = 0
    /// Where that is, and where the next one comes.
    private var next = 0

    init(capacity: Int) {
        self.capacity = capacity
        elements.reserveCapacity(capacity)
    }

    /// How many are kept.
    var count: Int { elements.count }

    /// The number of the oldest one that is kept; 0 while there is none.
    var oldest: UInt64 { elements.isEmpty ? 0 : newest - UInt64(elements.count) + 1 }

    /// All that are kept, in no order.
    var all: [Element] { elements }

    /// One by its number; nil for one that is forgotten or has not come yet.
    subscript(number: UInt64) -> Element? { place(of: number).map { elements[$0] } }

    /// Adds the next one.
    mutating func append(_ element: Element) {
        if elements.count < capacity { elements.append(element) } else { elements[next] = element }
        newest += 1
        next = next + 1 == capacity ? 0 : next + 1
    }

    /// Changes one, unless it is forgotten.
    @inline(__always)
    mutating func change(_ number: UInt64, _ body: (inout Element) -> Void) {
        if let place = place(of: number) { body(&elements[place]) }
    }

    @inline(__always)
    private func place(of number: UInt64) -> Int? {
        guard number > 0, number <= newest, newest - number < UInt64(elements.count) else { return nil }
        let back = Int(newest - number) + 1
        return next >= back ? next - back : next - back + capacity
    }
}
