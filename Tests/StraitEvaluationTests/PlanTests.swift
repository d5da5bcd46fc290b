// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation
internal import Testing
internal import VirtualAccelerator

@testable import StraitEvaluation

@Suite struct PlanTests {
    private func plan(_ change: (inout MatrixPlan.Request) -> Void = { _ in }) throws -> MatrixPlan {
        var request = MatrixPlan.Request()
        change(&request)
        return try MatrixPlan(request)
    }

    @Test func theCoreIsSixLoadsByFourArrivals() throws {
        let runs = try plan { $0.parts = [.core] }.runs
        let cells = Set(runs.map { Cell($0.scenario) })
        #expect(cells.count == 24)
        for cell in cells {
            let names = Set(runs.filter { Cell($0.scenario) == cell }.map(\.setup.name))
            #expect(names == Set(PolicyName.allCases.map(\.rawValue)))
        }
        #expect(Set(runs).count == runs.count)
        #expect(runs.allSatisfy { $0.seed >= 1000 })
    }

    @Test func aCoreCellHasAHundredThousandHighRequests() throws {
        let runs = try plan { $0.parts = [.core] }.runs
        for load in [0.6, 0.8, 1.0] {
            let seeds = Set(runs.filter { $0.scenario.load == load && $0.setup.policy == .strait }.map(\.seed))
            var scenario = ScenarioLibrary.centre
            scenario.load = load
            let rate = scenario.arrivalRates(weights: scenario.models.map { _ in 1 }).reduce(0, +) * 0.3
            #expect(Double(seeds.count) * rate * 55 > 99_000 && seeds.count >= 5)
        }
    }

    @Test func halfOfThePlanIsAWholeTable() throws {
        let runs = try plan().runs
        let centre = runs.prefix { $0.scenario.load == 1 && $0.axes.contains(.core) }
        #expect(Set(centre.map { Cell($0.scenario) }).count == 4)
        #expect(Set(centre.map(\.setup.policy)).count == PolicyName.allCases.count)
        // All policies of the first seed before the second one.
        let first = centre.prefix { $0.seed == 1000 }
        #expect(Set(first.map(\.setup.policy)).count == PolicyName.allCases.count)
    }

    @Test func partsShareWhatIsTheSameRun() throws {
        let runs = try plan().runs
        #expect(Set(runs.map { "\($0.scenario)\($0.setup)\($0.seed)" }).count == runs.count)
        let base = runs.filter {
            $0.setup.name == "strait" && $0.seed == 1000 && Cell($0.scenario) == Cell(load: 1.3, arrivals: "gamma")
        }
        #expect(base.count == 1)
        #expect(base.first?.axes == [.core, .ablations, .pareto])
    }

    @Test func everyAblationIsOneChange() {
        let base = PolicySetup(.strait)
        var seen: Set<PolicySetup> = []
        for setup in Variants.ablations + Variants.sweeps {
            #expect(setup.name.hasPrefix("strait/"))
            var same = setup
            same.name = base.name
            #expect(same != base, "\(setup.name) changes nothing")
            #expect(seen.insert(same).inserted, "\(setup.name) is another one's twin")
        }
    }

    @Test func smokeKeepsOffEvaluationSeeds() throws {
        let runs = try plan { $0.size = .smoke }.runs
        #expect(runs.allSatisfy { $0.seed < 100 && $0.scenario.duration == .seconds(15) })
        #expect(Set(runs.flatMap(\.axes)).isSuperset(of: [.core, .ablations, .pareto, .physics]))
    }

    @Test func whatIsAskedForIsAllThatIsPlanned() throws {
        let runs = try plan { request in
            request.policies = [.strait]
            request.seeds = [5]
            request.seconds = 20
            request.parts = [.physics]
        }.runs
        #expect(runs.count == 12)
        #expect(runs.allSatisfy { $0.scenario.physics == .threshold && $0.scenario.duration == .seconds(20) })
    }

    @Test func plansWithoutSenseAreRefused() {
        #expect(throws: EvaluationError.self) { try plan { $0.seconds = 5 } }
        #expect(throws: EvaluationError.self) { try plan { $0.seeds = [.max] } }
    }
    @Test func aBrokenRuleUnderAChangedPolicyIsSeenAgainUnderTheSame() throws {
        for planned in Variants.ablations + Variants.sweeps {
            let replay = Replay(ScenarioLibrary.centre, planned, seed: 7, until: .zero)
            #expect(replay.command == "strait simulate centre --replay \(planned.name):7 --until 0")
            let again = try Replay.named("\(planned.name):7") { (name) throws(SimulationError) in
                if let changed = Variants.changed(name) { return changed }
                return try PolicySetup(named: name)
            }
            #expect(again == (planned, 7))
        }
    }
}
