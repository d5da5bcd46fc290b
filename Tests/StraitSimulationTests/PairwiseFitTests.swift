// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing
internal import VirtualAccelerator

@testable internal import StraitSimulation

/// gpulet's offline phase.
@Suite struct PairwiseFitTests {
    private func scenario(_ physics: Physics) -> Scenario {
        var scenario = ScenarioLibrary.centre
        scenario.physics = physics
        scenario.duration = .seconds(2)
        return scenario
    }

    @Test(arguments: Physics.allCases)
    func `what is fitted predicts pairs better than coefficients of middling size`(physics: Physics) {
        let fit = PairwiseFit(scenario(physics), seed: 3)
        #expect(fit.samples.count > 200)
        #expect(fit.samples.contains { $0.slowDown > 0.1 })
        #expect(fit.samples.allSatisfy { $0.slowDown > -0.001 })
        #expect(fit.error(of: fit.fitted) < 0.7 * fit.error(of: PairwiseInterference()))
    }

    @Test func `no other coefficients near them have a smaller error`() {
        let fit = PairwiseFit(scenario(.waterfill), seed: 1)
        let best = fit.error(of: fit.fitted)
        let members: [WritableKeyPath<PairwiseInterference, Double>] = [
            \.constant, \.ownCache, \.otherCache, \.ownBandwidth, \.otherBandwidth,
        ]
        for member in members {
            for step in [-0.02, 0.02] {
                var near = fit.fitted
                near[keyPath: member] += step
                #expect(fit.error(of: near) > best)
            }
        }
    }

    @Test func `the same scenario and seed give the same bits, other profiles others`() {
        let first = PairwiseFit(scenario(.waterfill), seed: 5)
        let again = PairwiseFit(scenario(.waterfill), seed: 5)
        #expect(first.samples == again.samples && first.fitted == again.fitted)
        #expect(PairwiseFit(scenario(.waterfill), seed: 6).fitted != first.fitted)
    }

    @Test func `devices that are not shared slow nobody down, and without profiles there is nothing to fit`() {
        var scenario = scenario(.waterfill)
        scenario.isShared = false
        let fit = PairwiseFit(scenario, seed: 1)
        // But for the nanosecond to which each phase is rounded.
        #expect(fit.error(of: fit.fitted) < 1e-5 && fit.samples.allSatisfy { abs($0.slowDown) < 1e-5 })
        for index in scenario.models.indices { scenario.models[index].isProfiled = false }
        #expect(PairwiseFit(scenario, seed: 1).fitted == PairwiseInterference())
    }

    @Test func `many models are fitted to a sample of their pairs`() {
        var scenario = scenario(.threshold)
        for _ in 0..<3 { scenario.models += scenario.models }
        let fit = PairwiseFit(scenario, seed: 1)
        #expect((200...400).contains(fit.samples.count))
        #expect(fit.error(of: fit.fitted) < 0.7 * fit.error(of: PairwiseInterference()))
    }

    @Test func `only policies that use them are given coefficients, and those that were set stay`() {
        let scenario = scenario(.waterfill)
        func given(_ policy: PolicyName, _ options: SchedulerOptions = SchedulerOptions()) -> PairwiseInterference? {
            PolicySetup(policy, options: options).options(for: scenario, seed: 1).pairwise
        }
        #expect(given(.gpuletPriority) == PairwiseFit(scenario, seed: 1).fitted)
        #expect(given(.strait) == nil)
        var options = SchedulerOptions()
        options.pairwise = PairwiseInterference()
        #expect(given(.gpulet, options) == PairwiseInterference())
    }
}
