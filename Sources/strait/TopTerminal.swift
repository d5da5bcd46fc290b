// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitPlatform

/// The terminal while a page fills it: keys come one by one, and whatever ends the program, it is left as it was found.
final class TopTerminal {
    /// What wakes who waits.
    enum Event {
        case key(UInt8)
        /// The window has another size, or nothing happened in time.
        case refresh
        /// It is to end.
        case end
    }

    /// What ends it, and what says that the window has another size. Blocked, and looked for while it waits.
    private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGWINCH]
    private let saved: termios?

    /// Whether standard output is a terminal.
    static var isThere: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Takes the terminal. Call before there are other threads, which take over what is blocked.
    init() {
        ProcessLimits.blockSignals(Self.signals)
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else {
            saved = nil
            write(Self.begin)
            return
        }
        saved = settings
        // Ctrl-C and Ctrl-Z come as keys, nothing is shown of what is typed.
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        write(Self.begin)
    }

    /// Gives the terminal back.
    func close() {
        write(Self.end)
        if var saved { tcsetattr(STDIN_FILENO, TCSANOW, &saved) }
    }

    /// A screen of its own, without a cursor.
    private static let begin = "\u{1B}[?1049h\u{1B}[?25l"
    private static let end = "\u{1B}[?25h\u{1B}[?1049l"

    /// The columns and lines of the window.
    static var size: (width: Int, height: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Fills the window with lines.
    func show(_ lines: [String]) {
        // From the top, each line cleared to its end, then all below.
        write("\u{1B}[H" + lines.joined(separator: "\u{1B}[K\r\n") + "\u{1B}[K\u{1B}[J")
    }

    /// Waits for something to happen.
    func wait(untilNanoseconds end: Int64) -> Event {
        while true {
            if let event = takeSignal() { return event }
            let left = (end - MonotonicClock.nanoseconds()) / 1_000_000
            guard left > 0 else { return .refresh }
            var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            // Signals are looked for ten times a second: they are blocked and wake nobody.
            guard poll(&input, saved == nil ? 0 : 1, Int32(min(left, 100))) > 0 else { continue }
            var byte: UInt8 = 0
            guard read(STDIN_FILENO, &byte, 1) == 1 else { return .end }
            return .key(byte)
        }
    }

    private func takeSignal() -> Event? {
        guard let signal = ProcessLimits.takeSignal(Self.signals) else { return nil }
        return signal == SIGWINCH ? .refresh : .end
    }

    private func write(_ text: String) { writeToStandardOutput(text) }
}

/// Writes text to standard output at once.
///
/// - Returns: whether somebody takes it.
@discardableResult
func writeToStandardOutput(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { bytes in
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let written = write(STDOUT_FILENO, base + done, bytes.count - done)
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return false }
            done += written
        }
        return true
    }
}
