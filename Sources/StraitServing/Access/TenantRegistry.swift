// SPDX-License-Identifier: Apache-2.0

package import StraitFormats
internal import Synchronization

/// The tenants of a file, found by their tokens. The file can be read anew while requests come.
package final class TenantRegistry: Sendable {
    private let path: String
    private let places: Int
    private let tenants: Mutex<[Tenant]>
    /// Raised whenever the tenants change, so that what connections remember is known to be old.
    private let changes = Atomic<UInt64>(0)

    /// Reads the tenants of a file.
    ///
    /// - Parameter places: requests that may wait in the server. Tenants whose entry says nothing of it share the low
    ///   class's part evenly, so that together they cannot fill it.
    package init(path: String, places: Int) throws(FormatError) {
        self.path = path
        self.places = places
        tenants = Mutex(Self.tenants(try TokensFile(path: path), places: places, former: []))
    }

    /// Reads the file again. Where it cannot be read, the tenants stay as they are.
    ///
    /// - Returns: how many there are now.
    package func reload() throws(FormatError) -> Int {
        let file = try TokensFile(path: path)
        let count = tenants.withLock { tenants in
            tenants = Self.tenants(file, places: places, former: tenants)
            return tenants.count
        }
        changes.add(1, ordering: .releasing)
        return count
    }

    /// Whether more was promised to all together than may wait at a time; a message for the operator.
    package var warning: String? {
        let promised = tenants.withLock { $0.reduce(0) { $0 + ($1.entry.concurrency ?? 0) } }
        guard promised > places else { return nil }
        return "the tenants may have \(promised) requests in flight together, but only \(places) may wait "
            + "(--max-queue): some can keep others out"
    }

    /// How many there are.
    package var count: Int { tenants.withLock { $0.count } }

    var generation: UInt64 { changes.load(ordering: .acquiring) }

    /// The low class's part of the waiting queue; see SchedulerLimits.
    private static let lowShare = 0.8

    private static func tenants(_ file: TokensFile, places: Int, former: [Tenant]) -> [Tenant] {
        let share = max(1, Int(Double(places) * lowShare) / max(1, file.tenants.count))
        return file.tenants.map { entry in
            Tenant(entry, concurrency: share, former: former.first { $0.entry.name == entry.name })
        }
    }

    /// Whose token it is; nil for nobody's.
    ///
    /// - Complexity: O(bytes + tenants), the same whoever it is.
    func find(token: String) -> Tenant? {
        guard token.utf8.count <= Self.maximumToken else { return nil }
        let digest = FileDigest.sha256(text: token)
        var found: Tenant?
        for tenant in tenants.withLock({ $0 }) {
            for own in tenant.entry.digests where isSameSecret(own, digest) { found = tenant }
        }
        return found
    }

    /// Bytes of a token: ours have 50.
    private static let maximumToken = 512
}

/// Whether two texts are the same, in a time that does not depend on where they differ.
func isSameSecret(_ left: String, _ right: String) -> Bool {
    guard left.utf8.count == right.utf8.count else { return false }
    var difference: UInt8 = 0
    for (one, other) in zip(left.utf8, right.utf8) { difference |= one ^ other }
    return difference == 0
}
