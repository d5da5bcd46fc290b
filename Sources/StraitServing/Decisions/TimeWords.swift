// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitPlatform
internal import Synchronization

/// Where an engine's clock stands on the calendar. Both are read with some milliseconds between, so what was found first
/// holds until somebody sets the calendar: or one instant would be told as two times.
final class EngineCalendar: Sendable {
    private let epoch = Mutex<Int64?>(nil)

    /// How far the two may drift apart before it is found anew.
    private static let tolerance: Int64 = 50

    /// Words for the times of a clock that is at `now`.
    func words(at now: Instant) -> TimeWords {
        let found = Int64(clamping: MonotonicClock.calendarMilliseconds()) - now.nanoseconds / 1_000_000
        let settled = epoch.withLock { epoch in
            let kept = epoch.flatMap { abs($0 - found) <= Self.tolerance ? $0 : nil } ?? found
            epoch = kept
            return kept
        }
        return TimeWords(
            now: .zero, calendarMilliseconds: settled, secondsEastOfUTC: MonotonicClock.secondsEastOfUTC())
    }
}

/// Spans and instants as people read them.
struct TimeWords: Sendable {
    /// The time on the calendar at the clock's epoch, in milliseconds since 1970.
    let epochMilliseconds: Int64
    /// How far the clocks on the wall are before UTC.
    let secondsEastOfUTC: Int64

    /// Words for a clock that is at `now` when the calendar is at `calendarMilliseconds`.
    init(now: Instant, calendarMilliseconds: Int64, secondsEastOfUTC: Int64 = 0) {
        epochMilliseconds = calendarMilliseconds - now.nanoseconds / 1_000_000
        self.secondsEastOfUTC = secondsEastOfUTC
    }

    // -- instants -------------------------------------------------------------------------------------------------

    /// The time on the wall, as `12:03:01.482`.
    func timeOfDay(_ instant: Instant) -> String {
        let local = milliseconds(instant) + secondsEastOfUTC * 1000
        return Self.timeOfDay(Self.remainder(local, Self.day))
    }

    /// The day and the time on the wall, as `2026-11-28 12:03:01.482`.
    func dayAndTime(_ instant: Instant) -> String {
        let local = milliseconds(instant) + secondsEastOfUTC * 1000
        return "\(Self.date(local)) \(Self.timeOfDay(Self.remainder(local, Self.day)))"
    }

    /// The time as programs read it, as `2026-11-28T12:03:01.482Z`.
    func iso(_ instant: Instant) -> String {
        let utc = milliseconds(instant)
        return "\(Self.date(utc))T\(Self.timeOfDay(Self.remainder(utc, Self.day)))Z"
    }

    private func milliseconds(_ instant: Instant) -> Int64 {
        let (sum, overflow) = epochMilliseconds.addingReportingOverflow(instant.nanoseconds / 1_000_000)
        return overflow ? epochMilliseconds : sum
    }

    private static let day: Int64 = 86_400_000

    private static func remainder(_ value: Int64, _ divisor: Int64) -> Int64 {
        let rest = value % divisor
        return rest < 0 ? rest + divisor : rest
    }

    private static func timeOfDay(_ milliseconds: Int64) -> String {
        let seconds = milliseconds / 1000
        return "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
            + ".\(padded(milliseconds % 1000, 3))"
    }

    /// The day of a time since 1970, by the Gregorian calendar: years from March on, in which leap days come last.
    private static func date(_ milliseconds: Int64) -> String {
        let days = (milliseconds - remainder(milliseconds, day)) / day + 719_468
        let era = (days - remainder(days, 146_097)) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * month + 2) / 5 + 1
        let calendarMonth = month < 10 ? month + 3 : month - 9
        let year = yearOfEra + era * 400 + (calendarMonth <= 2 ? 1 : 0)
        return "\(padded(year, 4))-\(padded(calendarMonth, 2))-\(padded(dayOfMonth, 2))"
    }

    private static func padded(_ value: Int64, _ digits: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }

    // -- spans ----------------------------------------------------------------------------------------------------

    /// How long something takes, as `14.2 ms`, `0.12 ms`, `12.3 s` or `5 min`; without a sign.
    static func span(_ duration: Duration) -> String {
        let milliseconds = abs(duration.milliseconds)
        switch milliseconds {
        case 0: return "0 ms"
        case ..<0.0995: return "\(decimal(milliseconds * 1000, 0)) µs"
        case ..<0.995: return "\(decimal(milliseconds, 2)) ms"
        case ..<9_995: return "\(decimal(milliseconds, 1)) ms"
        case ..<99_950: return "\(decimal(milliseconds / 1000, 1)) s"
        case ..<7_200_000: return "\(Int((milliseconds / 60_000).rounded())) min"
        case ..<172_800_000: return "\(Int((milliseconds / 3_600_000).rounded())) h"
        default: return "\(Int((milliseconds / 86_400_000).rounded())) days"
        }
    }

    /// An instant after a request's arrival, as `+31.0 ms`.
    static func after(_ arrival: Instant, _ instant: Instant) -> String {
        guard instant < .never else { return "never" }
        return (instant < arrival ? "-" : "+") + span(instant - arrival)
    }

    /// A number with so many decimals.
    static func decimal(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return value > 0 ? "unlimited" : "none" }
        var scale: Int64 = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64((value.magnitude * Double(scale)).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(scaled)" }
        return "\(sign)\(scaled / scale).\(padded(scaled % scale, digits))"
    }

    /// A count of things, as `1 request` or `3 requests`.
    static func count(_ count: Int, _ thing: String) -> String {
        let plural = thing.hasSuffix("ch") ? "es" : "s"
        return "\(count) \(thing)\(count == 1 ? "" : plural)"
    }
}
