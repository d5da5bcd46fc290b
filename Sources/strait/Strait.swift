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
        discussion: """
            It exits with 0 where all went well, 64 where the command line makes no sense, and 1 where something else was \
            wrong; standard error tells what.
            """,
        version: version,
        groupedSubcommands: [
            CommandGroup(
                name: "Serving",
                subcommands: [
                    ServeCommand.self, ModelsCommand.self, ProfileCommand.self, TokenCommand.self, GPUCheckCommand.self,
                ]),
            CommandGroup(
                name: "Observing",
                subcommands: [TopCommand.self, WhyCommand.self, LoadCommand.self, DemoCommand.self, WatchCommand.self]),
            CommandGroup(
                name: "Research",
                subcommands: [
                    SimulateCommand.self, EvaluateCommand.self, EstimatorsCommand.self, FidelityCommand.self,
                    CoreCommand.self,
                ]),
        ])

    /// What clients are told too.
    static let version = "0.1.0"

    /// Says which commands there are where none has the name; the parser would only call it unexpected.
    private static func checkName(_ name: String?) throws {
        guard let name, !name.hasPrefix("-"), name != "help" else { return }
        let known = configuration.subcommands.compactMap { $0.configuration.commandName }
        guard !known.contains(name) else { return }
        throw ValidationError("there is no command '\(name)'; there are \(known.joined(separator: ", "))")
    }

    /// Not the parser's own asynchronous entry: that would hand the process's first thread to Dispatch, and signals
    /// with it, and would run everything on the main actor, whose hops are slow.
    static func main() {
        // Before the parser, which would have it made for every command: it looks for ONNX Runtime.
        if CommandLine.arguments.dropFirst() == ["--version"] { return print(VersionText.whole) }
        do {
            try checkName(CommandLine.arguments.dropFirst().first)
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
