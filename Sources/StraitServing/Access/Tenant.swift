// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitFormats
internal import StraitProtocol
internal import Synchronization

/// One tenant: what it may do, and what it has in flight.
package final class Tenant: Sendable {
    /// Its entry in the file.
    package let entry: TokensFile.Tenant
    private let models: [ModelPattern]
    private let bounds: TenantLimits.Bounds
    private let usage: TenantUsage

    /// - Parameters:
    ///   - concurrency: where the entry names none.
    ///   - former: the tenant of that name in the file before, whose requests go on to count.
    init(_ entry: TokensFile.Tenant, concurrency: Int, former: Tenant?) {
        self.entry = entry
        models = entry.models.map(ModelPattern.init)
        let rate = entry.requestsPerSecond
        bounds = TenantLimits.Bounds(
            rate: rate, burst: entry.burst ?? rate ?? 1, concurrency: entry.concurrency ?? concurrency)
        usage = former?.usage ?? TenantUsage()
    }

    /// Whether it may use a model.
    ///
    /// - Complexity: O(patterns · bytes).
    package func mayUse(_ model: String) -> Bool { models.contains { $0.matches(model) } }

    /// Takes one request of it in.
    func enter(at now: Instant) throws(Refusal) -> Permit {
        if let refusal = usage.limits.withLock({ $0.enter(at: now, bounds) }) { throw refusal }
        return Permit(usage)
    }

    /// Requests of it that have no answer yet.
    package var open: Int { usage.limits.withLock { $0.open } }
}

/// What a tenant has in flight; outlives a change of its entry.
final class TenantUsage: Sendable {
    let limits = Mutex(TenantLimits())
}

/// One request's place among those that its tenant may have in flight. Given back with the answer, or by whoever lets go
/// of it.
package final class Permit: Sendable {
    private let usage: TenantUsage
    private let isOver = Atomic(false)

    init(_ usage: TenantUsage) { self.usage = usage }

    deinit { end() }

    /// Gives the place back; the second time does nothing.
    package func end() {
        guard !isOver.exchange(true, ordering: .relaxed) else { return }
        usage.limits.withLock { $0.leave() }
    }
}

/// A model's name in which `*` stands for any run of characters.
package struct ModelPattern: Sendable, Hashable {
    private let bytes: [UInt8]

    package init(_ text: String) { bytes = Array(text.utf8) }

    /// Whether a name fits.
    ///
    /// - Complexity: O(pattern · name), whatever is asked.
    package func matches(_ name: String) -> Bool {
        let name = Array(name.utf8)
        var (at, next) = (0, 0)
        // The last star, and the first byte that it does not stand for.
        var star: (at: Int, next: Int)?
        while next < name.count {
            if at < bytes.count, bytes[at] == UInt8(ascii: "*") {
                star = (at, next)
                at += 1
            } else if at < bytes.count, bytes[at] == name[next] {
                at += 1
                next += 1
            } else if let last = star {
                star = (last.at, last.next + 1)
                at = last.at + 1
                next = last.next + 1
            } else {
                return false
            }
        }
        return bytes[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
