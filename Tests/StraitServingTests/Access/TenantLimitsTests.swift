// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitProtocol
internal import StraitServing
internal import Testing

/// The limits of a tenant, with time that is advanced by hand.
@Suite struct TenantLimitsTests {
    private static func at(_ seconds: Double) -> Instant { .zero + .seconds(seconds) }

    @Test func `a burst may come at once, then the rate counts`() {
        let bounds = TenantLimits.Bounds(rate: 2, burst: 3, concurrency: 100)
        var limits = TenantLimits()
        for _ in 0..<3 { #expect(limits.enter(at: Self.at(10), bounds) == nil) }
        let refusal = limits.enter(at: Self.at(10), bounds)
        #expect(refusal?.error.code == .resourceExhausted)
        #expect(refusal?.retryAfter == .milliseconds(500))
        #expect(limits.enter(at: Self.at(10.25), bounds)?.retryAfter == .milliseconds(250))
        #expect(limits.enter(at: Self.at(10.5), bounds) == nil)
        #expect(limits.enter(at: Self.at(10.5), bounds) != nil)
        // However long nothing comes, no more than the burst is saved up.
        for _ in 0..<3 { #expect(limits.enter(at: Self.at(1000), bounds) == nil) }
        #expect(limits.enter(at: Self.at(1000), bounds) != nil)
        #expect(limits.open == 7)
    }

    @Test func `in the long run the rate holds, whatever is tried`() {
        let bounds = TenantLimits.Bounds(rate: 50, burst: 10, concurrency: 1_000_000)
        var limits = TenantLimits()
        var taken = 0
        for step in 0..<100_000 where limits.enter(at: Self.at(Double(step) / 10_000), bounds) == nil { taken += 1 }
        // Ten seconds, and the burst at their beginning; to one, because sums of fractions are not exact.
        #expect((509...510).contains(taken))
    }

    @Test func `places come back with the answers, and a refusal takes none`() {
        let bounds = TenantLimits.Bounds(rate: 1000, burst: 1000, concurrency: 2)
        var limits = TenantLimits()
        #expect(limits.enter(at: .zero, bounds) == nil)
        #expect(limits.enter(at: .zero, bounds) == nil)
        for _ in 0..<10 { #expect(limits.enter(at: .zero, bounds)?.retryAfter == .seconds(1)) }
        #expect(limits.open == 2)
        limits.leave()
        #expect(limits.enter(at: .zero, bounds) == nil)
        #expect(limits.enter(at: .zero, bounds) != nil)
    }

    @Test func `a clock that goes back gives nothing away`() {
        let bounds = TenantLimits.Bounds(rate: 1, burst: 1, concurrency: 10)
        var limits = TenantLimits()
        #expect(limits.enter(at: Self.at(100), bounds) == nil)
        #expect(limits.enter(at: Self.at(50), bounds) != nil)
        #expect(limits.enter(at: Self.at(100.5), bounds) != nil)
        #expect(limits.enter(at: Self.at(101), bounds) == nil)
    }

    @Test func `without a rate only what is open counts`() {
        let bounds = TenantLimits.Bounds(rate: nil, concurrency: 3)
        var limits = TenantLimits()
        for _ in 0..<1000 {
            #expect(limits.enter(at: .zero, bounds) == nil)
            limits.leave()
        }
    }

    @Test(arguments: [
        ("*", "anything", true), ("resnet*", "resnet50", true), ("resnet*", "xresnet50", false),
        ("*50", "resnet50", true), ("*50", "resnet501", false), ("a*b*c", "a--b--b--c", true), ("a*b*c", "acb", false),
        ("magika", "magika", true), ("magika", "magika2", false), ("", "", true), ("", "a", false), ("**", "", true),
        ("a*", "a", true), ("*a*", "bab", true), ("?", "a", false),
    ])
    func `patterns of models`(pattern: String, name: String, fits: Bool) {
        #expect(ModelPattern(pattern).matches(name) == fits)
    }

    @Test func `no pattern takes long`() {
        // Exponential for a matcher that tries all ways; this ends at once or not within the test's time.
        let pattern = ModelPattern(String(repeating: "a*", count: 60) + "b")
        #expect(!pattern.matches(String(repeating: "a", count: 128)))
    }
}
