// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@Suite struct SoloEstimatorTests {
    private let work = WorkShape(model: ModelID(index: 0), elementsPerRow: 1024)
    private let device = DeviceID(index: 0)

    private func taught(_ samples: [(rows: Int, milliseconds: Double)]) -> SoloEstimator {
        var estimator = SoloEstimator()
        // The first completion on a device is not learned from.
        estimator.learn(work, rows: 1, time: .seconds(9), on: device)
        for sample in samples {
            estimator.learn(work, rows: sample.rows, time: .milliseconds(sample.milliseconds), on: device)
        }
        return estimator
    }

    @Test func `an unknown model is assumed to need 20 ms a row, and is not believed`() {
        let estimator = SoloEstimator()
        #expect(estimator.expectedTime(work, rows: 3) == .milliseconds(60))
        #expect(estimator.leastTime(work, rows: 1) == .milliseconds(2))
        #expect(estimator.efficientRows(work, limit: 8) == 1)
    }

    @Test func `the first completion after load is not learned from, the next ones are`() {
        let estimator = taught([(1, 10), (1, 12), (1, 14)])
        #expect(estimator.expectedTime(work, rows: 1) == .milliseconds(12))
        #expect(estimator.isMeasured(work))
    }

    @Test func `rows between measured sizes are interpolated, beyond them scaled`() {
        let estimator = taught([(1, 10), (1, 10), (1, 10), (4, 22), (4, 22), (4, 22)])
        #expect(estimator.expectedTime(work, rows: 2) == .milliseconds(14))
        #expect(estimator.expectedTime(work, rows: 3) == .milliseconds(18))
        #expect(estimator.expectedTime(work, rows: 8) == .milliseconds(44))
    }

    @Test func `an unseen shape is scaled from another of the same model`() {
        let estimator = taught([(1, 10), (1, 10), (1, 10)])
        let larger = WorkShape(model: ModelID(index: 0), elementsPerRow: 2048)
        #expect(estimator.expectedTime(larger, rows: 1) == .milliseconds(20))
        #expect(!estimator.isMeasured(larger))
        let other = WorkShape(model: ModelID(index: 1), elementsPerRow: 1024)
        #expect(estimator.expectedTime(other, rows: 1) == .milliseconds(20))
    }

    @Test func `one outlier moves a measured time little, a lasting change is followed`() {
        var estimator = taught(Array(repeating: (1, 10), count: 20))
        estimator.learn(work, rows: 1, time: .seconds(10), on: device)
        #expect(estimator.expectedTime(work, rows: 1) <= .milliseconds(12))
        for _ in 0..<60 { estimator.learn(work, rows: 1, time: .milliseconds(40), on: device) }
        #expect(estimator.expectedTime(work, rows: 1) >= .milliseconds(39))
    }

    @Test func `a probe replaces what was known, at all sizes in proportion`() {
        var estimator = taught([(1, 100), (1, 100), (1, 100), (4, 200), (4, 200), (4, 200)])
        estimator.learn(work, rows: 1, time: .milliseconds(10), on: device, replacing: true)
        #expect(estimator.expectedTime(work, rows: 1) == .milliseconds(10))
        #expect(estimator.expectedTime(work, rows: 4) == .milliseconds(20))
    }

    @Test func `times stay positive and finite whatever is fed`() {
        var generator = SeededGenerator(seed: 1)
        var estimator = SoloEstimator()
        for _ in 0..<20_000 {
            let work = WorkShape(
                model: ModelID(index: Int.random(in: 0..<4, using: &generator)),
                elementsPerRow: Int.random(in: -5...Int.max, using: &generator))
            let rows = Int.random(in: 1...64, using: &generator)
            estimator.learn(
                work, rows: rows, time: Duration(nanoseconds: Int64.random(in: -10...(1 << 50), using: &generator)),
                on: DeviceID(index: Int.random(in: 0..<100, using: &generator)),
                replacing: Int.random(in: 0..<10, using: &generator) == 0)
            #expect(estimator.expectedTime(work, rows: rows) > .zero)
            #expect((1...64).contains(estimator.efficientRows(work, limit: 64)))
        }
    }

    @Test func `spans and instants saturate instead of trapping`() {
        #expect(Instant.never + .seconds(1) == .never)
        #expect(Instant.never - .seconds(1) == .never)
        #expect(Instant.zero + .seconds(1e30) == .never)
        #expect(Duration.microseconds(.max) == Duration(nanoseconds: .max))
        #expect((Instant.never - Instant(nanoseconds: -5)).nanoseconds == .max)
        #expect(Duration(nanoseconds: .max) + Duration(nanoseconds: .max) == Duration(nanoseconds: .max))
    }
}
