// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// How often what goes wrong.
struct Faults: Sendable {
    /// Shares of the batches that fail, take ten times as long, hang, and are measured nonsensically.
    var fails = 0.0
    var slow = 0.0
    /// The share of the batches that fail as a whole, and whose requests then run one by one.
    var splits = 0.0
    /// From when on all batches take five times as long; never if they do not.
    var slowFrom = Instant.never
    var hangs = 0.0
    var garbage = 0.0
    /// The share of the models that cannot be loaded.
    var loadFails = 0.0
    /// How often a device is lost, of all that happens.
    var losses = 0.0
    /// How often another thread does something at each point where it can.
    var meanwhile = 0.0
    /// How often the clock goes back.
    var setbacks = 0.0

    /// Each kind absent, rare or frequent; a third of all runs are without any.
    init(using generator: inout Seeded) {
        meanwhile = generator.one(of: [0, 0.05, 0.2, 0.5])
        guard !generator.chance(0.33) else { return }
        fails = generator.one(of: [0, 0.03, 0.3])
        slow = generator.one(of: [0, 0.03, 0.2])
        hangs = generator.one(of: [0, 0, 0.01, 0.05])
        garbage = generator.one(of: [0, 0.05, 0.5])
        losses = generator.one(of: [0, 0.01, 0.05])
        loadFails = generator.one(of: [0, 0.2, 0.6])
        setbacks = generator.one(of: [0, 0, 0, 0.01])
        splits = generator.one(of: [0, 0, 0.1])
        if generator.chance(0.1) { slowFrom = .zero + .seconds(100.3) }
    }
}
