// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import OnnxRuntime
internal import StraitCore
internal import StraitDevices
internal import StraitEvaluation
internal import StraitFormats
internal import StraitPlatform
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Synchronization

/// `strait profile`: measures how long a repository's models take on a device, alone and beside others.
struct ProfileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile",
        abstract: "Measure how long the models of a repository take, alone and beside others.",
        discussion: """
            For each model and batch size: the time alone (repeated until its median is known to 1 %), bytes in and out, and \
            what it needs of the device, found by running it beside loops that use up arithmetic and memory, and beside each \
            of the other models. Strait serves with what is found: where serve finds DIR.profile.json beside its repository, \
            it takes it, on the same device with the same lanes.

            It takes minutes, says beforehand how many, and can be stopped at any time: the same command goes on where it \
            was. Beside the profile it leaves a page to look at. Let nothing else run meanwhile; how steady the machine was \
            is told at the end.

            EXAMPLE
              strait profile --model-repository models --lanes 2
              strait profile --model-repository models --quick --shape ocr_rec,x:1x3x48x320
            """)

    @OptionGroup var options: ProfileOptions

    func run() throws {
        do {
            if let drawn = options.draw { return try draw(try ProfileFile(path: drawn)) }
            try measure()
        } catch let error as ExitCode {
            throw error
        } catch {
            Console.log("strait profile: \(error)")
            throw ExitCode.failure
        }
    }

    private func measure() throws {
        let repository = options.modelRepository ?? ""
        for path in [options.outputPath, options.pagePath, options.figure] { try OutputFile.check(path) }
        let stop = StopSignal()
        ProcessLimits.keepTensorMemory()
        let library = try options.onnxRuntime.load()
        let pool = SlabPool(budget: Self.tensorMemory)
        let device = try ServeDevices(
            [try options.specification], environment: try Environment(library: library), pool: pool
        ).devices[0]
        // An engine that is never started: loading is the same as for serving.
        let catalog = try ModelCatalog(
            repository: repository, engine: Engine(policy: .strait, device: device), pool: pool
        ) {
            Console.log($0.indented.text)
        }
        let bench = DeviceBench(device, cores: (device as? CPUDevice)?.cores ?? [], pool: pool)
        defer { bench.stop() }
        let targets = try prepare(catalog, bench)
        let plan = ProfilePlan(
            targets, lanes: device.laneCount, stressors: bench.stressors, quick: options.quick,
            budget: options.budgetMinutes.map { .seconds($0 * 60) })
        announce(plan, device, targets.count)

        let head = ProfileJournal.Head(
            device: ProfileFile.Device(name: device.identity.name, driver: device.identity.driver),
            settings: options.settings, models: targets.map(\.key))
        guard let records = try carryOut(plan, bench, head, stop) else {
            Console.log("stopped; what was measured is kept in \(options.journalPath), and the same command goes on")
            throw ExitCode(Self.stoppedCode)
        }
        try finish(head, records)
    }

    /// Memory for the inputs of a few batches at a time.
    private static let tensorMemory = 4 << 30
    /// What shells give a program that Ctrl-C has ended.
    private static let stoppedCode: Int32 = 130

    /// Finds out what of the models can be measured.
    private func prepare(_ catalog: ModelCatalog, _ bench: DeviceBench) throws -> [ProfilePlan.Target] {
        var targets: [ProfilePlan.Target] = []
        var shapes = options.shapesByModel
        for model in catalog.served {
            let specification = model.specification
            let asked = shapes.removeValue(forKey: specification.name) ?? []
            let key = ModelKey(
                name: specification.name, version: specification.version,
                hash: try FileDigest.sha256(path: specification.modelFile))
            do {
                let model = DeviceBench.Model(key: key, specification: specification, loaded: model.loaded)
                targets.append(try bench.add(model, shapes: asked))
            } catch {
                // Asked for by name, it must work; else the others are measured without it.
                guard asked.isEmpty else { throw ValidationError("--shape \(specification.name): \(error)") }
                Console.log("  \(specification.name) is not measured: \(error)")
            }
        }
        if let unknown = shapes.keys.sorted().first {
            throw ValidationError("--shape \(unknown): there is no such model in the repository")
        }
        guard !targets.isEmpty else { throw ValidationError("there is no model that can be measured") }
        return targets
    }

    private func announce(_ plan: ProfilePlan, _ device: any Device, _ models: Int) {
        Console.log(
            "profiling \(models) model(s) on \(device.laneCount) lane(s) of \(device.name): \(plan.steps.count) steps, "
                + "\(Self.words(plan.expected)) at most")
        if let minutes = options.budgetMinutes, plan.expected > .seconds(minutes * 60) {
            Console.log("  which is more than --budget-minutes \(minutes): it takes at least that long")
        }
        if device.laneCount == 1 {
            Console.log("  one lane: nothing ever runs beside anything, so demands are not measured")
        }
    }

    /// Measures; nil where it was stopped.
    private func carryOut(
        _ plan: ProfilePlan, _ bench: DeviceBench, _ head: ProfileJournal.Head, _ stop: StopSignal
    ) throws -> [ProfileRecord]? {
        let earlier = options.anew ? [] : try ProfileJournal.records(at: options.journalPath, for: head)
        if !earlier.isEmpty { Console.log("  going on from \(earlier.count) measurements in \(options.journalPath)") }
        var journal = try ProfileJournal(path: options.journalPath, head, keeping: earlier)
        let line = StatusLine(quiet: options.quiet)
        var session = ProfileSession(plan, on: bench, goingOnFrom: earlier)
        let isDone = try session.run(
            note: { (record) throws(FormatError) in try journal.append(record) },
            progress: { progress in line.show(Self.words(progress)) }, isStopped: { stop.isRequested })
        line.clear()
        for failure in session.failures { Console.log("  not measured: \(failure)") }
        journal.close(removing: false)
        return isDone ? session.records : nil
    }

    /// Writes the profile and its page, and says what was found.
    private func finish(_ head: ProfileJournal.Head, _ records: [ProfileRecord]) throws {
        let models = head.models.compactMap { key in
            ProfileFit.profile(of: key, from: records).map {
                ProfileFile.Model(name: key.name, version: key.version, hash: key.hash, profile: $0)
            }
        }
        var file = ProfileFile(device: head.device, models: models)
        file.calendarMilliseconds = Int64(clamping: MonotonicClock.calendarMilliseconds())
        file.records = records
        try file.write(to: options.outputPath)
        unlink(options.journalPath)
        try draw(file)
        Console.log("\(models.count) profile(s) in \(options.outputPath)")
        guard let noise = ProfileNoise(records) else { return }
        Console.log("the machine was \(noise.words)")
        if noise.isNoisy { Console.log("measure again while nothing else runs: demands, above all, are blurred by it") }
    }

    private func draw(_ file: ProfileFile) throws {
        let page = ProfilePage(file, version: Strait.version)
        try writeText(page.html, to: options.pagePath)
        Console.log("a page to look at: \(options.pagePath)")
        guard let figure = options.figure else { return }
        guard let svg = page.svg else { throw ValidationError("there is nothing in the profile to draw") }
        try writeText(svg, to: figure)
    }

    // -- words ----------------------------------------------------------------------------------------------------

    private static let barLength = 24

    private static func words(_ progress: ProfileSession.Progress) -> String {
        let filled = progress.of > 0 ? barLength * progress.done / progress.of : 0
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: barLength - filled)
        return "[\(bar)] \(progress.done)/\(progress.of), \(words(progress.left)) left: \(progress.words)"
    }

    private static func words(_ span: StraitCore.Duration) -> String {
        let seconds = Int((Double(span.nanoseconds) / 1e9).rounded(.up))
        return seconds < 90 ? "\(seconds) s" : "\((seconds + 30) / 60) min"
    }
}

/// Whether somebody wants the program to stop. A second signal stops it at once.
private final class StopSignal: Sendable {
    private let flag = Atomic(false)

    var isRequested: Bool { flag.load(ordering: .relaxed) }

    init() {
        let signals = [SIGINT, SIGTERM]
        ProcessLimits.blockSignals(signals)
        // It ends with the process.
        _ = SystemThread(name: "signals") { [self] in
            _ = ProcessLimits.waitForSignal(signals)
            flag.store(true, ordering: .relaxed)
            Console.log("\nstopping after this measurement; once more to stop at once")
            _ = ProcessLimits.waitForSignal(signals)
            _exit(130)
        }
    }
}
