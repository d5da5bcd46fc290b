// SPDX-License-Identifier: Apache-2.0

extension LibraryEntry {
    /// Centre with other classes and deadlines.
    static let traffic = [
        LibraryEntry("high-10", "10 % of the requests high") { $0.highShare = 0.1 },
        LibraryEntry("high-50", "50 % of the requests high") { $0.highShare = 0.5 },
        LibraryEntry("deadline-2", "deadlines of 2 solo times") { $0.deadlines(2...2, 2...2) },
        LibraryEntry("deadline-5", "deadlines of 5 solo times") { $0.deadlines(5...5, 5...5) },
        LibraryEntry("deadline-2-6", "deadlines of 2 solo times for high requests, 6 for low") {
            $0.deadlines(2...2, 6...6)
        },
        LibraryEntry("deadline-random", "a deadline of 2 to 6 solo times drawn for each request") {
            $0.deadlines(2...6, 2...6)
        },
    ]
}

extension Scenario {
    /// Sets the ranges that deadlines are drawn from, in solo times.
    mutating func deadlines(_ high: ClosedRange<Double>, _ low: ClosedRange<Double>) {
        deadlineFactor.high = high
        deadlineFactor.low = low
    }
}
