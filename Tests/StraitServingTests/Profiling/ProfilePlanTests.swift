// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitServing
internal import Testing

@Suite struct ProfilePlanTests {
    private static func target(_ name: String, _ maximumBatch: Int, _ times: [Double]) -> ProfilePlan.Target {
        ProfilePlan.Target(
            key: ModelKey(name: name, version: 1, hash: "h"), maximumBatch: maximumBatch,
            sizes: times.enumerated().map { .init(elementsPerRow: 16 << (2 * $0), time: .milliseconds($1)) })
    }

    private static let targets = [target("a", 8, [1, 5]), target("b", 1, [40]), target("c", 3, [15])]

    private static func plan(
        lanes: Int = 2, quick: Bool = false, minutes: Double? = nil, stressors: [ProfileRecord.Stressor]? = nil
    ) -> ProfilePlan {
        ProfilePlan(
            targets, lanes: lanes, stressors: stressors ?? ProfileRecord.Stressor.allCases, quick: quick,
            budget: minutes.map { .seconds($0 * 60) })
    }

    private static func words(_ plan: ProfilePlan) -> [String] {
        func words(_ subject: ProfileRecord.Subject) -> String { "\(subject.model)\(subject.rows)" }
        return plan.steps.compactMap { step in
            switch step {
            case .solo(let subject): "\(words(subject)) of \(subject.elementsPerRow)"
            case .stressed(let subject, let stressor): "\(words(subject)) \(stressor)"
            case .pair(let first, let second): "\(words(first)) \(words(second))"
            case .reference: nil
            }
        }
    }

    @Test func `all batch sizes of the usual row, its ends of others; demands; pairs of batches that are not too long`()
    {
        let words = Self.words(Self.plan())
        #expect(
            words.prefix(9) == [
                "a1 of 16", "a2 of 16", "a4 of 16", "a8 of 16", "a1 of 64", "a8 of 64", "b1 of 16", "c1 of 16",
                "c2 of 16",
            ])
        #expect(
            words.filter { $0.hasSuffix("compute") } == [1, 2, 4, 8].map { "a\($0) compute" } + ["b1 compute"]
                + [1, 2, 3].map { "c\($0) compute" })
        #expect(words.suffix(6) == ["a8 a8", "a8 b1", "a8 c1", "b1 b1", "b1 c1", "c1 c1"])
        #expect(Set(words).count == words.count)
    }

    @Test func `in haste, ends only`() {
        let words = Self.words(Self.plan(quick: true))
        #expect(words.contains("a1 of 64") && !words.contains("a8 of 64") && words.contains("a4 of 16"))
        #expect(
            words.filter { $0.hasSuffix("bandwidth") }
                == ["a1 bandwidth", "a8 bandwidth", "b1 bandwidth", "c1 bandwidth", "c3 bandwidth"])
        #expect(Self.plan(quick: true).expected < Self.plan().expected * 0.4)
    }

    @Test func `without stressors there are pairs still, and on one lane times alone`() {
        #expect(Self.words(Self.plan(stressors: [])).count == 9 + 1 + 6)
        #expect(Self.words(Self.plan(lanes: 1)).allSatisfy { $0.contains(" of ") })
    }

    @Test func `it keeps to a budget as long as any pace does`() {
        let full = Self.plan().expected
        #expect(Self.plan(minutes: 60).expected == full)
        for minutes in [full.milliseconds / 60_000 * 0.8, full.milliseconds / 60_000 * 0.4, 0.25] {
            let plan = Self.plan(minutes: minutes)
            #expect(plan.expected <= .seconds(minutes * 60), "\(plan.expected) for \(minutes) minutes")
            #expect(plan.expected > .seconds(minutes * 20), "\(plan.expected) for \(minutes) minutes")
        }
        // Nothing can be measured in no time; then the hastiest.
        let hastiest = Self.plan(minutes: 0.01)
        #expect(hastiest.pace.isQuick && hastiest.expected < Self.plan(quick: true).expected)
        // Who wants haste gets no more time for a larger budget.
        #expect(Self.plan(quick: true, minutes: 60).pace == .quick)
    }
}
