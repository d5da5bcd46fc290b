// SPDX-License-Identifier: Apache-2.0

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
