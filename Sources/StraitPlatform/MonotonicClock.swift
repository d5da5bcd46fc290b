// SPDX-License-Identifier: Apache-2.0

// StraitPlatform: what the live server needs of Linux: the monotonic clock, pinned threads, wake-ups, core sets, malloc.

internal import Glibc

/// The clock that never goes back.
package enum MonotonicClock {
    /// Nanoseconds since the machine started.
    package static func nanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// The time of day, in milliseconds since 1970; for people, never for deadlines.
    package static func calendarMilliseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }

    /// How far the clocks on the wall are before UTC now, as the machine is set.
    package static func secondsEastOfUTC() -> Int64 {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        return Int64(parts.tm_gmtoff)
    }

    /// What is added to this clock to have the time since 1970, in nanoseconds. It changes where somebody sets the time.
    package static func calendarOffset() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec) - nanoseconds()
    }
}

/// Processor time of the calling thread, in seconds.
package func threadCPUSeconds() -> Double { cpuSeconds(CLOCK_THREAD_CPUTIME_ID) }

/// Processor time of all threads of the process, in seconds.
package func processCPUSeconds() -> Double { cpuSeconds(CLOCK_PROCESS_CPUTIME_ID) }

private func cpuSeconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
