// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import StraitLoad
internal import StraitPlatform

/// `strait load`: drives two classes of requests at a server and prints what became of them.
struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Drive load at a server of the Open Inference Protocol and report what came back in time.",
        discussion: """
            Open loop (--rate): requests leave at the instants of a seeded Poisson process whether or not answers come, \
            and latency counts from that instant, so neither a slow server nor a slow client can hide. \
            Closed loop (--concurrency): so many requests are always outstanding; this measures capacity.

            Works with Strait, Triton and other V2 servers, over HTTP or gRPC. A request's class travels as the parameter \
            priority (1 high, 2 low), its deadline as timeout in microseconds.

            EXAMPLE
              strait load --model magika --model minilm,weight=2 --rate 60 \\
                --high-share 0.3 --deadline-high-ms 100 --deadline-low-ms 300
              strait load --url grpcs://scanner:8001 --ca-file hospital.pem \\
                --token-file token --model magika --rate 60
            """)

    @OptionGroup var server: ServerOptions

    @Option(name: .customLong("protocol"), help: "What is spoken: http or grpc. Default: what the URL says.")
    var transport: LoadPlan.Transport?

    @Option(
        name: .customLong("model"),
        help: ArgumentHelp(
            "A model to drive; repeat for several.",
            discussion: """
                NAME[,file=REQ.json][,weight=W][,shape=INPUT:d1xd2…][,high-ms=X][,low-ms=Y]. file is a V2 JSON request \
                as for curl; without it the input is random data of the declared types. weight is the model's share; \
                shape sets dimensions that vary; high-ms and low-ms override the deadlines.
                """,
            valueName: "name,…"))
    var models: [String]

    @Option(help: "Open loop: requests a second over all models.")
    var rate: Double?

    @Option(help: "Closed loop: requests outstanding at any time.")
    var concurrency: Int?

    @Option(help: "The share of high requests, 0 to 1.")
    var highShare = 0.3

    @Option(help: "Deadline of high requests in milliseconds; without one none is sent and every answer is in time.")
    var deadlineHighMs: Double?

    @Option(help: "Deadline of low requests in milliseconds.")
    var deadlineLowMs: Double?

    @Option(help: "The measured part, such as 10s, 500ms or 2m.")
    var duration = "10s"

    @Option(help: "Load before the measured part, not counted.")
    var warmup = "1s"

    @Option(help: "How long to wait at the end for answers still due.")
    var tailWait = "5s"

    @Option(help: "Seed of the arrivals, the mix and generated input.")
    var seed: UInt64 = 1

    @Option(help: "How tensors travel: binary or json.")
    var encoding = LoadPlan.Encoding.binary

    @Option(
        help: "The most connections, made as they are needed; requests beyond them wait: that is the client's lag.")
    var connections = 4096

    @Option(help: "Event-loop threads of the generator.")
    var threads = 1

    @Option(help: "Cores to pin those threads to, such as 1 or 0,2-3.")
    var cores: String?

    @Option(help: "Write the result to this file as JSON, one object for each class and model; - for standard output.")
    var json: String?

    @Flag(help: "No progress lines.")
    var quiet = false

    func run() async throws { try await reportingErrors(of: "load", drive) }

    private func drive() async throws(LoadError) {
        let progress: (@Sendable (LoadProgress.Snapshot) -> Void)? =
            quiet ? nil : { @Sendable in ProgressLine.show($0) }
        try OutputFile.check(json)
        let report = try await Load.run(
            try makePlan(), warn: { writeToStandardError("strait load: note: \($0)\n") }, onProgress: progress)
        if !quiet { ProgressLine.end() }
        // Where the JSON goes to standard output, nothing else does.
        if json == "-" { writeToStandardError(report.text) } else { print(report.text, terminator: "") }
        if let json { try writeText(report.json, to: json) }
    }

    private func makePlan() throws(LoadError) -> LoadPlan {
        var targets: [LoadTarget] = []
        for argument in models {
            var target = try LoadTarget(argument: argument)
            target.highDeadline = target.highDeadline ?? deadlineHighMs.map { .fractionalMilliseconds($0) }
            target.lowDeadline = target.lowDeadline ?? deadlineLowMs.map { .fractionalMilliseconds($0) }
            targets.append(target)
        }
        let pace: LoadPlan.Pace
        switch (rate, concurrency) {
        case (let rate?, nil): pace = .openLoop(requestsPerSecond: rate)
        case (nil, let outstanding?): pace = .closedLoop(outstanding: outstanding)
        default: throw LoadError(.badPlan, "Give either --rate (open loop) or --concurrency (closed loop).")
        }
        let server = try self.server.server(transport)
        var plan = LoadPlan(server: server.address, targets: targets, pace: pace)
        plan.transport = server.address.transport
        plan.trust = server.trust
        plan.token = server.token
        plan.highShare = highShare
        plan.duration = try Duration(text: duration)
        plan.warmup = try Duration(text: warmup)
        plan.tailWait = try Duration(text: tailWait)
        plan.seed = seed
        plan.encoding = encoding
        plan.maximumConnections = connections
        plan.threads = threads
        if let cores {
            guard let list = CoreSet.parse(cores) else {
                throw LoadError(.badPlan, "--cores \(cores): expected a list such as 1 or 0,2-3.")
            }
            plan.cores = list
        }
        return plan
    }
}

extension LoadPlan.Encoding: ExpressibleByArgument {}
extension LoadPlan.Transport: ExpressibleByArgument {}

/// The line that shows a running load on standard error: rewritten in place on a terminal, else one line a second.
enum ProgressLine {
    static func show(_ counts: LoadProgress.Snapshot) {
        let line =
            "\(decimal(counts.seconds, 0)) s: \(counts.sent) sent, \(counts.inTime) in time, \(counts.late) late, "
            + "\(counts.refused) refused, \(counts.failed) failed"
        writeToStandardError(isTerminal ? "\r\u{1B}[K\(line)" : "\(line)\n")
    }

    /// Leaves a terminal's line free for what follows.
    static func end() { if isTerminal { writeToStandardError("\r\u{1B}[K") } }

    private static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}

/// Runs a command's body; an error becomes one line on standard error and an exit code.
func reportingErrors(of command: String, _ body: () async throws(LoadError) -> Void) async throws {
    do throws(LoadError) {
        try await body()
    } catch {
        writeToStandardError("strait \(command): \(error.message)\n")
        throw error.exitCode
    }
}

extension LoadError {
    /// 64 where the command line makes no sense, as the parser has it; else 1.
    var exitCode: ExitCode { code == .badPlan ? .validationFailure : .failure }
}

/// Writes to standard error at once; what cannot be written there cannot be complained about either.
func writeToStandardError(_ text: String) { _ = writeAll(text, to: STDERR_FILENO) }

/// Writes a text to a file, or to standard output for `-`.
func writeText(_ text: String, to path: String) throws(LoadError) {
    let file = path == "-" ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else {
        throw LoadError(.system, "Cannot write \(path): \(String(cString: strerror(errno))).")
    }
    defer { if file != STDOUT_FILENO { close(file) } }
    guard writeAll(text, to: file) else {
        throw LoadError(.system, "Cannot write \(path) to its end: \(String(cString: strerror(errno))).")
    }
}

/// Whether the whole text could be written.
private func writeAll(_ text: String, to file: CInt) -> Bool {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let written = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        if written < 0 && errno == EINTR { continue }
        guard written > 0 else { return false }
        rest = rest.dropFirst(written)
    }
    return true
}
