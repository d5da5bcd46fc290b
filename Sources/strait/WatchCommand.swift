// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import StraitCore
internal import StraitFormats
internal import StraitHTTP
internal import StraitPlatform

/// `strait watch`: shows recorded runs as the dashboard shows a live server, one or two beside each other.
struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Show a recorded run in the browser, or two beside each other on one time axis.",
        discussion: """
            A RECORDING is a file that strait serve --record or strait simulate --record wrote. The page is the one that a \
            live server shows at its HTTP port: lanes, deadlines met and missed, predictions and their bounds, queues, what \
            was shed and why. Of two runs each begins at its own --from. docs/dashboard.md.

            EXAMPLE
              strait simulate centre --policies strait --seeds 7 \\
                --record one.jsonl --record-seconds 20-30
              strait simulate centre --policies edf-priority --seeds 7 \\
                --record other.jsonl --record-seconds 20-30
              strait watch one.jsonl other.jsonl
            """)

    @Argument(help: ArgumentHelp("One recording, or two.", valueName: "recording"))
    var recordings: [String]

    @Option(help: "The address to listen on.")
    var address = "127.0.0.1"

    @Option(help: "The port; 0 takes any free one.")
    var port = 8010

    @Option(help: ArgumentHelp("Leave out what came in the first seconds of each recording.", valueName: "seconds"))
    var from = 0.0

    @Option(help: ArgumentHelp("Show so many seconds, 600 at most.", valueName: "seconds"))
    var seconds = 600.0

    /// What ends it.
    private static let signals = [SIGTERM, SIGINT]

    func validate() throws {
        guard (1...2).contains(recordings.count) else {
            throw ValidationError("\(recordings.count) recordings are given; one or two can be shown")
        }
        guard (0...65_535).contains(port) else { throw ValidationError("--port is \(port); expected 0 to 65535") }
        guard from >= 0, from < 1e6 else { throw ValidationError("--from is \(from); expected seconds from 0") }
        guard seconds > 0, seconds <= WatchedRecording.longest.seconds else {
            throw ValidationError("--seconds is \(seconds); expected up to \(WatchedRecording.longest.seconds)")
        }
    }

    func run() throws {
        ProcessLimits.blockSignals(Self.signals)
        do {
            let runs = try recordings.map { (path) throws(FormatError) in try read(path) }
            let server = try RecordingServer(host: address, port: port, runs: runs)
            Console.log("watching \(recordings.joined(separator: " and ")) at http://\(address):\(server.port)")
            _ = ProcessLimits.waitForSignal(Self.signals)
            server.stop()
        } catch {
            Console.log("strait watch: \(error)")
            throw ExitCode.failure
        }
    }

    private func read(_ path: String) throws(FormatError) -> RecordingServer.Run {
        let recording = try Recording(path: path)
        let start = recording.head.start + .seconds(from)
        let watched = WatchedRecording(
            recording, window: start..<start + .seconds(seconds), server: "strait \(Strait.version)")
        return RecordingServer.Run(head: watched.head.bytes, frames: watched.frames.map(\.bytes))
    }
}
