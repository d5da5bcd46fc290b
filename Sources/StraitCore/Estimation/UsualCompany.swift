// SPDX-License-Identifier: Apache-2.0

/// Who runs on a device while anybody does: how many batches at a time and what one of them needs, on average over the
/// last second or so.
///
/// A prediction knows who runs now, but not who will be staged on the lanes that they leave. As if nobody were, batches
/// took 10 to 15 % longer than predicted near full load.
package struct UsualCompany: Sendable, Hashable {
    /// Batches at a time.
    private var count = 0.0
    /// What one of them needs.
    private var demand = Demand(compute: 0, bandwidth: 0, cache: 0)

    /// The time, in nanoseconds, after which what was seen counts for a third: some hundred batches.
    private static let memory = 1e9

    /// Nobody was seen yet.
    package init() {}

    /// Takes note of who has run for a time, in nanoseconds. Idle time says nothing.
    package mutating func note(_ runs: Int, needing sum: Demand, for time: Double) {
        guard runs > 0 else { return }
        let weight = min(1, time / Self.memory)
        let share = 1 / Double(runs)
        count += weight * (Double(runs) - count)
        demand.compute += weight * (sum.compute * share - demand.compute)
        demand.bandwidth += weight * (sum.bandwidth * share - demand.bandwidth)
        demand.cache += weight * (sum.cache * share - demand.cache)
    }

    /// What those need who are missing beside so many batches, as if they were one; nil if nobody is. (As batches of
    /// their own they predicted no better, and took longer to reckon with.)
    package func missing(beside present: Int) -> Demand? {
        let rest = count - Double(present)
        guard rest > 0 else { return nil }
        return Demand(
            compute: demand.compute * rest, bandwidth: demand.bandwidth * rest, cache: demand.cache * rest)
    }
}
