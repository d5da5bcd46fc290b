// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitPlatform
internal import StraitServing

/// Whoever tells a server to end while it drains does not want to wait: it ends at once.
enum SecondSignal {
    /// Signals that come so soon belong to the first, in microseconds: a wrapper passes on what the terminal has sent to
    /// both already.
    private static let oneSignal: useconds_t = 200_000

    /// Ends the process with the next of these signals, which are blocked; its exit code is that of a program that a
    /// signal has ended. Where the system has no room for a thread that waits for it, it is as if it were not sent.
    static func endsAtOnce(_ signals: [CInt], log: @escaping @Sendable (LogLine) -> Void) {
        _ = SystemThread(ifPossible: "signals") {
            usleep(oneSignal)
            while ProcessLimits.takeSignal(signals) != nil {}
            let signal = ProcessLimits.waitForSignal(signals)
            log(
                LogLine(
                    .stopped, "\(name(signal)) again: stopped at once; what was not answered yet is lost",
                    kind: .warning,
                    ["drained": "false"]))
            _exit(128 + signal)
        }
    }

    /// What people call a signal.
    static func name(_ signal: CInt) -> String { signal == SIGINT ? "SIGINT" : "SIGTERM" }
}
