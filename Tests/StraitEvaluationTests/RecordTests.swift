// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation
internal import Testing

@testable import StraitEvaluation

@Suite struct RecordTests {
    @Test func aRecordSaysWhatTheResultSays() throws {
        var scenario = ScenarioLibrary.centre
        scenario.duration = .seconds(9)
        scenario.load = 1.15
        let result = try Simulation.run(scenario, PolicySetup(.triton), seed: 3)
        let record = RunRecord(result, axis: .core)
        for requestClass in RequestClass.allCases {
            #expect(record[requestClass].arrivals == result[requestClass].arrivals)
            #expect(record[requestClass].met == result[requestClass].met)
            #expect(record[requestClass].late == result[requestClass].late)
            #expect(record[requestClass].shed == result[requestClass].shed)
            #expect(record[requestClass].violation == result[requestClass].violation)
            #expect(record[requestClass].jain == result[requestClass].jain)
            #expect(record[requestClass].worstModel?.name == result[requestClass].worstModel?.name)
            // Four seconds are two blocks, the second of them not a whole one.
            #expect(record[requestClass].models.allSatisfy { $0.blocks.count == 2 })
            #expect(record[requestClass].models.allSatisfy { $0.blocks.allSatisfy { $0.met <= $0.arrivals } })
        }
        #expect(record.cell.label == "poisson, load 1.15")
        #expect(record.isPlain)
    }

    @Test func jainSaysHowEvenSharesAre() {
        #expect(Equity.jain([0.5, 0.5, 0.5]) == 1)
        #expect(Equity.jain([1, 0, 0, 0]) == 0.25)
        #expect(Equity.jain([0, 0]) == nil)
    }
}
