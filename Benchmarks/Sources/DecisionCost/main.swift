// SPDX-License-Identifier: Apache-2.0

// What a step of the scheduler costs, for several sizes of machine and lengths of queue: p50 and p99 of the steps that
// staged a batch, in microseconds, as ratios to `edf-priority` beside them, and allocations of all steps in the steady
// state. `make bench-core`.

import CAllocations
import Glibc
import SchedulerLoad
import StraitCore

/// What the steps of a machine cost.
final class Meter: StepObserver {
    /// Microseconds of the steps that staged something.
    private(set) var samples: [Double] = []
    private(set) var steps = 0
    private(set) var allocations: UInt64 = 0
    private var before: UInt64 = 0
    private var start: Int64 = 0

    func willStep() {
        before = allocations_of_this_thread()
        start = Self.nanoseconds()
    }

    func didStep(_ actions: [Action]) {
        let elapsed = Self.nanoseconds() - start
        allocations += allocations_of_this_thread() - before
        steps += 1
        let hasStaged = actions.contains { if case .stage = $0 { true } else { false } }
        if hasStaged { samples.append(Double(elapsed) / 1000) }
    }

    private static func nanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

func quantile(_ sorted: [Double], _ level: Double) -> Double {
    sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(level * Double(sorted.count)))]
}

func pad(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

func thousandths(_ value: Double) -> String { String(Double(Int(value * 1000)) / 1000) }

func micro(_ value: Double) -> String { String(Double(Int(value * 10)) / 10) }

print(
    "\(pad("devices × models", 18))\(pad("waiting", 9))  \(pad("policy", 24))\(pad("p50 µs", 9))\(pad("p99 µs", 9))\(pad("p50 ratio", 11))\(pad("p99 ratio", 11))"
        + pad("allocations a step", 20)
)
// `DecisionCost 1 6 10 strait` measures that row alone, for a profiler.
let only = Array(CommandLine.arguments.dropFirst())
for (devices, models) in [(1, 6), (8, 64), (8, 512)] {
    for waiting in [10, 10_000] {
        var reference = (p50: 0.0, p99: 0.0)
        for (policy, prunes) in [
            (PolicyName.edfPriority, true), (.edfPriorityEWMAGate, true), (.strait, true), (.strait, false),
        ] {
            let row = ["\(devices)", "\(models)", "\(waiting)", policy.rawValue]
            if !only.isEmpty, only != row || !prunes { continue }
            // Without pruning, hundreds of models take too long to be worth waiting for.
            if !prunes, models > 64 { continue }
            var machine = Machine(policy: policy, devices: devices, models: models, prunes: prunes)
            for _ in 0..<waiting { machine.arrive() }
            for _ in 0..<20_000 { machine.advance() }
            let meter = Meter()
            machine.observer = meter
            for _ in 0..<20_000 { machine.advance() }
            let sorted = meter.samples.sorted()
            let (p50, p99) = (quantile(sorted, 0.5), quantile(sorted, 0.99))
            if policy == .edfPriority { reference = (p50, p99) }
            print(
                "\(pad("\(devices) × \(models)", 18))\(pad("\(waiting)", 9))  "
                    + "\(pad(policy.rawValue + (prunes ? "" : " unpruned"), 24))\(pad(micro(p50), 9))\(pad(micro(p99), 9))"
                    + "\(pad(micro(p50 / max(reference.p50, 0.001)), 11))\(pad(micro(p99 / max(reference.p99, 0.001)), 11))"
                    + pad(thousandths(Double(meter.allocations) / Double(max(1, meter.steps))), 20))
        }
    }
}
