// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitPlatform
internal import Synchronization

/// A line on standard error that says how far something is: on a terminal one that is written over, elsewhere now and
/// then a new one. Any thread may show something.
final class StatusLine: Sendable {
    private let quiet: Bool
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let shownAt = Mutex(Int64.min)

    /// Nanoseconds between two lines: what eyes can follow, and what a log can bear.
    private var pause: Int64 { isTerminal ? 100_000_000 : 5_000_000_000 }

    /// A line.
    ///
    /// - Parameter quiet: whether it is to stay empty.
    init(quiet: Bool) { self.quiet = quiet }

    /// Shows a text, unless another was shown just now.
    func show(_ text: @autoclosure () -> String) {
        guard !quiet else { return }
        let now = MonotonicClock.nanoseconds()
        let isDue = shownAt.withLock { shownAt in
            guard shownAt == .min || now - shownAt >= pause else { return false }
            shownAt = now
            return true
        }
        if isDue { writeToStandardError(isTerminal ? "\r\u{1B}[K\(text())" : "\(text())\n") }
    }

    /// Writes a line that stays.
    func note(_ text: String) {
        clear()
        if !quiet { writeToStandardError(text + "\n") }
    }

    /// Takes the line away, for what is written next.
    func clear() {
        if !quiet, isTerminal { writeToStandardError("\r\u{1B}[K") }
    }
}

/// The latest of a number of values that threads have.
final class Latest<Value: Sendable>: Sendable {
    private let latest = Mutex<Value?>(nil)

    /// The value; nil before the first.
    var value: Value? { latest.withLock { $0 } }

    /// Takes a new one, and says which it was before.
    func replace(with value: Value) -> Value? {
        latest.withLock { latest in
            defer { latest = value }
            return latest
        }
    }
}
