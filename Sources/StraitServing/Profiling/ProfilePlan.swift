// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitFormats

/// What is measured for a profile, in which order, and how long it takes.
package struct ProfilePlan: Sendable {
    package typealias Subject = ProfileRecord.Subject

    /// How thoroughly things are measured.
    package struct Pace: Sendable, Hashable {
        /// When times alone are known well enough.
        package var solo: StoppingRule
        /// How often company is measured, alternating with its absence; the median counts.
        package var rounds: Int
        /// How long each time.
        package var window: StraitCore.Duration
        /// Whether demands are measured for one row and for the largest batch only, and other sizes of row at one row only.
        package var isQuick: Bool

        /// A minute or so for each model.
        package static let full = Pace(
            solo: StoppingRule(
                leastRuns: 15, tolerance: 0.01, leastSpan: .milliseconds(300), longestSpan: .milliseconds(1500)),
            rounds: 3, window: .milliseconds(250), isQuick: false)
        /// Some ten seconds for each model.
        package static let quick = Pace(
            solo: StoppingRule(
                leastRuns: 7, tolerance: 0.03, leastSpan: .milliseconds(60), longestSpan: .milliseconds(400)),
            rounds: 1, window: .milliseconds(150), isQuick: true)

        /// The same with less time for everything.
        func scaled(by share: Double) -> Pace {
            var pace = self
            pace.solo.leastSpan = solo.leastSpan * share
            pace.solo.longestSpan = solo.longestSpan * share
            pace.window = window * share
            return pace
        }

        /// From the most thorough to the hastiest, at which a window is as long as some time slices of the system.
        static let all =
            [1, 0.75, 0.5, 0.35].map(full.scaled) + [1, 0.7, 0.4].map(quick.scaled)
    }

    /// A model with what is measured of it.
    package struct Target: Sendable, Hashable {
        /// The model.
        package var key: ModelKey
        /// The most rows in a batch.
        package var maximumBatch: Int
        /// The sizes of row, the usual one first; at least one.
        package var sizes: [Size]

        /// A size of row, with how long one row took when it was tried.
        package struct Size: Sendable, Hashable {
            /// The elements in a row.
            package var elementsPerRow: Int
            /// How long one row takes, about.
            package var time: StraitCore.Duration

            /// A size.
            package init(elementsPerRow: Int, time: StraitCore.Duration) {
                self.elementsPerRow = elementsPerRow
                self.time = time
            }
        }

        /// A model.
        package init(key: ModelKey, maximumBatch: Int, sizes: [Size]) {
            precondition(!sizes.isEmpty, "a model is measured at some size")
            self.key = key
            self.maximumBatch = maximumBatch
            self.sizes = sizes
        }
    }

    /// One thing to measure.
    package enum Step: Sendable, Hashable {
        case solo(Subject)
        case stressed(Subject, ProfileRecord.Stressor)
        case pair(Subject, Subject)
        case reference
    }

    /// How thoroughly.
    package let pace: Pace
    /// What is measured, in order.
    package let steps: [Step]
    /// How long each batch takes alone, about.
    private let times: [Subject: StraitCore.Duration]

    /// Batches beside others that take longer than this are made smaller: what a co-runner does to a model hardly depends
    /// on its batch's size on a processor, and minutes would.
    private static let longestInPair = StraitCore.Duration.milliseconds(25)
    /// Steps between two references.
    private static let stepsBetweenReferences = 4

    /// A plan.
    ///
    /// - Parameters:
    ///   - lanes: batches that can run beside each other. With one alone nothing ever does, and nobody asks for demands.
    ///   - stressors: what the device can be put under.
    ///   - quick: whether to be hasty from the start.
    ///   - budget: how long it may take; nil for as long as the pace takes. Where not even the hastiest pace fits, that is
    ///     taken, and ``expected`` says how long it takes.
    package init(
        _ targets: [Target], lanes: Int, stressors: [ProfileRecord.Stressor], quick: Bool,
        budget: StraitCore.Duration? = nil
    ) {
        var plan = ProfilePlan(targets, lanes, stressors, quick ? .quick : .full)
        if let budget {
            for pace in Pace.all where plan.expected > budget && (pace.isQuick || !quick) {
                plan = ProfilePlan(targets, lanes, stressors, pace)
            }
        }
        self = plan
    }

    private init(_ targets: [Target], _ lanes: Int, _ stressors: [ProfileRecord.Stressor], _ pace: Pace) {
        self.pace = pace
        var times: [Subject: StraitCore.Duration] = [:]
        func subject(_ target: Target, _ size: Target.Size, _ rows: Int) -> Subject {
            let subject = Subject(
                model: target.key.name, version: target.key.version, elementsPerRow: size.elementsPerRow, rows: rows)
            times[subject] = size.time * Double(rows)
            return subject
        }
        var measured: [Step] = []
        for target in targets {
            let batches = Self.batches(upTo: target.maximumBatch)
            for (index, size) in target.sizes.enumerated() {
                let ends = pace.isQuick ? [1] : [1, target.maximumBatch].filter { $0 == 1 || $0 > 1 }
                for rows in index == 0 ? batches : Array(Set(ends)).sorted() {
                    measured.append(.solo(subject(target, size, rows)))
                }
            }
        }
        if lanes > 1 {
            for target in targets {
                let batches = Self.batches(upTo: target.maximumBatch)
                let ends = Array(Set([1, target.maximumBatch])).sorted()
                for rows in pace.isQuick ? ends : batches {
                    measured += stressors.map { .stressed(subject(target, target.sizes[0], rows), $0) }
                }
            }
            let paired = targets.map { target in
                let batches = Self.batches(upTo: target.maximumBatch)
                let rows = batches.last { target.sizes[0].time * Double($0) <= Self.longestInPair } ?? 1
                return subject(target, target.sizes[0], rows)
            }
            for first in paired.indices {
                for second in paired.indices where second >= first {
                    measured.append(.pair(paired[first], paired[second]))
                }
            }
        }
        var steps: [Step] = []
        for (index, step) in measured.enumerated() {
            if index % Self.stepsBetweenReferences == 0 { steps.append(.reference) }
            steps.append(step)
        }
        self.steps = steps.isEmpty ? [] : steps + [.reference]
        self.times = times
    }

    /// 1, 2, 4, … and the largest batch itself.
    package static func batches(upTo largest: Int) -> [Int] {
        var rows = [1]
        while let last = rows.last, last < largest { rows.append(min(last * 2, largest)) }
        return rows
    }

    // -- how long -------------------------------------------------------------------------------------------------

    /// How long all of it takes at most, about.
    package var expected: StraitCore.Duration { steps.reduce(.zero) { $0 + expected($1) } }

    /// How long a step takes at most, about.
    package func expected(_ step: Step) -> StraitCore.Duration {
        switch step {
        case .solo(let subject):
            let time = time(subject)
            return max(pace.solo.longestSpan, time * 2) + time * 2
        case .stressed(let subject, _):
            return window(subject) * (Double(pace.rounds) * Self.stressedWindows)
        case .pair(let first, let second):
            return max(window(first), window(second)) * (Double(pace.rounds) * Self.pairWindows)
        case .reference: return Self.referenceTime
        }
    }

    /// How long batches are watched beside others: longer where they take long.
    package func window(_ subject: Subject) -> StraitCore.Duration {
        max(pace.window, time(subject) * Self.batchesInWindow)
    }

    /// Batches alone, the stressor alone, both; the first two for half as long.
    static let stressedWindows = 2.0
    /// Both kinds of batches alone, and both together.
    static let pairWindows = 2.0
    /// Batches that fit a window: as many as a mean takes to be worth something.
    private static let batchesInWindow = 5.0
    /// A reference, and what starting and stopping it costs.
    private static let referenceTime = StraitCore.Duration.milliseconds(40)

    private func time(_ subject: Subject) -> StraitCore.Duration { times[subject] ?? .zero }
}
