// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitServing

/// A bench on which the truth is known: what batches take, what they and others need, and how a device of capacity 1 is
/// shared max-min. Time is what batches take; noise is what a test scripts.
final class KnownBench: ProfilingBench {
    let clock = ManualClock()
    let laneCount: Int
    let stressors: [Stressor]

    /// A model as it is.
    struct Truth {
        /// Milliseconds of the kernels of so many rows of so many elements.
        var time: (_ rows: Int, _ elements: Int) -> Double
        /// What a batch needs of the device.
        var demand = Demand(compute: 1, bandwidth: 0, cache: 0)
        /// The most rows that it can run.
        var mostRows = Int.max
    }

    private let models: [String: Truth]
    /// By what each run is longer than it should be, in order, again and again.
    var noise = [1.0]
    private var runs = 0
    /// Subjects that ran alone, in order.
    private(set) var alone: [Subject] = []
    /// What ran beside what.
    private(set) var together: [[Subject]] = []
    private(set) var references = 0

    struct Broken: Error, CustomStringConvertible { let description = "too many rows" }

    init(_ models: [String: Truth], lanes: Int = 2, stressors: [Stressor] = Stressor.allCases) {
        self.models = models
        laneCount = lanes
        self.stressors = stressors
    }

    func takesTurns(_ stressor: Stressor) -> Bool { false }

    private func truth(_ subject: Subject) throws -> Truth {
        guard let truth = models[subject.model], subject.rows <= truth.mostRows else { throw Broken() }
        return truth
    }

    func run(_ subject: Subject, times: Int) throws -> [MeasuredTimes] {
        let truth = try truth(subject)
        if alone.last != subject { alone.append(subject) }
        return (0..<times).map { _ in
            let time = StraitCore.Duration.milliseconds(
                truth.time(subject.rows, subject.elementsPerRow) * noise[runs % noise.count])
            runs += 1
            clock.advance(by: time)
            return MeasuredTimes(copyIn: .microseconds(Int64(subject.rows)), kernels: time, copyOut: .zero)
        }
    }

    func bytes(of subject: Subject) -> (copyIn: Int, copyOut: Int) {
        (4 * subject.rows * subject.elementsPerRow, 8 * subject.rows)
    }

    /// What each of some demands gets of a capacity of 1.
    private func shared(_ demands: [Double]) -> [Double] {
        var given = demands.map { _ in 0.0 }
        var open = Array(demands.indices)
        var rest = 1.0
        while !open.isEmpty {
            let each = rest / Double(open.count)
            let small = open.filter { demands[$0] <= each }
            guard !small.isEmpty else {
                for index in open { given[index] = each }
                break
            }
            for index in small {
                given[index] = demands[index]
                rest -= demands[index]
            }
            open.removeAll(where: small.contains)
        }
        return given
    }

    func runTogether(
        _ subjects: [Subject], from lane: Int, beside stressor: Stressor?, for span: StraitCore.Duration
    ) throws -> Company {
        clock.advance(by: span)
        if subjects.count > 1 { together.append(subjects) }
        let truths = try subjects.map(truth)
        // A stressor wants all of one resource and nothing of the others.
        let extra = stressor == nil ? [] : [1.0]
        let compute = shared(truths.map(\.demand.compute) + (stressor == .compute ? extra : []))
        let bandwidth = shared(truths.map(\.demand.bandwidth) + (stressor == .bandwidth ? extra : []))
        let means = zip(subjects, truths).enumerated().map { index, pair in
            let (subject, truth) = pair
            let speed = min(
                truth.demand.compute > 0 ? compute[index] / truth.demand.compute : 1,
                truth.demand.bandwidth > 0 ? bandwidth[index] / truth.demand.bandwidth : 1)
            let emptied = stressor == .bandwidth ? 1 + truth.demand.cache : 1
            return truth.time(subject.rows, subject.elementsPerRow) * 1e6 / speed * emptied
        }
        let stress = stressor == .compute ? compute.last : stressor == .bandwidth ? bandwidth.last : 0
        return Company(means: means, copyIn: .microseconds(5), stress: stress ?? 0)
    }

    func run(_ stressor: Stressor, for span: StraitCore.Duration) -> Double {
        clock.advance(by: span)
        return 1
    }

    func reference() -> ProfileRecord.Reference {
        references += 1
        return ProfileRecord.Reference(took: .milliseconds(10), others: 0.01)
    }
}
