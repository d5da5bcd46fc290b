// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@Suite struct UsualCompanyTests {
    private let heavy = Demand(compute: 0.9, bandwidth: 0.5, cache: 0.3)

    @Test func `it is who ran of late, while anybody did`() throws {
        var company = UsualCompany()
        #expect(company.missing(beside: 0) == nil)
        let three = Demand(compute: 1.8, bandwidth: 0.9, cache: 0.6)
        for _ in 0..<1000 {
            company.note(3, needing: three, for: 10e6)
            company.note(0, needing: Demand(compute: 0, bandwidth: 0, cache: 0), for: 500e6)
        }
        let missing = try #require(company.missing(beside: 1))
        #expect((missing.compute - 1.2).magnitude < 1e-3 && (missing.bandwidth - 0.6).magnitude < 1e-3)
        #expect((missing.cache - 0.4).magnitude < 1e-3)
        #expect(company.missing(beside: 3) == nil && company.missing(beside: 9) == nil)
        // Times that never come must not turn it over.
        company.note(1, needing: heavy, for: 1e300)
        #expect(company.missing(beside: 1) == nil)
    }

    /// The predicted time of a batch that is staged when the one beside it is about to end, after `seconds` in which two
    /// ran at a time.
    private func prediction(after seconds: Double) throws -> Double {
        var harness = Harness(
            policy: .fifo, lanes: [2],
            models: [ModelDescription(maximumBatch: 1, profile: profile(9, 1, demand: heavy))])
        harness.trueTime = { _ in .milliseconds(18) }
        let end = Instant.zero + Duration.seconds(seconds)
        while harness.now < end {
            for _ in 0..<2 { harness.arrive(.low, due: .seconds(100)) }
            harness.advance(by: .milliseconds(18))
        }
        harness.arrive(.low, due: .seconds(100))
        harness.advance(by: .milliseconds(9))
        harness.arrive(.low, due: .seconds(100))
        let batch = try #require(harness.batches.last).batch
        return (batch.predictedFinish - harness.now).milliseconds
    }

    @Test func `lanes that free up are expected to be filled as usual`() throws {
        // Alone the first would have 1 ms left, at 0.56 of its speed, and the other 9 ms then, on its own.
        #expect(abs(try prediction(after: 0) - 10.8) < 0.1)
        // Where two always run it will not be on its own: all of its 10 ms at 0.56.
        #expect(abs(try prediction(after: 5) - 18) < 0.5)
    }
}
