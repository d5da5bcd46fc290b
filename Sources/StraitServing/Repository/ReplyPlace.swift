// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitPlatform
internal import Synchronization

/// Where a thread waits for the reply to its request.
final class ReplyPlace: Sendable {
    private let reply = Mutex<Reply?>(nil)
    private let wakeup = Wakeup()

    func fill(_ reply: Reply) {
        self.reply.withLock { $0 = reply }
        wakeup.signal()
    }

    /// Waits; nil where no reply came in time.
    func wait(_ limit: Duration) -> Reply? {
        guard wakeup.wait(untilNanoseconds: MonotonicClock.nanoseconds() + limit.nanoseconds) else { return nil }
        return reply.withLock { $0 }
    }
}
