// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitCore
internal import StraitFormats
internal import StraitLoad
internal import StraitSimulation

/// `strait fidelity`: how close the simulator comes to a server that was recorded.
struct FidelityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fidelity",
        abstract: "Simulate the requests of a recorded server again and compare what became of them.",
        discussion: """
            Each RECORDING is a file that strait serve --record wrote. Its requests come at the same instants with the \
            same deadlines; the scheduler is told what the server's was, its models' profiles included; the device's \
            batches take what the profiles say, spread as the recorded ones were (times: profile); or what those of another \
            recording took (times: calibrated); or what was recorded, with the machine's speed over time (times: recorded). \
            docs/fidelity.md has results.

            A server on virtual devices is compared with the simulated devices of a scenario of the same models (--scenario).

            EXAMPLE
              strait serve --model-repository models --no-learned --record run.jsonl
              strait fidelity run.jsonl --from 5 --json fidelity.json
              strait fidelity virtual.jsonl --from 5 --scenario devices-4 --speed 0.25
              strait fidelity run.jsonl --times recorded --seeds 0 --record simulated.jsonl
              strait watch run.jsonl simulated.jsonl
            """)

    @Argument(help: ArgumentHelp("Recordings of servers.", valueName: "recording"))
    var recordings: [String]

    @Option(help: ArgumentHelp("Leave out requests that came in the first seconds.", valueName: "seconds"))
    var from = 0.0

    @Option(help: "Seeds of the simulated device's luck, whose figures are averaged: numbers and ranges.")
    var seeds = "0-9"

    @Option(help: ArgumentHelp("Another recording of the same models, for calibrated times.", valueName: "recording"))
    var calibration: String?

    @Option(help: "Where the device's times are from: \(names). All there is a source for, if not given.")
    var times: Twin.Times?

    @Option(help: "The scenario, or its file, whose devices and models were the server's virtual ones.")
    var scenario: String?

    @Option(help: "The speed= of the server's virtual devices.")
    var speed = 1.0

    @Option(help: "Write the rows to this file as JSON.")
    var json: String?

    @Option(help: "Write the simulated run to this file, for strait watch: of one recording and seed.")
    var record: String?

    private static var names: String { Twin.Times.allCases.map(\.rawValue).joined(separator: " or ") }

    func validate() throws {
        guard from >= 0, from < 1e6 else { throw ValidationError("--from is \(from); expected seconds from 0") }
        guard scenario == nil || (times == nil && calibration == nil) else {
            throw ValidationError("--scenario is where times are from; it takes neither --times nor --calibration")
        }
        guard record == nil || (recordings.count == 1 && (scenario != nil || times != nil)) else {
            throw ValidationError("--record is of one recording, with --scenario or --times")
        }
    }

    func run() throws {
        do {
            try OutputFile.check(json)
            try OutputFile.check(record)
            let seeds = try Sweep.seeds(seeds)
            guard record == nil || seeds.count == 1 else {
                throw SimulationError(.badPlan, "--record is of one run; name one seed, as with --seeds 0.")
            }
            let calibration = try calibration.map { (path) throws(FormatError) in try Recording(path: path) }
            let sources = times.map { [$0] } ?? Twin.Times.allCases.filter { $0 != .calibrated || calibration != nil }
            let devices = try scenario.map { (name) throws(SimulationError) in
                try ScenarioLibrary.scenario(nameOrPath: name)
            }
            var rows: [FidelityFile.Row] = []
            for path in recordings {
                let recording = try Recording(path: path)
                if let devices {
                    let twin = try Twin(of: recording, on: devices, speed: speed)
                    rows += try compare(recording, with: twin, named: Self.name(path), Twin.scenarioTimes, seeds)
                    continue
                }
                for times in sources {
                    let twin = try Twin(of: recording, times: times, calibration: calibration)
                    rows += try compare(recording, with: twin, named: Self.name(path), times.rawValue, seeds)
                }
            }
            if recordings.count > 1 {
                for times in devices == nil ? sources.map(\.rawValue) : [Twin.scenarioTimes] {
                    print(Self.verdict("All, times: \(times)", rows.filter { $0.times == times }))
                }
            }
            if let json { try FidelityFile(rows: rows).write(to: json) }
        } catch let error as SimulationError {
            throw Console.failure("fidelity", error.message)
        } catch let error as FormatError {
            throw Console.failure("fidelity", error.description)
        } catch let error as LoadError {
            throw Console.failure("fidelity", error.message)
        }
    }

    /// A file's name without its folder and its ending.
    private static func name(_ path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return name.hasSuffix(".jsonl") ? String(name.dropLast(6)) : name
    }

    private func compare(
        _ recording: Recording, with twin: Twin, named name: String, _ times: String, _ seeds: [UInt64]
    ) throws(SimulationError) -> [FidelityFile.Row] {
        var simulated: [Recording] = []
        let line = StatusLine(quiet: false)
        for (done, seed) in seeds.enumerated() {
            line.show("\(name), times: \(times): simulated \(done) of \(seeds.count) times")
            simulated.append(try twin.record(seed: seed))
        }
        line.clear()
        if let record, let run = simulated.first {
            do throws(FormatError) { try run.write(to: record) } catch {
                throw SimulationError(.badPlan, "--record: \(error)")
            }
        }
        let rows = FidelityFile.Row.comparing(
            recording, with: simulated, name: name, times: times, from: .zero + .seconds(from))
        print("\(name), policy \(recording.head.policy), times: \(times)")
        for caution in twin.cautions { print("  caution: \(caution)") }
        print(Self.table(rows).text, terminator: "")
        print(Self.verdict("Within the targets", rows), terminator: "\n\n")
        return rows
    }

    private static func table(_ rows: [FidelityFile.Row]) -> TextTable {
        var table = TextTable(
            [
                "class", "model", "requests", "in time %", "simulated", "points", "p50 ms", "simulated", "%", "p95 ms",
                "simulated", "%",
            ], leftColumns: 2)
        for row in rows {
            table.append([
                row.requestClass.name, row.model ?? "all", "\(row.requests)", decimal(100 * row.live.inTime, 2),
                decimal(100 * row.simulated.inTime, 2), signed(row.inTimePoints, 2), decimal(row.live.p50, 1),
                decimal(row.simulated.p50, 1), signed(row.p50Error.map { 100 * $0 }, 1), decimal(row.live.p95, 1),
                decimal(row.simulated.p95, 1), signed(row.p95Error.map { 100 * $0 }, 1),
            ])
        }
        return table
    }

    private static func signed(_ value: Double?, _ places: Int) -> String {
        guard let value else { return decimal(value, places) }
        return (value > 0 ? "+" : "") + decimal(value, places)
    }

    /// How many rows are within the targets: of classes as a whole, and of models in classes.
    private static func verdict(_ what: String, _ rows: [FidelityFile.Row]) -> String {
        func counts(_ rows: [FidelityFile.Row]) -> String {
            "in time (2 points) \(rows.count(where: \.meetsInTime)), p50 (10 %) \(rows.count(where: \.meetsP50)), "
                + "p95 (10 %) \(rows.count(where: \.meetsP95)) of \(rows.count)"
        }
        return "\(what): of classes \(counts(rows.filter { $0.model == nil })); of models "
            + counts(rows.filter { $0.model != nil }) + "."
    }
}

extension Twin.Times: ExpressibleByArgument {}
