// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation
internal import Testing
internal import VirtualAccelerator

@Suite struct OverlapTraceTests {
    private func trace(
        _ physics: Physics = .waterfill, seed: UInt64 = 1, luck: UInt64 = 1, seconds: Double = 4,
        noise: NoiseLevels = NoiseLevels(), change: OverlapTrace.Change = .none, at: Double = 2
    ) throws -> OverlapTrace {
        var scenario = try ScenarioLibrary.scenario(named: "centre")
        scenario.physics = physics
        scenario.noise = noise
        return OverlapTrace(
            scenario, seed: seed, luck: luck, duration: .seconds(seconds), change: change,
            at: .zero + Duration.seconds(at))
    }

    @Test func `the same seed and luck give the same batches, another luck others under the same profile`() throws {
        let first = try trace().batches
        #expect(first == (try trace().batches))
        let other = try trace(luck: 2).batches
        #expect(first != other)
        var work: [[Int]: Double] = [:]
        for batch in first { work[[batch.model, batch.rows]] = batch.soloWork }
        for batch in other { #expect(work[[batch.model, batch.rows], default: batch.soloWork] == batch.soloWork) }
        let misread = try trace(seed: 2).batches
        #expect(zip(first, misread).allSatisfy { $0.duration == $1.duration && $0.soloWork != $1.soloWork })
    }

    @Test func `batches of all models and sizes run alone and in company`() throws {
        let batches = try trace(seconds: 20).batches
        #expect(batches.count > 1500)
        #expect(zip(batches, batches.dropFirst()).allSatisfy { $0.doneAt <= $1.doneAt })
        for model in 0..<6 {
            let rows = Set(batches.filter { $0.model == model }.map(\.rows))
            #expect(rows.contains(1) && rows.contains(model == 5 ? 8 : 32))
        }
        // Mean demand for compute of the company: nobody, and up to three of 0.4 to 1 each.
        let company = batches.map { $0.overlap[0] * $0.soloWork / $0.duration }
        #expect(company.contains(0))
        #expect(company.allSatisfy { $0 <= InterferenceFeatures.cap + 1e-9 })
        #expect(company.filter { $0 > 1.2 }.count > batches.count / 10)
    }

    @Test(arguments: Physics.allCases)
    func `without noise a batch alone takes what its profile says, but for the profile's errors`(physics: Physics)
        throws
    {
        let batches = try trace(physics, noise: .none).batches
        let alone = batches.filter { $0.overlap == SIMD8() }
        #expect(!alone.isEmpty)
        #expect(alone.allSatisfy { $0.label.magnitude < 0.0205 })
        #expect(batches.filter { $0.overlap[0] > 0.5 }.allSatisfy { $0.label > 0.01 })
    }

    @Test func `changes come when they are told to, and to whom`() throws {
        let steady = try trace(noise: .none).batches
        for (change, only) in [(OverlapTrace.Change.clock, nil as Int?), (.model(3), 3)] {
            let changed = try trace(noise: .none, change: change).batches
            let before = Instant.zero + Duration.seconds(2)
            #expect(steady.filter { $0.doneAt < before } == changed.filter { $0.doneAt < before })
            let factor = change == .clock ? 1 / 0.7 : 1.4
            for batch in changed where batch.overlap == SIMD8() {
                // Only those that ran after the change as a whole.
                guard batch.doneAt - before > Duration(nanoseconds: Int64(batch.duration) + 1) else { continue }
                let expected = only == nil || batch.model == only ? factor : 1
                #expect((batch.duration / batch.soloWork / expected - 1).magnitude < 0.0205)
            }
        }
    }
}

@Suite struct EstimatorTrialTests {
    /// What the evaluation asks of the estimator, on evaluation seeds; one of each physics, so that the tests stay quick.
    @Test(arguments: [(Physics.waterfill, UInt64(1000)), (.threshold, 1001)])
    func `the filter is within its targets, and better than all others where it should be`(
        physics: Physics, seed: UInt64
    ) throws {
        let rows = EstimatorTrial(physics: physics, seed: seed).kernelRows()
        let summaries = EstimatorSummary.summaries(of: rows)
        #expect(summaries.map(\.estimator) == EstimatorName.allCases)
        func error(
            _ name: EstimatorName, _ stage: EstimatorRow.Stage, changedOnly: Bool = false
        ) throws -> Double {
            let summary = try #require(summaries.first { $0.estimator == name })
            return try #require(summary.score([stage], changedOnly: changedOnly).error)
        }
        let kalman = try #require(summaries.last)
        #expect(kalman.score([.steady]).batches > 900)
        #expect(kalman.score([.model], changedOnly: true).batches > 100)
        let said: Comment = "\(physics), seed \(seed)"
        #expect(try error(.kalman, .steady) <= 0.04, said)
        #expect(try error(.kalman, .clock) <= 0.05, said)
        #expect(try error(.kalman, .model) <= 0.05, said)
        #expect(try error(.kalman, .model, changedOnly: true) <= 0.05, said)
        for stage in EstimatorRow.Stage.kernels {
            for name in [EstimatorName.solo, .ewma, .nlms] {
                #expect(try error(.kalman, stage) < error(name, stage), said)
            }
            let coverage = kalman.score([stage]).coverage
            #expect((0.93...0.97).contains(try #require(coverage.p95)), said)
            #expect(try #require(coverage.width) <= 1.4, said)
            let models = try #require(kalman.modelCoverage([stage]))
            #expect(models.least > 0.88 && models.greatest < 0.995, said)
        }
        // A thousand batches have ten beyond their outer bound, so all stages together.
        let outer = try #require(kalman.score(EstimatorRow.Stage.kernels).coverage.p99)
        #expect((0.98...0.997).contains(outer), said)
        // The regression was fitted to the same device: as good as it gets until something changes.
        #expect(try error(.static, .steady) < error(.kalman, .steady) + 0.005, said)
        #expect(try error(.kalman, .clock) < 0.5 * error(.static, .clock), said)
        #expect(try error(.kalman, .model, changedOnly: true) < 0.5 * error(.static, .model, changedOnly: true), said)
    }

