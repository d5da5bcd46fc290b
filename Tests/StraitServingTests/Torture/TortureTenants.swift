// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats

@testable internal import StraitServing

/// Tenants with little, so that they meet their limits.
// @unchecked: see the clock.
final class TortureTenants: @unchecked Sendable {
    private var all: [Tenant]

    init(using generator: inout Seeded) {
        all = []
        for number in 0..<generator.one(of: [1, 2, 3]) {
            all.append(Tenant(Self.entry(number, using: &generator), concurrency: 8, former: nil))
        }
    }

    private static func entry(_ number: Int, using generator: inout Seeded) -> TokensFile.Tenant {
        var entry = TokensFile.Tenant(name: "tenant\(number)", digests: [], models: ["*"])
        entry.mayClaimHigh = generator.chance(0.8)
        entry.requestsPerSecond = generator.one(of: [nil, nil, 50, 500])
        entry.burst = generator.one(of: [nil, 1, 5])
        entry.concurrency = generator.one(of: [nil, 1, 4, 1000])
        return entry
    }

    /// The number of one who asks.
    func draw(using generator: inout Seeded) -> Int { Int.random(in: all.indices, using: &generator) }

    func caller(_ number: Int) -> Caller { Caller(tenant: all[number], mayAdminister: false) }

    /// The file is read anew: a tenant has other limits, and what it has in flight still counts.
    func change(using generator: inout Seeded) {
        guard generator.chance(0.02) else { return }
        let number = draw(using: &generator)
        all[number] = Tenant(Self.entry(number, using: &generator), concurrency: 8, former: all[number])
    }

    /// What is wrong while no thread is in the midst of anything; nil when all is well.
    func broken(_ clients: [Client]) -> String? {
        var open = all.map { _ in 0 }
        for client in clients where client.state == .open { if let tenant = client.tenant { open[tenant] += 1 } }
        for (tenant, count) in zip(all, open) where tenant.open != count {
            return "\(tenant.entry.name) has \(count) requests in flight, \(tenant.open) are counted"
        }
        return nil
    }
}
