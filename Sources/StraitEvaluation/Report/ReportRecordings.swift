// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitPlatform
internal import StraitSimulation

/// The runs that the report shows one by one, recorded.
struct ReportRecordings: Sendable {
    struct Job: Sendable {
        var scenario: Scenario
        var setup: PolicySetup
        var window: Range<Instant>
    }

    private let seed: UInt64
    private let threads: Int

    /// Recordings with a seed, each made on one of some threads.
    init(seed: UInt64, threads: Int) {
        self.seed = seed
        self.threads = threads
    }

    /// One busy second under Strait and two rivals.
    ///
    /// - Throws: `failedRun` for the first run that breaks a rule.
    func timelines() throws(EvaluationError) -> [Recording] {
        try record(Self.timelines(seed: seed, among: Self.shownSeconds))
    }

    /// Runs in which the clock falls or a model becomes slower, under strait with several estimators.
    ///
    /// - Parameter seconds: how long requests come; nil for as long as the library says.
    /// - Throws: `failedRun` for the first run that breaks a rule.
    func drifts(seconds: Double? = nil) throws(EvaluationError) -> [Recording] {
        try record(Self.drifts(seconds: seconds))
    }

    func record(_ jobs: [Job]) throws(EvaluationError) -> [Recording] {
        let made = Shared([Recording?](repeating: nil, count: jobs.count))
        try Workers.run(jobs.count, threads: threads, named: "record") { (index) throws(EvaluationError) in
            let job = jobs[index]
            do throws(SimulationError) {
                let recording = try Simulation.record(job.scenario, job.setup, seed: seed, window: job.window).recording
                made.set { $0[index] = recording }
            } catch {
                throw EvaluationError(.failedRun, error.message)
            }
        }
        return made.set { $0 }.compactMap(\.self)
    }

    // -- what is recorded -----------------------------------------------------------------------------------------

    /// Seconds of the run of which the busiest is shown: after the warm-up, and few, so that it need not run long.
    private static let shownSeconds = 6..<20
    /// What comes after that second and still shows in it: batches that were staged in it, answers to its requests.
    private static let aftermath = 1

    /// Strait, the strongest simple rival, and preemption; where that is not there, one without estimates.
    private static let shownPolicies = [
        .strait, .edfPriorityEWMAGate, PolicyName(rawValue: "preempt-level1") ?? .triton,
    ]

    static func timelines(seed: UInt64, among shownSeconds: Range<Int>) -> [Job] {
        var scenario = ScenarioLibrary.centre
        scenario.arrivals = .bursts
        var counts: [Int: Int] = [:]
        for arrival in scenario.arrivals(seed: seed) {
            counts[Int((arrival.at - .zero).seconds), default: 0] += 1
        }
        var busiest = shownSeconds.lowerBound
        for second in shownSeconds where counts[second, default: 0] > counts[busiest, default: 0] { busiest = second }
        scenario.duration = .seconds(Double(busiest + 1 + aftermath))
        let window = Instant.zero + .seconds(Double(busiest)) ..< .zero + .seconds(Double(busiest + 1))
        return shownPolicies.map { Job(scenario: scenario, setup: Variants.plain($0), window: window) }
    }

    /// With the estimator that learns how batches slow each other down, one that only tracks each model, and one that
    /// learns nothing.
    static func drifts(seconds: Double?) -> [Job] {
        ["clock", "model-drift"].flatMap { name -> [Job] in
            guard var scenario = try? ScenarioLibrary.scenario(named: name) else { return [] }
            if let seconds { scenario.duration = .seconds(seconds) }
            let changed = Variants.ablations.filter {
                ["strait/ewma-estimator", "strait/static-estimator"].contains($0.name)
            }
            return ([Variants.plain(.strait)] + changed).map { setup in
                Job(scenario: scenario, setup: setup, window: .zero ..< .never)
            }
        }
    }
}