    /// The ends of batches in a run of the whole scheduler, which are harder: lanes are filled again after a batch was
    /// staged.
    @Test(arguments: Physics.allCases)
    func `bounds on the ends of batches hold in both classes`(physics: Physics) throws {
        var scenario = try ScenarioLibrary.scenario(named: "centre")
        scenario.physics = physics
        scenario.duration = .seconds(9)
        scenario.warmUp = .seconds(3)
        let result = try Simulation.run(scenario, PolicySetup(.strait), seed: 1000)
        for requestClass in RequestClass.allCases {
            let prediction = result[requestClass].prediction
            #expect(prediction.batches > 300, "\(requestClass)")
            #expect((0.93...0.97).contains(try #require(prediction.coverage.p95)), "\(requestClass)")
            #expect((0.975...0.999).contains(try #require(prediction.coverage.p99)), "\(requestClass)")
            #expect(try #require(prediction.coverage.width) <= 1.4, "\(requestClass)")
            #expect(result[requestClass].models.reduce(0) { $0 + $1.prediction.batches } == prediction.batches)
            // Each model has but a few hundred, and its pace has only begun to settle.
            for model in result[requestClass].models {
                #expect(try #require(model.prediction.coverage.p95) > 0.86, "\(requestClass), \(model.name)")
            }
        }
        let error = try #require(result.predictionError)
        #expect(error < 0.12, "\(error)")
    }

    @Test func `rows are lines with the promised keys in their order`() throws {
        let row = EstimatorRow(
            physics: .threshold, seed: 7, estimator: .rls, stage: .model, requestClass: nil, model: "a \"b\"",
            isChanged: true, score: PredictionScore())
        #expect(
            row.jsonLine == """
                {"physics":"threshold","seed":7,"estimator":"rls","stage":"model","class":null,"model":"a \\"b\\"",\
                "changed":true,"batches":0,"error":null,"bias":null,"coverage_p95":null,"coverage_p99":null,"width":null}

                """)
    }
}
