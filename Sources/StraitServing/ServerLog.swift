// SPDX-License-Identifier: Apache-2.0

internal import StraitPlatform
package import StraitProtocol
internal import Synchronization

/// The server's log: lines of text, of which clients may switch some kinds on and off (the logging extension).
package final class ServerLog: Sendable {
    /// What a line is about.
    package enum Kind: Sendable, Hashable { case info, warning, error }

    private let settings = Mutex(LogSettings())
    /// A copy for the way of every request.
    private let verboseLevel = Atomic<UInt32>(0)
    private let write: @Sendable (String) -> Void

    /// A log.
    ///
    /// - Parameter write: puts a line where people see it; called from any thread.
    package init(write: @escaping @Sendable (String) -> Void) { self.write = write }

    /// The settings in force.
    package var current: LogSettings { settings.withLock { $0 } }

    /// Changes some settings, and returns all.
    ///
    /// - Throws: ``ProtocolError`` `invalidArgument`, and then nothing has changed.
    package func update(_ values: [String: SettingValue]) throws(ProtocolError) -> LogSettings {
        try settings.withLock { (settings) throws(ProtocolError) in
            try settings.update(values)
            verboseLevel.store(settings.verboseLevel, ordering: .relaxed)
            return settings
        }
    }

    /// Writes a line, if lines of its kind are wanted.
    package func note(_ kind: Kind, _ text: String) {
        let settings = current
        let isWanted =
            switch kind {
            case .info: settings.info
            case .warning: settings.warning
            case .error: settings.error
            }
        if isWanted { write(settings.format == .iso8601 ? "\(Self.now) \(text)" : text) }
    }

    /// Writes a line that says itself whether it is a warning: by beginning with `warning:`.
    package func note(_ text: String) {
        note(text.drop { $0 == " " }.hasPrefix("warning:") ? .warning : .info, text)
    }

    /// Whether lines of a verbose level are wanted.
    package func isVerbose(_ level: UInt32) -> Bool { verboseLevel.load(ordering: .relaxed) >= level }

    /// Writes a line of a verbose level; its text is made only where it is wanted.
    package func verbose(_ level: UInt32, _ text: @autoclosure () -> String) {
        guard isVerbose(level) else { return }
        write(current.format == .iso8601 ? "\(Self.now) \(text())" : text())
    }

    private static var now: String { CalendarTime(milliseconds: MonotonicClock.calendarMilliseconds()).description }
}

/// A moment on the calendar, in UTC.
struct CalendarTime: CustomStringConvertible {
    /// Since 1970.
    let milliseconds: UInt64

    /// Such as `2026-03-01T07:05:09.042Z`.
    var description: String {
        let seconds = milliseconds / 1000
        let (year, month, day) = date
        func padded(_ number: UInt64, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let time = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60].map { padded($0, 2) }.joined(separator: ":")
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(time).\(padded(milliseconds % 1000, 3))Z"
    }

    /// Counted in years that begin in March, so that leap days come last, and in eras of 400 years, which are all alike.
    private var date: (year: UInt64, month: UInt64, day: UInt64) {
        let days = milliseconds / 86_400_000 + 719_468
        let (era, dayOfEra) = (days / 146_097, days % 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }
}
