// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitSimulation

/// Policies as they are, and Strait with parts of it changed. Each is one flag or one number, so that a difference has
/// one cause.
package enum Variants {
    /// A policy as it is.
    static func plain(_ policy: PolicyName) -> PolicySetup { PolicySetup(policy) }

    /// Rivals that come close enough for every axis: those without estimates or priorities lose everywhere by so much
    /// that their place in the core table says all there is.
    static let serious = PolicyName.allCases.filter { !hopeless.contains($0.rawValue) }

    /// Policies that are only part of the core table, of the physics and of the axis of devices.
    private static let hopeless: Set<String> = [
        "fifo", "triton", "edf", "gpulet", "clockwork", "symphony", "nexus", "exclusive", "reserved",
    ]

    /// Strait without single parts of it, with other estimators, margins, gates and lanes.
    static let ablations: [PolicySetup] =
        EstimatorName.allCases.filter { $0 != SchedulerOptions().estimator }
        .map { estimator in strait("\(estimator.rawValue)-estimator") { $0.estimator = estimator } }
        + [
            strait("no-transfers") { $0.strait.modelsTransfers = false },
            strait("no-bias") { $0.strait.usesBias = false },
            strait("no-calibration") { $0.strait.usesCalibration = false },
            strait("margin-1.1") { $0.strait.fixedMargin = 1.1 },
            strait("margin-1.3") { $0.strait.fixedMargin = 1.3 },
            strait("no-gate") { $0.strait.usesGate = false },
            strait("demand-gate") { $0.strait.gateRule = .demand },
            strait("no-harm") { $0.strait.usesHarm = false },
            strait("no-reservation") { $0.strait.usesReservation = false },
            strait("no-hold-limit") { $0.strait.limitsHold = false },
            strait("no-urgency") { $0.strait.usesUrgency = false },
            strait("no-batch-search") { $0.strait.searchesBatchSizes = false },
            strait("no-mixed-batches") { $0.strait.mixesClasses = false },
            strait("no-equity") { $0.strait.usesEquity = false },
            strait("no-floor") { $0.strait.lowFloor = 0 },
            strait("no-pruning") { $0.strait.prunes = false },
            strait("no-watchdog") { $0.strait.usesWatchdog = false },
        ]
        + (1...4).filter { $0 != plain(.strait).lanes }.map { strait("lanes-\($0)", lanes: $0) { _ in } }

    /// Strait's two numbers that trade one class against the other.
    static let sweeps: [PolicySetup] =
        [1.0, 10, 30, 300, 1000].map { weight in
            strait("high-weight-\(Int(weight))") { $0.strait.highWeight = weight }
        }
        + [1.0, 1.5, 1.8, 2.6, 3.2].map { margin in
            strait("guard-\(margin)") { $0.strait.guardMargin = margin }
        }

    /// The changed policy of a name such as `strait/no-gate`; nil if there is none.
    package static func changed(_ name: String) -> PolicySetup? { (ablations + sweeps).first { $0.name == name } }

    private static func strait(
        _ change: String, lanes: Int? = nil, _ set: (inout SchedulerOptions) -> Void
    ) -> PolicySetup {
        var options = SchedulerOptions()
        set(&options)
        var setup = PolicySetup(.strait, lanes: lanes, options: options)
        setup.name = "strait/\(change)"
        return setup
    }
}
