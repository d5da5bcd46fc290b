// SPDX-License-Identifier: Apache-2.0

internal import StraitPlatform
internal import StraitSimulation

/// Makes the runs of a plan that its store does not have yet.
package struct Evaluation: Sendable {
    private let plan: MatrixPlan
    private let store: String
    private let options: Options

    /// How it is made.
    package struct Options: Sendable {
        /// Runs at the same time. Which thread makes which run changes nothing about the results.
        package var threads = 1
        /// What the user calls this version of the code; runs are made again when it changes.
        package var code = ""
        /// Whether to forget what the store holds.
        package var fresh = false

        /// The usual way.
        package init() {}
    }

    /// An evaluation.
    ///
    /// - Parameter store: the file that runs are kept in.
    package init(_ plan: MatrixPlan, store: String, options: Options) {
        self.plan = plan
        self.store = store
        self.options = options
    }

    /// Makes what is missing.
    ///
    /// - Parameter report: told after each run, and once before the first.
    /// - Returns: the records of all runs of the plan, in its order, once for each axis.
    /// - Throws: `failedRun` for the first run that breaks a rule, with the scenario, the policy, the seed and the last
    ///   events; what was done until then is in the store. `badFile` for the store.
    package func run(
        _ report: @escaping @Sendable (EvaluationProgress) -> Void
    ) throws(EvaluationError) -> [RunRecord] {
        let opened = try RunStore(store, fresh: options.fresh)
        var keys = RunKeys(behaviours: try behaviours(), code: options.code)
        var records = plan.runs.map { run in opened.records[keys.key(of: run)] }
        let missing = plan.runs.indices.filter { records[$0] == nil }
        let planned = missing.map { (run: plan.runs[$0], key: keys.key(of: plan.runs[$0])) }
        let made = Shared([RunRecord?](repeating: nil, count: missing.count))
        let progress = Shared(EvaluationProgress(plan.runs, missing: planned.map(\.run), threads: options.threads))
        report(progress.set { $0 })
        try Workers.run(missing.count, threads: options.threads, named: "evaluate") { (index) throws(EvaluationError) in
            let startedAt = MonotonicClock.nanoseconds()
            let (run, key) = planned[index]
            let record = RunRecord(try Self.result(of: run), axis: .core)
            try opened.append(RecordLine(key: key, record: record))
            made.set { $0[index] = record }
            report(
                progress.set { progress in
                    progress.note(run, seconds: Double(MonotonicClock.nanoseconds() - startedAt) / 1e9)
                    return progress
                })
        }
        for (index, record) in zip(missing, made.set { $0 }) { records[index] = record }
        return byAxis(records)
    }

    /// What the store has of the plan's runs, whatever the code does by now; makes none. Of two records of a run the later
    /// counts.
    ///
    /// - Throws: `badFile` for a store that is not there or cannot be read.
    package func recorded() throws(EvaluationError) -> [RunRecord] {
        struct Run: Hashable {
            var cell: Cell
            var variant: String
            var seed: UInt64
        }
        var known: [Run: RunRecord] = [:]
        for line in try RunStore.read(store).lines {
            known[Run(cell: line.record.cell, variant: line.record.variant, seed: line.record.seed)] = line.record
        }
        return byAxis(
            plan.runs.map { known[Run(cell: Cell($0.scenario), variant: $0.setup.name, seed: $0.seed)] })
    }

    /// The records of the plan's runs, once for each axis.
    private func byAxis(_ records: [RunRecord?]) -> [RunRecord] {
        zip(plan.runs, records).flatMap { run, record in
            run.axes.compactMap { axis in
                var record = record
                record?.axis = axis
                return record
            }
        }
    }

    /// What every setup of the plan does.
    private func behaviours() throws(EvaluationError) -> [PolicySetup: String] {
        let setups = Array(Set(plan.runs.map(\.setup))).sorted { $0.name < $1.name }
        let digests = Shared([PolicySetup: String]())
        try Workers.run(setups.count, threads: options.threads, named: "probe") { (index) throws(EvaluationError) in
            let digest: String
            do throws(SimulationError) { digest = try Behaviour.digest(of: setups[index]) } catch {
                throw EvaluationError(.failedRun, error.message)
            }
            digests.set { $0[setups[index]] = digest }
        }
        return digests.set { $0 }
    }

    private static func result(of run: PlannedRun) throws(EvaluationError) -> RunResult {
        do throws(SimulationError) { return try Simulation.run(run.scenario, run.setup, seed: run.seed) } catch {
            throw EvaluationError(.failedRun, error.message)
        }
    }
}
