// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore
package import StraitFormats
package import StraitSimulation

/// Makes the report of an evaluation in its folder, with the recordings that it shows.
package struct ReportMaker {
    private let plan: MatrixPlan
    private let folder: String
    private let threads: Int

    /// What `strait fidelity` wrote last, in the repository.
    private static let usualFidelity = "docs/fidelity.json"

    /// A report of a plan's runs.
    ///
    /// - Parameter threads: how many record at the same time.
    package init(_ plan: MatrixPlan, folder: String, threads: Int) {
        self.plan = plan
        self.folder = folder
        self.threads = threads
    }

    /// What `strait fidelity` wrote to a file; without one, what the repository has if this is run in it.
    ///
    /// - Throws: `badFile` for a file that cannot be read.
    package static func fidelity(_ path: String?) throws(EvaluationError) -> FidelityFile? {
        guard path != nil || access(usualFidelity, R_OK) == 0 else { return nil }
        do throws(FormatError) { return try FidelityFile(path: path ?? usualFidelity) } catch {
            throw EvaluationError(.badFile, "\(error)")
        }
    }

    /// Records what is shown one by one, and writes `report.html`, `figures/*.svg` and `recordings/*.jsonl`.
    ///
    /// - Parameter arguments: the command line, for the reader.
    /// - Returns: the path of the page.
    /// - Throws: `failedRun` for a recorded run that breaks a rule, `badFile` for what cannot be written.
    package func make(
        _ table: RecordTable, targets: [TargetRow], estimators: [EstimatorRow], fidelity: FidelityFile?,
        arguments: [String]
    ) throws(EvaluationError) -> String {
        var input = ReportInput(table)
        input.targets = targets
        input.estimators = estimators
        input.fidelity = fidelity
        input.facts = ReportFacts.all(
            arguments: arguments, seeds: Set(plan.runs.map(\.seed)).union(plan.trialSeeds).sorted())
        if let first = plan.runs.first {
            let recordings = ReportRecordings(seed: first.seed, threads: threads)
            input.timelines = try recordings.timelines()
            input.drifts = try recordings.drifts(seconds: first.scenario.duration.seconds)
            try keep(input.timelines)
        }
        let report = Report(input)
        try makeFolder("figures")
        for file in report.files { try write(file.content, to: "figures/\(file.name)") }
        return try write(report.html, to: "report.html")
    }

    /// Keeps the short recordings; those of drifts are a hundred times as long.
    private func keep(_ recordings: [Recording]) throws(EvaluationError) {
        try makeFolder("recordings")
        for recording in recordings {
            do throws(FormatError) {
                try recording.write(to: "\(folder)/recordings/\(recording.head.policy).jsonl")
            } catch {
                throw EvaluationError(.badFile, "\(error)")
            }
        }
    }

    private func makeFolder(_ name: String) throws(EvaluationError) {
        guard mkdir("\(folder)/\(name)", 0o755) == 0 || errno == EEXIST else {
            throw EvaluationError(.badFile, "The folder \(folder)/\(name) cannot be made: \(Files.reason()).")
        }
    }

    @discardableResult
    private func write(_ text: String, to name: String) throws(EvaluationError) -> String {
        let path = "\(folder)/\(name)"
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw EvaluationError(.badFile, "\(path) cannot be written: \(Files.reason()).") }
        defer { close(file) }
        if let reason = Files.append(Array(text.utf8), to: file) {
            throw EvaluationError(.badFile, "\(path) cannot be written: \(reason).")
        }
        return path
    }
}
