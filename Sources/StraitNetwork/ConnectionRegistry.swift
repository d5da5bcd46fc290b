// SPDX-License-Identifier: Apache-2.0

package import NIOCore
internal import StraitPlatform
internal import Synchronization

/// The open connections, bounded.
package final class ConnectionRegistry: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var isQuiescing = false
    }

    private let state = Mutex(State())
    private let limit: Int
    private let changed = Wakeup()

    /// A registry of at most `limit` connections.
    package init(limit: Int) { self.limit = limit }

    /// How many connections are open.
    package var count: Int { state.withLock { $0.channels.count } }

    /// Enters a connection until it closes; false when there are too many.
    package func add(_ channel: any Channel) -> Bool {
        let id = ObjectIdentifier(channel)
        let isAdded = state.withLock { state in
            guard state.channels.count < limit, !state.isQuiescing else { return false }
            state.channels[id] = channel
            return true
        }
        if isAdded { channel.closeFuture.whenComplete { [weak self] _ in self?.remove(id) } }
        return isAdded
    }

    private func remove(_ id: ObjectIdentifier) {
        let isLast = state.withLock { state in
            state.channels[id] = nil
            return state.isQuiescing && state.channels.isEmpty
        }
        if isLast { changed.signal() }
    }

    /// Tells all connections that the server is going away.
    package func quiesce() {
        let channels = state.withLock { state in
            state.isQuiescing = true
            return Array(state.channels.values)
        }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
    }

    /// Waits until the last has closed, which is told only after ``quiesce()``.
    ///
    /// - Returns: whether it has, within the time.
    package func waitUntilEmpty(milliseconds: Int64) -> Bool {
        let end = MonotonicClock.nanoseconds() + milliseconds * 1_000_000
        while !state.withLock({ $0.channels.isEmpty }) {
            guard changed.wait(untilNanoseconds: end) else { return false }
        }
        return true
    }
}
