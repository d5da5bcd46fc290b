// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@Suite struct InterferenceSafetyTests {
    #if DEBUG
        /// An unoptimised update takes 30 µs; a release build of the tests does them in the millions.
        private static let scale = 1
    #else
        private static let scale = 25
    #endif

    /// A stream that is as unlike regular completions as samples get: long repetitions of one input, models that rest
    /// for long and come back, accidents, extremes, values that are refused.
    private struct HostileStream {
        var truth: InterferenceTruth
        private var repeated: InterferenceSample
        private var repetitions = 0
        private var models = 0..<6

        init(seed: UInt64) {
            truth = InterferenceTruth(seed: seed)
            truth.biases = (0..<40).map { Double($0 % 7) * 0.05 - 0.1 }
            repeated = truth.sample(of: 0)
        }

        mutating func next() -> InterferenceSample {
            if repetitions > 0 {
                repetitions -= 1
                return repeated
            }
            let model = Int.random(in: models, using: &truth.generator)
            var sample = truth.sample(of: model)
            sample.device = model % 3
            switch Int.random(in: 0..<1000, using: &truth.generator) {
            case 0..<4:
                repeated = sample
                repetitions = Int.random(in: 100..<5000, using: &truth.generator)
            case 4..<10:
                let first = Int.random(in: 0..<34, using: &truth.generator)
                models = first..<(first + Int.random(in: 1...6, using: &truth.generator))
            case 10..<30: sample.label = Double.random(in: -0.99...20, using: &truth.generator)
            case 30..<40: sample.overlap *= Double.random(in: 1...20, using: &truth.generator)
            case 40..<45: sample.overlap = SIMD8(32, 32, 32, 32, 32, 32, 32, 0)
            case 45..<50: sample.overlap = SIMD8()
            case 50..<60:
                sample.label = [.nan, .infinity, -.infinity, -5, 1e9].randomElement(using: &truth.generator) ?? 0
            case 60..<65: sample.overlap[2] = .nan
            case 65..<70: truth.slowDown = Double.random(in: 0.3...4, using: &truth.generator)
            case 70..<72: truth.theta[Int.random(in: 0..<7, using: &truth.generator)] *= -1
            case 72..<80:
                // One feature only.
                let lane = Int.random(in: 0..<7, using: &truth.generator)
                for other in 0..<7 where other != lane { sample.overlap[other] = 0 }
            default: break
            }
            return sample
        }
    }

    @Test(arguments: [(EstimatorName.ewma, 5), (.nlms, 10), (.rls, 25), (.kalman, 80)])
    func `whatever is fed, what is learned stays symmetric, positive and bounded`(name: EstimatorName, thousands: Int) {
        var stream = HostileStream(seed: 20)
        var model = name.model()
        for step in 0..<(thousands * 1000 * Self.scale) {
            let sample = stream.next()
            model.learn(sample)
            let bias = model.bias(of: sample.model)
            guard bias >= -0.9, bias <= 20, model.theta[sample.model % 8].magnitude <= 4 else {
                Issue.record("a bias of \(bias) at θ = \(model.theta) in step \(step)")
                return
            }
            guard step % 101 == 0 else { continue }
            let speed = model.speed(stream.truth.features(upTo: 1.5))
            if let broken = model.brokenInvariant() ?? (speed >= 0.12 && speed <= 1 ? nil : "a speed of \(speed)") {
                Issue.record("\(broken), in step \(step)")
                return
            }
        }
    }

    @Test(arguments: [EstimatorName.nlms, .rls, .kalman])
    func `after the same input for ever, a new one is neither misjudged nor believed blindly`(name: EstimatorName) {
        var truth = InterferenceTruth(seed: 21)
        truth.noise = 0.02
        var model = name.model().taught(&truth, 1000)
        let overlap = SIMD8<Double>(0.4, 0.3, 0.1, 0.2, 0.1, 0.1, 0.1, 0)
        let label = truth.biases[0] + truth.theta.dot(overlap)
        for step in 0..<(40_000 * Self.scale) {
            model.learn(overlap, model: 0, label: label + (step % 2 == 0 ? 0.02 : -0.02), device: 0)
        }
        #expect(model.brokenInvariant() == nil)
        #expect((model.fitted(overlap, model: 0) - 1 - label).magnitude < 0.02)
        // New inputs to all: first judged by what was known before, then learned from; never far off.
        var worst = 0.0
        for _ in 0..<300 {
            let sample = truth.sample()
            worst = max(worst, (model.fitted(sample.overlap, model: sample.model) - 1 - sample.label).magnitude)
            model.learn(sample)
        }
        #expect(worst < 1, "\(worst)")
        #expect(model.brokenInvariant() == nil)
    }

    @Test func `uncertainty that has grown to its limit stays there, whatever rounding does`() throws {
        // As after a night without excitation, which takes 150,000 completions to get to.
        var generator = SeededGenerator(seed: 23)
        for _ in 0..<200 {
            var start = EstimatorName.kalman.model().state
            start.matrix = (0..<7).map { row in
                var lanes = SIMD8<Double>()
                lanes[row] = Double.random(in: 0.199_999...0.2, using: &generator)
                return lanes
            }
            for row in 0..<7 {
                for column in 0..<row {
                    // Small enough to keep it positive.
                    let shared = Double.random(in: -0.03...0.03, using: &generator)
                    (start.matrix[row][column], start.matrix[column][row]) = (shared, shared)
                }
            }
            var model = EstimatorName.kalman.model()
            let taken = model.restore(start)
            #expect(taken)
            for step in 0..<20 {
                model.learn(SIMD8(), model: 0, label: 0, device: 0)
                try #require(model.brokenInvariant() == nil, "in step \(step)")
            }
            // What is saved is taken back.
            let takenBack = model.restore(model.state)
            #expect(takenBack)
        }
    }

    @Test func `the filter is the textbook's, with the covariance of all models at once`() {
        var truth = InterferenceTruth(seed: 22)
        truth.noise = 0.03
        truth.biases = [0.05, -0.08, 0.12]
        var model = EstimatorName.kalman.model()
        var textbook = TextbookFilter(models: 3)
        var distance = 0.0
        for step in 0..<600 {
            let sample = truth.sample()
            model.learn(sample)
            textbook.learn(sample)
            guard step >= 30 else { continue }
            let probe = truth.features()
            for index in 0..<3 {
                distance = max(distance, (model.fitted(probe, model: index) - textbook.fitted(probe, index)).magnitude)
            }
        }
        #expect(distance < 0.02, "\(distance)")
    }

    /// A Kalman filter over θ and the biases as one dense system, without any of the savings.
    private struct TextbookFilter {
        private let size: Int
        private var mean: [Double]
        private var covariance: [[Double]]
        private var noise = 0.003

        init(models: Int) {
            let size = 7 + models
            self.size = size
            mean = Array(repeating: 0, count: size)
            mean[2] = 1
            covariance = (0..<size).map { row in (0..<size).map { $0 == row ? 0.05 : 0 } }
        }

        func fitted(_ overlap: SIMD8<Double>, _ model: Int) -> Double {
            (0..<7).reduce(1 + mean[7 + model]) { $0 + mean[$1] * overlap[$1] }
        }

        mutating func learn(_ sample: InterferenceSample) {
            let error = sample.label + 1 - fitted(sample.overlap, sample.model)
            let alone = 1 + mean[7 + sample.model]
            let overlap = sample.overlap * (alone / (alone + error))
            for row in 0..<size { covariance[row][row] += row < 7 ? 1e-6 : 1e-5 }
            var input = Array(repeating: 0.0, count: size)
            for lane in 0..<7 { input[lane] = overlap[lane] }
            input[7 + sample.model] = 1
            let projected = covariance.map { row in (0..<size).reduce(0) { $0 + row[$1] * input[$1] } }
            let explained = (0..<size).reduce(0) { $0 + input[$1] * projected[$1] }
            var variance = explained + noise
            let squared = min(error * error, 9 * variance)
            let longest = 3 * variance.squareRoot()
            if error.magnitude > longest { variance *= error.magnitude / longest }
            noise = max(0.001, noise + 0.02 * (squared - explained - noise))
            for row in 0..<size {
                mean[row] += projected[row] * error / variance
                for column in 0..<size { covariance[row][column] -= projected[row] * projected[column] / variance }
            }
        }
    }
}
