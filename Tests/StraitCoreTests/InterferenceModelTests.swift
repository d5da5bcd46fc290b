// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@Suite struct InterferenceModelTests {
    private func largestError(_ model: any InterferenceModel, _ truth: InterferenceTruth) -> Double {
        let theta = (0..<InterferenceFeatures.count).map { (model.theta[$0] - truth.theta[$0]).magnitude }
        let biases = truth.biases.indices.map { (model.bias(of: $0) - (truth.alone($0) - 1)).magnitude }
        return (theta + biases).reduce(0, max)
    }

    @Test func `estimators are chosen by name`() {
        #expect(EstimatorName.allCases.map(\.rawValue) == ["solo", "static", "ewma", "nlms", "rls", "kalman"])
    }

    @Test(arguments: [(EstimatorName.kalman, 0.01), (.rls, 0.05), (.nlms, 0.1)])
    func `known coefficients and biases are found from samples without noise`(name: EstimatorName, tolerance: Double) {
        var truth = InterferenceTruth(seed: 1)
        let model = name.model().taught(&truth, 3000)
        #expect(largestError(model, truth) < tolerance)
    }

    @Test func `noise in a batch's work, which is in its overlap too, does not pass for interference`() {
        var truth = InterferenceTruth(seed: 2)
        truth.noise = 0.1
        var model = EstimatorName.kalman.model()
        var mean = SIMD8<Double>()
        for step in 0..<4000 {
            model.learn(truth.sample())
            if step >= 1000 { mean += model.theta / 3000 }
        }
        let off = mean - truth.theta
        for lane in 0..<7 { #expect(off[lane].magnitude < 0.1, "lane \(lane): \(off)") }
        #expect(off.dot(SIMD8(repeating: 1)).magnitude < 0.1, "\(off)")
    }

    @Test func `the features are worth something, and so is learning`() {
        var errors: [EstimatorName: Double] = [:]
        for name in EstimatorName.allCases {
            var truth = InterferenceTruth(seed: 3)
            truth.noise = 0.03
            var model = name.model()
            _ = truth.meanError(of: &model, over: 500)
            errors[name] = truth.meanError(of: &model, over: 500)
        }
        let kalman = errors[.kalman, default: 1]
        #expect(kalman < 0.025)
        for name in [EstimatorName.solo, .static, .ewma, .nlms] {
            #expect(kalman < errors[name, default: 0] * 0.7, "\(name): \(errors)")
        }
    }

    @Test(arguments: [true, false])
    func `a change is followed faster than by forgetting or not at all`(everything: Bool) {
        var errors: [EstimatorName: Double] = [:]
        var before = InterferenceTruth(seed: 4)
        before.noise = 0.03
        let offline = EstimatorName.kalman.model().taught(&before, 2000).state
        for name in [EstimatorName.static, .rls, .kalman] {
            var truth = before
            var model = name.model(offline: offline).taught(&truth, 1500)
            if everything { truth.slowDown = 1.3 } else { truth.slowDownOfModel[2] = 1.4 }
            _ = truth.meanError(of: &model, over: 60)
            errors[name] = truth.meanError(of: &model, over: 240)
        }
        let kalman = errors[.kalman, default: 1]
        #expect(kalman < 0.05)
        #expect(kalman < errors[.rls, default: 0] && kalman < 0.5 * errors[.static, default: 0], "\(errors)")
    }

    @Test func `what is learned of θ from others corrects a model that rests`() {
        // Model 0 was only ever seen in one company, so its label may be interference or its own.
        var truth = InterferenceTruth(seed: 5)
        truth.biases = [0.3, 0, 0, 0]
        var model = EstimatorName.kalman.model()
        let company = SIMD8<Double>(0.5, 0.5, 0, 0, 0.5, 0, 0.5, 0)
        let duration = truth.duration(0, company)
        for _ in 0..<50 { model.learn(company * duration, model: 0, label: duration - 1, device: 0) }
        let guess = (model.bias(of: 0) - 0.3).magnitude
        for _ in 0..<1500 { model.learn(truth.sample(of: Int.random(in: 1...3, using: &truth.generator))) }
        #expect(guess > 0.03)
        #expect((model.bias(of: 0) - 0.3).magnitude < 0.01)
    }

    @Test func `a completion changes one model's record only, however many there are`() {
        var truth = InterferenceTruth(seed: 6)
        truth.biases = Array(repeating: 0.1, count: 512)
        var model = EstimatorName.kalman.model().taught(&truth, 1000)
        model.learn(truth.sample(of: 511))
        let before = model.state
        model.learn(truth.sample(of: 100))
        var after = model.state
        #expect(after.models.count == 512)
        #expect(after.models[100] != before.models[100])
        after.models[100] = before.models[100]
        for index in after.models.indices where index != 100 {
            #expect(after.models[index].idle == before.models[index].idle + 1)
            after.models[index].idle -= 1
        }
        #expect(after.models == before.models)
    }

    @Test(arguments: EstimatorName.allCases)
    func `samples out of bounds are refused and change nothing`(name: EstimatorName) {
        var truth = InterferenceTruth(seed: 7)
        var model = name.model().taught(&truth, 50)
        let before = model.state
        let good = truth.sample()
        var bad: [InterferenceSample] = []
        for label in [Double.nan, .infinity, -.infinity, -1, 20.1, 1e300] {
            bad.append(InterferenceSample(overlap: good.overlap, model: 0, label: label))
        }
        for value in [Double.nan, .infinity, -.infinity, -0.1, 32.1] {
            var overlap = good.overlap
            overlap[3] = value
            bad.append(InterferenceSample(overlap: overlap, model: 0, label: 0))
        }
        var overlap = good.overlap
        overlap[7] = 0.1
        bad.append(InterferenceSample(overlap: overlap, model: 0, label: 0))
        for number in [-1, 65_536, .max] {
            bad.append(InterferenceSample(overlap: good.overlap, model: number, label: 0))
            bad.append(InterferenceSample(overlap: good.overlap, model: 0, label: 0, device: number))
        }
        for sample in bad {
            let taken = model.learn(sample)
            #expect(!taken, "\(sample)")
        }
        #expect(model.state == before)
        let taken = model.learn(good)
        #expect(taken)
        #expect(model.bias(of: 60_000) == 0)
    }

    @Test func `an accident moves little, and the noise of a device is its own`() {
        var truth = InterferenceTruth(seed: 8)
        truth.noise = 0.02
        var model = EstimatorName.kalman.model()
        for step in 0..<2000 {
            var sample = truth.sample()
            sample.device = step % 2
            // Device 1 is a noisy one.
            if sample.device == 1 { sample.label += 0.4 * Double.random(in: -1...1, using: &truth.generator) }
            model.learn(sample)
        }
        let noise = model.state.noise
        #expect(noise[0] < 0.01 && noise[1] > 0.03, "\(noise)")
        let before = model
        model.learn(InterferenceSample(overlap: SIMD8(), model: 0, label: 15))
        #expect((model.bias(of: 0) - before.bias(of: 0)).magnitude < 0.03)
        var quiet = before
        var noisy = before
        let change = before.bias(of: 0) + 0.08
        quiet.learn(InterferenceSample(overlap: SIMD8(), model: 0, label: change, device: 0))
        noisy.learn(InterferenceSample(overlap: SIMD8(), model: 0, label: change, device: 1))
        #expect(quiet.bias(of: 0) - before.bias(of: 0) > 2 * (noisy.bias(of: 0) - before.bias(of: 0)))
    }

    @Test(arguments: EstimatorName.allCases)
    func `a state taken out and put back goes on as if nothing had happened`(name: EstimatorName) {
        var truth = InterferenceTruth(seed: 9)
        truth.noise = 0.03
        var model = name.model().taught(&truth, 300)
        var other = name.model()
        let taken = other.restore(model.state)
        #expect(taken)
        #expect(other.state == model.state)
        for _ in 0..<200 {
            let sample = truth.sample()
            model.learn(sample)
            other.learn(sample)
        }
        #expect(other.state == model.state)
        #expect(model.brokenInvariant() == nil)
    }

    @Test func `a broken state is refused`() {
        var truth = InterferenceTruth(seed: 10)
        let good = EstimatorName.kalman.model().taught(&truth, 300).state
        let breakages: [(String, (inout InterferenceState) -> Void)] = [
            ("NaN in θ", { $0.theta[0] = .nan }), ("θ too large", { $0.theta[1] = 5 }),
            ("lane 7", { $0.theta[7] = 1 }), ("no matrix", { $0.matrix = [] }),
            ("a row less", { $0.matrix.removeLast() }),
            ("not symmetric", { $0.matrix[0][1] += 1e-9 }), ("negative", { $0.matrix[2][2] = -1e-9 }),
            ("not positive", { ($0.matrix[0][1], $0.matrix[1][0]) = (0.3, 0.3) }),
            ("too large", { $0.matrix[0][0] = 0.3 }),
            ("NaN off the diagonal", { ($0.matrix[0][1], $0.matrix[1][0]) = (.nan, .nan) }),
            ("bias", { $0.models[0].bias = .infinity }), ("uncertainty", { $0.models[1].uncertainty = 0 }),
            ("slope", { $0.models[2].slope[0] = 1e6 }), ("idle", { $0.models[0].idle = -1 }),
            ("noise", { $0.noise[0] = 0 }),
        ]
        for (name, breakIt) in breakages {
            var broken = good
            breakIt(&broken)
            var model = EstimatorName.kalman.model()
            let before = model.state
            let taken = model.restore(broken)
            #expect(!taken, "\(name)")
            #expect(model.state == before)
        }
    }

    @Test func `static predicts what the regression found, and never changes`() {
        var truth = InterferenceTruth(seed: 11)
        let offline = EstimatorName.kalman.model().taught(&truth, 500)
        var model = EstimatorName.static.model(offline: offline.state)
        #expect(model.theta == offline.theta)
        #expect(truth.biases.indices.allSatisfy { model.bias(of: $0) == offline.bias(of: $0) })
        truth.slowDown = 2
        let before = model.state
        model = model.taught(&truth, 100)
        #expect(model.state == before)
        #expect(EstimatorName.static.model().theta == InterferenceState.priorTheta)
    }

    @Test func `devices that differ are told apart, and their mean stays 1`() {
        var speeds = DeviceSpeeds(devices: 4)
        let truth = [0.9, 1.0, 1.3, 1.1]
        for step in 0..<8000 { speeds.learn(truth[step % 4] / speeds[step % 4], device: step % 4) }
        for bad in [Double.nan, .infinity, 0, -1] { speeds.learn(bad, device: 0) }
        speeds.learn(1, device: 9)
        let mean = truth.reduce(0, +) / 4
        for device in 0..<4 { #expect((speeds[device] - truth[device] / mean).magnitude < 0.01) }
        #expect((speeds.factors.reduce(0, +) / 4 - 1).magnitude < 1e-9)
        var single = DeviceSpeeds(devices: 1)
        single.learn(2, device: 0)
        #expect(single[0] == 1 && single[5] == 1)
    }
}
