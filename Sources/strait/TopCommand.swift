// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import StraitFormats
internal import StraitLoad
internal import StraitPlatform

/// `strait top`: what a server does now, and how requests fare, refreshed every second.
struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show what a server does now and how requests fare, every second.",
        discussion: """
            On a terminal it fills the window until you press q. Elsewhere it prints a page every second, or one with --once.

            in time is the share of requests that were answered by their deadline, of those that ended in the last seconds and \
            did not leave by themselves. work is the device time that what waits is expected to take. 95 % by is when a batch \
            should be done in 95 of 100 cases.

            EXAMPLES
              strait top --url http://scanner:8000
              strait top --url https://scanner:8000 --ca-file hospital.pem \\
                --token-file token
              strait top --once --json
            """)

    @OptionGroup var server: ServerOptions

    @Flag(help: "Print one page and end.")
    var once = false

    @Flag(help: "Print what the server answers, as JSON: one line for each page.")
    var json = false

    @Option(help: ArgumentHelp("Seconds that rates are of, 1 to 15.", valueName: "seconds"))
    var window = 5

    @Option(help: ArgumentHelp("Columns of a page, where that is no terminal.", valueName: "columns"))
    var width = 120

    func validate() throws {
        guard (1...15).contains(window) else { throw ValidationError("--window is \(window); expected 1 to 15") }
        guard (40...1000).contains(width) else { throw ValidationError("--width is \(width); expected 40 to 1000") }
    }

    /// Nanoseconds between two pages.
    private static let pause: Int64 = 1_000_000_000

    func run() throws {
        do throws(LoadError) {
            guard !once, !json, TopTerminal.isThere else { return try printPages() }
            try fillTerminal()
        } catch {
            Console.log("strait top: \(error.message)")
            throw error.exitCode
        }
    }

    private func state(_ inquiry: Inquiry) throws(LoadError) -> [UInt8] {
        try inquiry.waitFor("/v2/strait/state?window=\(window)")
    }

    private func page(_ bytes: [UInt8]) throws(LoadError) -> TopPage {
        do throws(FormatError) { return TopPage(try JSONNode.read(bytes)) } catch {
            throw LoadError(.badAnswer, "the server does not answer as strait does: \(error)")
        }
    }

    private func printPages() throws(LoadError) {
        let inquiry = try server.inquiry()
        var next = MonotonicClock.nanoseconds()
        while true {
            let bytes = try state(inquiry)
            let width = TopTerminal.isThere ? TopTerminal.size.width : width
            let text =
                json
                ? String(decoding: bytes, as: UTF8.self)
                : try page(bytes).lines(width: width).map(\.text).joined(separator: "\n") + (once ? "" : "\n")
            guard writeToStandardOutput(text + "\n"), !once else { return }
            next += Self.pause
            let left = next - MonotonicClock.nanoseconds()
            if left > 0 { usleep(UInt32(left / 1000)) } else { next = MonotonicClock.nanoseconds() }
        }
    }

    private func fillTerminal() throws(LoadError) {
        // Before the inquiry, whose threads take over which signals are blocked.
        let terminal = TopTerminal()
        defer { terminal.close() }
        let inquiry = try server.inquiry()
        var complaint: String?
        var shown: TopPage?
        while true {
            // A server that is away for a moment is waited for; one that never answered is not there.
            do throws(LoadError) {
                shown = try page(try state(inquiry))
                complaint = nil
            } catch {
                guard shown != nil else { throw error }
                complaint = error.message
            }
            let end = MonotonicClock.nanoseconds() + Self.pause
            while let shown {
                show(shown, complaint, terminal)
                let event = terminal.wait(untilNanoseconds: end)
                if case .end = event { return }
                if case .key(let key) = event {
                    if Self.quitKeys.contains(key) { return }
                    if key == UInt8(ascii: " ") { break }
                }
                if MonotonicClock.nanoseconds() >= end { break }
            }
        }
    }

    /// q, Ctrl-C, Ctrl-D.
    private static let quitKeys: Set<UInt8> = [UInt8(ascii: "q"), UInt8(ascii: "Q"), 3, 4]

    private func show(_ page: TopPage, _ complaint: String?, _ terminal: TopTerminal) {
        let size = TopTerminal.size
        var lines = page.lines(width: size.width, height: size.height - 1).map { line in
            line.isHead ? "\u{1B}[7m\(line.text)\(blanks(size.width - line.text.count))\u{1B}[0m" : line.text
        }
        while lines.count < size.height - 1 { lines.append("") }
        let foot = complaint.map { "NO ANSWER: \($0)" } ?? "q quits, blank refreshes"
        lines.append(String(foot.prefix(size.width)))
        terminal.show(lines)
    }

    private func blanks(_ count: Int) -> String { String(repeating: " ", count: max(0, count)) }
}
