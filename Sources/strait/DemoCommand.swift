// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import StraitLoad
internal import StraitPlatform

/// `strait demo`: one overload under three policies, from nothing but a model repository.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Show what deadlines are worth: the same overload under fifo, edf-priority and strait.",
        discussion: """
            Starts a server of its own, measures each model alone and the capacity for the mix, sets deadlines from \
            that (high: 5 × the model's p99 alone, low: 15 ×, each plus the longest model's p99), then drives the same \
            arrivals at a multiple of the capacity under each policy, and prints one table. Runs unattended.

            EXAMPLE
              strait demo --model-repository .strait/models --seconds 20
            """)

    /// The policies compared: the yardstick, and those that have to beat it.
    private static let policies = ["fifo", "edf-priority", "strait"]
    /// Requests outstanding while capacity is measured: enough that a lane never waits for the next request.
    private static let capacityOutstanding = 8
    /// Connections at most: more than an overload of a minute piles up here, so that none waits at the client.
    private static let connections = 4096
    /// Seconds of overload before it counts: a queue needs that long to show what the policy does with it.
    private static let overloadWarmup = 2
    /// Shapes of the demo models' inputs that vary: a sentence of 64 tokens, a line of text 320 pixels wide.
    private static let shapes: [String: [String: [Int]]] = [
        "minilm": ["input_ids": [1, 64], "attention_mask": [1, 64]],
        "ocr_rec": ["x": [1, 3, 48, 320]],
    ]

    @Option(help: "The folder of models, in Triton's layout.")
    var modelRepository = ".strait/models"

    @Option(help: "Models to drive, separated by commas, in equal shares.")
    var models = "magika,minilm,ocr_rec,opennsfw"

    @Option(help: "How long each policy is driven, in seconds.")
    var seconds = 20.0

    @Option(help: "Lanes of the server.")
    var lanes = 1

    @Option(help: "The load as a multiple of the measured capacity.")
    var loadFactor = 1.3

    @Option(help: "The share of high requests, 0 to 1.")
    var highShare = 0.3

    @Option(help: "Seed of the arrivals.")
    var seed: UInt64 = 1

    @Option(help: "Write everything to this file as JSON too; - for standard output.")
    var json: String?

    @Option(help: "The strait program that serves; this one if not given.")
    var server: String?

    private var modelNames: [String] {
        models.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    func validate() throws {
        func check(_ isGood: Bool, _ message: String) throws { if !isGood { throw ValidationError(message) } }
        try check((1...3600).contains(seconds), "--seconds is \(seconds); expected 1 to 3600")
        try check((1...256).contains(lanes), "--lanes is \(lanes); expected 1 to 256")
        try check((0.01...100).contains(loadFactor), "--load-factor is \(loadFactor); expected 0.01 to 100")
        try check((0...1).contains(highShare), "--high-share is \(highShare); expected 0 to 1")
        let names = modelNames
        try check(
            !names.contains("") && Set(names).count == names.count,
            "--models is '\(models)'; expected names with commas between, none of them twice")
    }

    func run() async throws { try await reportingErrors(of: "demo", demonstrate) }

    /// Finds now what would else be found after minutes.
    private func checkFiles() throws(LoadError) {
        guard access(modelRepository, R_OK | X_OK) == 0 else {
            throw LoadError(
                .system,
                "Cannot read the folder of models \(modelRepository): \(String(cString: strerror(errno))). Name yours with "
                    + "--model-repository, or fetch the demo's with make setup.")
        }
        for name in modelNames where access("\(modelRepository)/\(name)", F_OK) != 0 {
            throw LoadError(
                .unknownModel, "There is no model \(name) in \(modelRepository); choose others with --models.")
        }
        if let server, access(server, X_OK) != 0 {
            throw LoadError(.system, "Cannot run --server \(server): \(String(cString: strerror(errno))).")
        }
        try OutputFile.check(json)
    }

    private func demonstrate() async throws(LoadError) {
        try checkFiles()
        DemoServer.endServerOnSignals()
        let folder = try makeTemporaryFolder()
        let started = ContinuousClock.now
        say("Server logs are in \(folder) while this runs, and stay there if it fails.")

        let (basis, capacity) = try await withServer(policy: "fifo", log: folder + "/measure.log") {
            (server) async throws(LoadError) in try await measure(server)
        }
        let rate = capacity * loadFactor
        say("\(decimal(capacity, 1)) requests/s is the capacity for this mix (closed loop, \(outstandingText)).\n")
        var runs: [(policy: String, report: LoadReport)] = []
        var notes: [String] = []
        for policy in Self.policies {
            let (report, note) = try await withServer(policy: policy, log: folder + "/\(policy).log") {
                (server) async throws(LoadError) in try await drive(server, policy: policy, rate: rate, basis: basis)
            }
            runs.append((policy, report))
            notes.append(note)
        }
        let comparison = PolicyComparison(basis: basis, capacity: capacity, rate: rate, runs: runs)
        let output = """

            \(comparison.basisText)
            \(comparison.table)
            Capacity \(decimal(capacity, 1)) requests/s (closed loop, \(outstandingText)); offered \(decimal(rate, 1)) \
            requests/s = \(decimal(loadFactor, 2)) ×, \(decimal(100 * highShare, 0)) % high, for \(decimal(seconds, 0)) s \
            after \(Self.overloadWarmup) s of the same, which do not count.
            \(notes.joined(separator: "\n"))
            In time, both classes: \(runs.map { "\($0.policy) \($0.report.total.inTime)" }.joined(separator: ", ")).
            \(comparison.verdict)

            """
        if json == "-" { writeToStandardError(output) } else { print(output, terminator: "") }
        if let json { try writeText(comparison.json, to: json) }
        removeFolder(folder)
        say("Took \(decimal((ContinuousClock.now - started).inSeconds, 0)) s.")
    }

    private var outstandingText: String { "\(Self.capacityOutstanding) outstanding" }

    // -- phases --------------------------------------------------------------------------------------------------

    /// Starts a server, hands it to `body`, and ends it whatever happens.
    private func withServer<Value>(
        policy: String, log: String, _ body: (DemoServer) async throws(LoadError) -> Value
    ) async throws(LoadError) -> Value {
        say("Starting a server under \(policy) …")
        let executable = if let server { server } else { try ownExecutable() }
        let server = try await DemoServer.start(
            executable: executable,
            // Each policy starts from the same: it must not know what another has learned.
            arguments: [
                "--model-repository", modelRepository, "--lanes", "\(lanes)", "--policy", policy, "--no-learned",
            ], log: log)
        defer { server.stop() }
        return try await body(server)
    }

    /// Each model alone, then the capacity for the mix.
    private func measure(
        _ server: DemoServer
    ) async throws(LoadError) -> (basis: [PolicyComparison.Basis], capacity: Double) {
        let names = modelNames
        var solo: [LoadReport.Percentiles] = []
        for name in names {
            var plan = plan(server, [target(name)], .closedLoop(outstanding: 1))
            plan.warmup = .milliseconds(500)
            plan.duration = .milliseconds(2500)
            let report = try await run(plan)
            solo.append(report.total.latency)
            say("  \(name) alone: p50 \(decimal(solo.last?.p50, 1)), p99 \(decimal(solo.last?.p99, 1)) ms")
        }
        let deadlines = DeadlineRule.deadlines(soloP99: solo.map { $0.p99 ?? 0 })
        var basis: [PolicyComparison.Basis] = []
        for (index, name) in names.enumerated() {
            guard let p50 = solo[index].p50, let p99 = solo[index].p99 else {
                throw LoadError(.badAnswer, "Model \(name) answered nothing in 2.5 s; see \(server.log).")
            }
            basis.append(
                PolicyComparison.Basis(
                    model: name, soloP50: p50, soloP99: p99, highDeadline: deadlines[index].high,
                    lowDeadline: deadlines[index].low))
        }
        say("Measuring the capacity …")
        var plan = plan(server, names.map { target($0) }, .closedLoop(outstanding: Self.capacityOutstanding))
        plan.duration = .seconds(6)
        let report = try await run(plan)
        guard report.answeredPerSecond > 0 else {
            throw LoadError(.badAnswer, "The server answered nothing in 6 s; see \(server.log).")
        }
        return (basis, report.answeredPerSecond)
    }

    /// The overload, and a line on what it cost beside the models themselves.
    private func drive(
        _ server: DemoServer, policy: String, rate: Double, basis: [PolicyComparison.Basis]
    ) async throws(LoadError) -> (report: LoadReport, note: String) {
        // A fresh server has met no model yet; each policy starts from the same short acquaintance.
        var acquaintance = plan(server, basis.map { target($0.model) }, .closedLoop(outstanding: 1))
        acquaintance.warmup = .zero
        acquaintance.duration = .milliseconds(1500)
        _ = try await run(acquaintance)

        say("Driving \(decimal(rate, 1)) requests/s for \(decimal(seconds, 0)) s under \(policy) …")
        let targets = basis.map { entry in
            var target = target(entry.model)
            target.highDeadline = .fractionalMilliseconds(entry.highDeadline)
            target.lowDeadline = .fractionalMilliseconds(entry.lowDeadline)
            return target
        }
        var overload = plan(server, targets, .openLoop(requestsPerSecond: rate))
        overload.warmup = .seconds(Self.overloadWarmup)
        overload.duration = .fractionalMilliseconds(seconds * 1000)
        overload.tailWait = .seconds(30)
        let before = ThreadUsage(of: server.process)
        let report = try await run(overload)
        let used = ThreadUsage(of: server.process).since(before)
        var note = """
            \(policy): load generator \(coresText(overload)), its own lag p99 \
            \(decimal(report.total.clientLag.p99, 2)) ms, \
            \(decimal(100 * report.clientCPUSeconds / report.offeredSeconds, 1)) % of one core. Server: \(used.text).
            """
        if let lanes = used.laneSeconds, report.requestsStarted > 0 {
            let each = 1000 * (used.seconds - lanes) / Double(report.requestsStarted)
            note += " Beside its lanes the server used \(decimal(each, 2)) ms of processor time per request."
        } else if report.requestsStarted > 0 {
            let each = 1000 * used.seconds / Double(report.requestsStarted)
            note += " In all the server used \(decimal(each, 2)) ms of processor time per request."
        }
        for warning in report.warnings { note += "\n  WARNING: \(warning)" }
        for failure in report.failures { note += "\n  Failed \(failure.count) ×: \(failure.message)" }
        return (report, note)
    }

    // -- small things --------------------------------------------------------------------------------------------

    private func target(_ model: String) -> LoadTarget {
        var target = LoadTarget(model: model)
        target.shapes = Self.shapes[model] ?? [:]
        return target
    }

    /// A plan with the generator on the last core, away from the first lanes.
    private func plan(_ server: DemoServer, _ targets: [LoadTarget], _ pace: LoadPlan.Pace) -> LoadPlan {
        var plan = LoadPlan(server: server.address, targets: targets, pace: pace)
        plan.highShare = highShare
        plan.seed = seed
        plan.maximumConnections = Self.connections
        let cores = CoreSet.allowed()
        if cores.count > 1, let last = cores.last { plan.cores = [last] }
        return plan
    }

    private func coresText(_ plan: LoadPlan) -> String {
        plan.cores.isEmpty ? "on any core" : "on core \(CoreSet.list(plan.cores))"
    }

    private func run(_ plan: LoadPlan) async throws(LoadError) -> LoadReport {
        try await Load.run(plan, warn: { say("  note: \($0)") })
    }

    /// Progress goes to standard error, so that standard output holds the result alone.
    private func say(_ text: String) { writeToStandardError(text + "\n") }
}
