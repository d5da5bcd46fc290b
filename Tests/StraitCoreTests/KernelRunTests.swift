// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@Suite struct KernelRunTests {
    private let theta = InterferenceState.priorTheta

    private func run(work: Double, _ course: [(time: Double, features: SIMD8<Double>)]) -> KernelRun {
        var run = KernelRun()
        run.soloWork = work
        for part in course {
            run.goOn(beside: part.features, theta: theta)
            run.pass(part.time)
        }
        return run
    }

    @Test func `a run integrates its features and its work over its course`() throws {
        var short = SIMD8<Double>()
        short[InterferenceFeatures.computeShortfall] = 0.5
        let run = run(work: 300, [(100, SIMD8()), (400, short)])
        #expect(run.done == 300 && run.elapsed == 500 && run.clampedTime == 0)
        let lesson = try #require(run.lesson(took: 500))
        #expect((lesson.overlap - short * (400.0 / 300)).dot(SIMD8(repeating: 1)).magnitude < 1e-12)
        // D = W + θ·∫φ dt: what it teaches is exact for any course.
        #expect((lesson.label - theta.dot(lesson.overlap)).magnitude < 1e-12)
    }

    @Test func `what ran at the believed limit for long, or took no time, teaches nothing`() {
        var crowded = SIMD8<Double>()
        crowded[InterferenceFeatures.computeShortfall] = 0.95
        #expect(run(work: 100, [(50, SIMD8()), (200, crowded)]).lesson(took: 250) == nil)
        #expect(run(work: 100, [(95, SIMD8()), (10, crowded)]).lesson(took: 105) != nil)
        #expect(run(work: 100, [(100, SIMD8())]).lesson(took: 0) == nil)
        #expect(run(work: 0, [(100, SIMD8())]).lesson(took: 100) == nil)
    }
}
