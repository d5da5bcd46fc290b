// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import StraitCore
internal import StraitFormats
internal import StraitLoad
internal import StraitSimulation

/// The options of `strait simulate` that are about one run: recording it, and seeing again how it came to a moment.
struct SingleRun: ParsableArguments {
    @Option(help: "Write what happens, request by request and batch by batch, to this file. For one policy and seed.")
    var record: String?

    @Option(
        help: ArgumentHelp("Record only what comes and runs between these seconds.", valueName: "from-to"))
    var recordSeconds: String?

    @Option(
        help: ArgumentHelp("Make this one run again and print the events before --until.", valueName: "policy:seed"))
    var replay: String?

    @Option(help: ArgumentHelp("The moment, in nanoseconds of simulated time.", valueName: "ns"))
    var until: Int64?

    mutating func validate() throws {
        try check((replay == nil) == (until == nil), "--replay and --until belong together")
        try check(until ?? 0 >= 0, "--until is \(until ?? 0); expected nanoseconds from the start")
        try check(record == nil || replay == nil, "--record and --replay exclude each other")
        try check(recordSeconds == nil || record != nil, "--record-seconds needs --record")
        try check(recordSeconds == nil || window != nil, "--record-seconds is '\(recordSeconds ?? "")'; expected 20-21")
    }

    /// Makes the run that was asked for, and says whether there was one.
    func make(_ sweep: Sweep) throws(SimulationError) -> Bool {
        guard record != nil || replay != nil else { return false }
        guard let run = sweep.runs.first, sweep.runs.count == 1 else {
            throw SimulationError(
                .badPlan,
                "--record and --replay: \(sweep.runs.count) runs; expected one. Name one policy, seed, load and arrivals."
            )
        }
        if let record { try write(run, to: record) }
        if let until, replay != nil {
            let replay = Replay(run.scenario, run.setup, seed: run.seed, until: Instant(nanoseconds: until))
            try replay.run { print($0) }
            print("No rule was broken.")
        }
        return true
    }

    private func write(_ run: Sweep.Run, to path: String) throws(SimulationError) {
        let (result, recording) = try Simulation.record(
            run.scenario, run.setup, seed: run.seed, window: window ?? .zero ..< .never)
        do throws(FormatError) { try recording.write(to: path) } catch {
            throw SimulationError(.badFile, "--record: \(error)")
        }
        let dropped = recording.dropped > 0 ? "; \(recording.dropped) records had no room" : ""
        print(
            "\(recording.arrivals.count) requests, \(recording.batches.count) batches in \(path)\(dropped). "
                + RequestClass.allCases.map { requestClass in
                    let missed = decimal(result[requestClass].violation * 100, 2)
                    return "Of all \(requestClass) requests \(missed) % were not answered in time."
                }.joined(separator: " "))
    }

    /// What is recorded; nil for all of it, or where it cannot be read.
    private var window: Range<Instant>? {
        let ends = recordSeconds?.split(separator: "-", omittingEmptySubsequences: false).map { Double($0) }
        guard let ends, ends.count == 2, let from = ends[0], let to = ends[1], from >= 0, from < to, to <= 1e6 else {
            return nil
        }
        return .zero + .seconds(from) ..< .zero + .seconds(to)
    }
}
