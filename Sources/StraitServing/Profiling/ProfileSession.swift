// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitFormats

/// Carries out a plan on a bench, step by step, and goes on where an earlier session was cut off.
package struct ProfileSession {
    private let plan: ProfilePlan
    private let bench: any ProfilingBench
    private let clock: any EngineClock
    /// All that was measured, earlier and now.
    package private(set) var records: [ProfileRecord]
    /// What could not be measured, and why, for people.
    package private(set) var failures: [String] = []
    /// Batches that the model cannot run; larger ones are not tried.
    private var failed: Set<ProfilePlan.Subject> = []

    /// How far it is.
    package struct Progress: Sendable, Hashable {
        /// Steps that are done, of all.
        package var done: Int
        package var of: Int
        /// What is measured now.
        package var words: String
        /// How long the rest takes at most, about.
        package var left: StraitCore.Duration
    }

    /// A session.
    ///
    /// - Parameter done: what an earlier session measured.
    package init(
        _ plan: ProfilePlan, on bench: any ProfilingBench, clock: any EngineClock = SystemClock(),
        goingOnFrom done: [ProfileRecord] = []
    ) {
        self.plan = plan
        self.bench = bench
        self.clock = clock
        records = done
    }

    /// Measures what is not measured yet.
    ///
    /// - Parameters:
    ///   - note: given each measurement at once, to be kept.
    ///   - progress: told before each step.
    ///   - isStopped: asked between steps, and between the parts of a step, which is then thrown away.
    /// - Returns: whether it came to the end.
    /// - Throws: what `note` throws. Batches that a model cannot run are noted as failures.
    package mutating func run(
        note: (ProfileRecord) throws -> Void, progress: (Progress) -> Void = { _ in },
        isStopped: () -> Bool = { false }
    ) throws -> Bool {
        let known = Set(records.compactMap(Self.step))
        // References before what is known already would say nothing about what is measured now.
        let open = zip(plan.steps, plan.steps.dropFirst() + [.reference]).filter { step, next in
            !known.contains(step) && !(step == .reference && known.contains(next))
        }.map(\.0)
        var left = open.reduce(StraitCore.Duration.zero) { $0 + plan.expected($1) }
        for (index, step) in open.enumerated() {
            guard !isStopped() else { return false }
            progress(
                Progress(
                    done: plan.steps.count - open.count + index, of: plan.steps.count, words: Self.words(step),
                    left: left))
            left = left - plan.expected(step)
            guard !Self.subjects(step).contains(where: isHopeless) else { continue }
            do {
                guard let record = try measure(step, isStopped) else { return false }
                records.append(record)
                try note(record)
            } catch let error as FormatError {
                throw error
            } catch {
                failed.formUnion(Self.subjects(step))
                failures.append("\(Self.words(step)): \(error)")
            }
        }
        return true
    }

    private func isHopeless(_ subject: ProfilePlan.Subject) -> Bool {
        failed.contains {
            $0.model == subject.model && $0.version == subject.version && $0.elementsPerRow == subject.elementsPerRow
                && $0.rows <= subject.rows
        }
    }

    /// The step that a measurement came from; nil for a reference, which never replaces another.
    private static func step(_ record: ProfileRecord) -> ProfilePlan.Step? {
        switch record {
        case .solo(let solo): .solo(solo.subject)
        case .stressed(let stressed): .stressed(stressed.subject, stressed.stressor)
        case .pair(let pair): .pair(pair.first, pair.second)
        case .reference: nil
        }
    }

    private static func subjects(_ step: ProfilePlan.Step) -> [ProfilePlan.Subject] {
        switch step {
        case .solo(let subject), .stressed(let subject, _): [subject]
        case .pair(let first, let second): [first, second]
        case .reference: []
        }
    }

    private static func words(_ step: ProfilePlan.Step) -> String {
        func words(_ subject: ProfilePlan.Subject) -> String {
            "\(subject.model), \(subject.rows) row\(subject.rows == 1 ? "" : "s") of \(subject.elementsPerRow)"
        }
        return switch step {
        case .solo(let subject): words(subject)
        case .stressed(let subject, let stressor): "\(words(subject)), beside \(stressor.rawValue)"
        case .pair(let first, let second): "\(words(first)), beside \(words(second))"
        case .reference: "a reference"
        }
    }

    // -- measuring ------------------------------------------------------------------------------------------------

    /// Measures a step; nil where it was stopped.
    private func measure(_ step: ProfilePlan.Step, _ isStopped: () -> Bool) throws -> ProfileRecord? {
        switch step {
        case .solo(let subject): try solo(subject, isStopped).map { .solo($0) }
        case .stressed(let subject, let stressor): try stressed(subject, stressor, isStopped).map { .stressed($0) }
        case .pair(let first, let second): try pair(first, second, isStopped).map { .pair($0) }
        case .reference: .reference(bench.reference())
        }
    }

    private func solo(_ subject: ProfilePlan.Subject, _ isStopped: () -> Bool) throws -> ProfileRecord.Solo? {
        // Models allocate and caches fill in the first run, and what allocates late does so in the second.
        let warmUp = try bench.run(subject, times: 1)
        if let first = warmUp.first, first.kernels < plan.pace.solo.longestSpan {
            _ = try bench.run(subject, times: 1)
        }
        let start = clock.now()
        var runs: [MeasuredTimes] = []
        while true {
            guard !isStopped() else { return nil }
            let count = plan.pace.solo.runsToMake(after: runs.map(\.kernels), spent: clock.now() - start)
            guard count > 0 else { break }
            runs += try bench.run(subject, times: count)
        }
        let kernels = RunTimes(runs.map { max($0.kernels, Self.shortest) })
        var solo = ProfileRecord.Solo(subject, runs: kernels.count, median: kernels.median)
        (solo.low, solo.high) = (kernels.medianInterval.lowerBound, kernels.medianInterval.upperBound)
        (solo.p95, solo.mean) = (kernels.p95, kernels.mean)
        (solo.bytesIn, solo.bytesOut) = bench.bytes(of: subject)
        solo.copyIn = max(.zero, RunTimes(runs.map(\.copyIn)).median)
        solo.copyOut = max(.zero, RunTimes(runs.map(\.copyOut)).median)
        return solo
    }

    /// A profile has no times of nothing.
    private static let shortest = StraitCore.Duration(nanoseconds: 1)

    private func stressed(
        _ subject: ProfilePlan.Subject, _ stressor: ProfileRecord.Stressor, _ isStopped: () -> Bool
    ) throws -> ProfileRecord.Stressed? {
        let window = plan.window(subject)
        var (slowdowns, losses, copies) = ([Double](), [Double](), [StraitCore.Duration]())
        for _ in 0..<plan.pace.rounds {
            guard !isStopped() else { return nil }
            let alone = try bench.runTogether([subject], from: 0, beside: nil, for: window * 0.5)
            let stress = bench.run(stressor, for: window * 0.5)
            let both = try bench.runTogether([subject], from: 0, beside: stressor, for: window)
            slowdowns.append(Self.ratio(both.means[0], alone.means[0]))
            losses.append(stress - both.stress)
            copies.append(both.copyIn)
        }
        return ProfileRecord.Stressed(
            subject, beside: stressor, tookTurns: bench.takesTurns(stressor), slowdown: Self.median(slowdowns),
            loss: min(max(Self.median(losses), 0), 1), bytesIn: bench.bytes(of: subject).copyIn,
            copyIn: max(.zero, RunTimes(copies).median))
    }

    private func pair(
        _ first: ProfilePlan.Subject, _ second: ProfilePlan.Subject, _ isStopped: () -> Bool
    ) throws -> ProfileRecord.Pair? {
        let window = max(plan.window(first), plan.window(second))
        var (ofFirst, ofSecond) = ([Double](), [Double]())
        for _ in 0..<plan.pace.rounds {
            guard !isStopped() else { return nil }
            // Each where it then runs beside the other: cores differ, and so does what else they have to do.
            let firstAlone = try bench.runTogether([first], from: 0, beside: nil, for: window * 0.5)
            let secondAlone = try bench.runTogether([second], from: 1, beside: nil, for: window * 0.5)
            let both = try bench.runTogether([first, second], from: 0, beside: nil, for: window)
            ofFirst.append(Self.ratio(both.means[0], firstAlone.means[0]))
            ofSecond.append(Self.ratio(both.means[1], secondAlone.means[0]))
        }
        // Of two of the same kind neither is the first.
        let (one, other) = (Self.median(ofFirst), Self.median(ofSecond))
        let mean = (one + other) / 2
        return ProfileRecord.Pair(
            first, second, firstSlowdown: first == second ? mean : one, secondSlowdown: first == second ? mean : other)
    }

    /// What a slow-down may be; a clock that stands still gives no other.
    private static func ratio(_ time: Double, _ alone: Double) -> Double {
        guard time > 0, alone > 0 else { return 1 }
        return min(max(time / alone, 0.001), 1e6)
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
