// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Whether the server takes requests; false while it drains.
package final class Readiness: Sendable {
    private let ready = Atomic(true)
    private let watchers = Mutex(Watchers())

    private struct Watchers {
        var actions: [UInt64: @Sendable () -> Void] = [:]
        var next: UInt64 = 0
    }

    package init() {}

    /// Whether it does.
    package var isReady: Bool { ready.load(ordering: .relaxed) }

    /// From now on it does not.
    package func stop() {
        let actions = watchers.withLock { watchers in
            ready.store(false, ordering: .relaxed)
            defer { watchers.actions = [:] }
            return watchers.actions.values.map { $0 }
        }
        for action in actions { action() }
    }

    /// Has an action done once when the server stops to take requests, on the thread that stops it; at once where it
    /// has stopped already.
    ///
    /// - Returns: what to forget the action by; nil where it is done.
    package func whenStopped(_ action: @escaping @Sendable () -> Void) -> UInt64? {
        let id: UInt64? = watchers.withLock { watchers in
            guard isReady else { return nil }
            watchers.next += 1
            watchers.actions[watchers.next] = action
            return watchers.next
        }
        if id == nil { action() }
        return id
    }

    /// Forgets an action that was not done yet.
    package func forget(_ id: UInt64?) {
        guard let id else { return }
        watchers.withLock { $0.actions[id] = nil }
    }
}
