// SPDX-License-Identifier: Apache-2.0

// What a step of the scheduler costs, for several sizes of machine and lengths of queue: p50 and p99 of the steps that
// staged a batch, in microseconds, as ratios to `edf-priority` beside them, and allocations of all steps in the steady
// state. `make bench-core`.

import CAllocations
import Glibc
import StraitCore

/// A machine in virtual time: batches take what their profile says, and each that ends is replaced by new requests, so
/// that the queues keep their length.
struct Machine {
    private var scheduler: Scheduler
    private var actions = ActionList()
    private var now = Instant.zero
    private var pending: [(at: Instant, event: Event, requests: Int)] = []
    private var freeSlots: [RequestID] = []
    private var slots: UInt32 = 0
    private var random: UInt64 = 1
    private let models: Int
    /// Microseconds of the steps that staged something.
    private(set) var samples: [Double] = []
    private(set) var measuredSteps = 0
    private(set) var allocations: UInt64 = 0

    init(policy: PolicyName, devices: Int, models: Int, prunes: Bool = true) {
        var options = SchedulerOptions()
        options.strait.prunes = prunes
        scheduler = Scheduler(policy: policy, limits: SchedulerLimits(maximumWaiting: 1_000_000), options: options)
        self.models = models
        let copying = CopyDescription(overhead: .microseconds(10), bytesPerSecond: 2.4e10)
        for _ in 0..<devices {
            scheduler.step(.deviceAdded(DeviceDescription(lanes: 3, copying: copying)), at: now, into: &actions)
        }
        for model in 0..<models {
            let points = [1, 2, 4, 8, 16, 32].map { rows in
                ModelProfile.Point(
                    rows: rows, kernelTime: .milliseconds(1 + 0.1 * Double(model % 5) + 0.4 * Double(rows)),
                    demand: Demand(compute: 0.4 + 0.015 * Double(rows), bandwidth: 0.3, cache: 0.2))
            }
            let profile = ModelProfile(curves: [.init(bucket: 0, points: points)], bytesInPerRow: 600_000)
            scheduler.step(
                .modelAdded(ModelDescription(maximumBatch: 32, profile: profile)), at: now, into: &actions)
        }
    }

    private mutating func next(_ bound: UInt64) -> UInt64 {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (random >> 33) % bound
    }

    private mutating func step(_ event: Event, isMeasured: Bool) {
        let before = allocations_of_this_thread()
        let start = Self.nanoseconds()
        scheduler.step(event, at: now, into: &actions)
        let elapsed = Self.nanoseconds() - start
        if isMeasured {
            allocations += allocations_of_this_thread() - before
            measuredSteps += 1
            let hasStaged = actions.actions.contains { if case .stage = $0 { true } else { false } }
            if hasStaged { samples.append(Double(elapsed) / 1000) }
        }
        for action in actions.actions {
            switch action {
            case .setTimer, .pause, .resume, .kill: break
            case .answer(let id, _):
                freeSlots.append(RequestID(slot: id.slot, generation: id.generation &+ 1))
            case .stage(let batch):
                let copied = now + .microseconds(300)
                let done = copied + .milliseconds(2 + 0.5 * Double(batch.rows))
                let times = MeasuredTimes(
                    copyIn: .microseconds(300), kernels: done - copied, copyOut: .microseconds(10))
                pending.append((copied, .copiedIn(batch.batch), 0))
                pending.append((done, .kernelsDone(batch.batch), 0))
                pending.append((done + .microseconds(10), .finished(batch.batch, times), batch.members.count))
            }
        }
    }

    mutating func arrive(isMeasured: Bool = false) {
        let id = freeSlots.popLast() ?? RequestID(slot: slots, generation: 0)
        slots = max(slots, id.slot + 1)
        let isHigh = next(10) < 3
        let due = Duration.milliseconds(Double(500 + next(100_000)))
        step(
            .arrival(
                Request(
                    id: id, work: WorkShape(model: ModelID(index: Int(next(UInt64(models)))), bucket: 0),
                    shape: ShapeID(number: 0), requestClass: isHigh ? .high : .low, rows: 1, deadline: now + due)),
            isMeasured: isMeasured)
    }

    /// Handles the next event of a device; a batch that ended is replaced by as many new requests.
    mutating func advance(isMeasured: Bool) {
        guard let index = pending.indices.min(by: { pending[$0].at < pending[$1].at }) else { return }
        let (at, event, requests) = pending.remove(at: index)
        now = max(now, at)
        step(event, isMeasured: isMeasured)
        for _ in 0..<requests { arrive(isMeasured: isMeasured) }
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
            for _ in 0..<20_000 { machine.advance(isMeasured: false) }
            for _ in 0..<20_000 { machine.advance(isMeasured: true) }
            let sorted = machine.samples.sorted()
            let (p50, p99) = (quantile(sorted, 0.5), quantile(sorted, 0.99))
            if policy == .edfPriority { reference = (p50, p99) }
            print(
                "\(pad("\(devices) × \(models)", 18))\(pad("\(waiting)", 9))  "
                    + "\(pad(policy.rawValue + (prunes ? "" : " unpruned"), 24))\(pad(micro(p50), 9))\(pad(micro(p99), 9))"
                    + "\(pad(micro(p50 / max(reference.p50, 0.001)), 11))\(pad(micro(p99 / max(reference.p99, 0.001)), 11))"
                    + pad(thousandths(Double(machine.allocations) / Double(max(1, machine.measuredSteps))), 20))
        }
    }
}
