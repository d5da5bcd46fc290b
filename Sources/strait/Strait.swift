// SPDX-License-Identifier: Apache-2.0

// strait: the command. One file a subcommand; each composes the libraries and holds no logic that others could want.

internal import ArgumentParser
internal import StraitPlatform

/// The command `strait`.
@main
struct Strait: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "strait",
        abstract: "An inference server that keeps deadlines: two classes of requests, many models, your own machines.",
        version: version,
        subcommands: [
            ServeCommand.self, LoadCommand.self, ModelsCommand.self, SimulateCommand.self, EvaluateCommand.self,
            EstimatorsCommand.self, CoreCommand.self, DemoCommand.self, FidelityCommand.self, ProfileCommand.self,
            GPUCheckCommand.self, WhyCommand.self, TopCommand.self, WatchCommand.self, TokenCommand.self,
        ])

    /// What clients are told too.
    static let version = "0.1.0"

    /// Not the parser's own asynchronous entry: that would hand the process's first thread to Dispatch, and signals
    /// with it, and would run everything on the main actor, whose hops are slow.
    static func main() {
        // Before the parser, which would have it made for every command: it looks for ONNX Runtime.
        if CommandLine.arguments.dropFirst() == ["--version"] { return print(VersionText.whole) }
        do {
            var command = try parseAsRoot()
            guard let asynchronous = command as? any AsyncParsableCommand else { return try command.run() }
            let done = Wakeup()
            // This thread only waits, so the command has one user.
            nonisolated(unsafe) var body = asynchronous
            Task.detached {
                do { try await body.run() } catch { exit(withError: error) }
                done.signal()
            }
            done.wait()
        } catch {
            exit(withError: error)
        }
    }
}
