// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitPlatform
internal import Synchronization

// How an engine comes to rest.

extension Engine {
    /// Refuses new requests from now on.
    ///
    /// - Parameter completion: called once, on any thread, when all accepted requests were answered; before this returns
    ///   if they were already.
    package func drain(_ completion: @escaping @Sendable () -> Void) {
        state.withLock { state in
            isDraining.store(true, ordering: .sequentiallyConsistent)
            state.drains.append(completion)
        }
        if unanswered.load(ordering: .sequentiallyConsistent) == 0 { endDrains() }
    }

    /// Refuses new requests, and waits until all accepted ones are answered.
    ///
    /// - Returns: whether they were, within the time.
    package func drain(within limit: Duration) -> Bool {
        let end = MonotonicClock.nanoseconds() + limit.nanoseconds
        let drained = Wakeup()
        drain { drained.signal() }
        return drained.wait(untilNanoseconds: end)
    }

    /// Takes note of accepted requests whose completions were called.
    func noteAnswered(_ count: Int) {
        // In one order with the two accesses of `drain`, so that of the last answer and a drain one sees the other.
        let left = unanswered.subtract(count, ordering: .sequentiallyConsistent).newValue
        if left == 0, isDraining.load(ordering: .sequentiallyConsistent) { endDrains() }
    }

    private func endDrains() {
        let drains = state.withLock { state in
            defer { state.drains = [] }
            return state.drains
        }
        for drain in drains { drain() }
    }
}
