// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore
internal import Testing

/// The seeds of one test case: few, so that a process that stops in one of them has named it nearly.
struct SeedRange: Sendable, CustomTestStringConvertible {
    let range: ClosedRange<UInt64>
    var testDescription: String { "seeds \(range.lowerBound)-\(range.upperBound)" }

    /// What every `make test` looks at.
    private static let usual: UInt64 = 1000
    private static let length: UInt64 = 10

    /// The seeds that `STRAIT_SEEDS` asks for, in short ranges.
    static let chosen: [SeedRange] = {
        let wish = getenv("STRAIT_SEEDS").map { String(cString: $0) } ?? ""
        let ends = wish.split(separator: "-").compactMap { UInt64($0) }
        let (first, last) = ends.count == 2 ? (ends[0], max(ends[0], ends[1])) : (0, max(1, ends.first ?? usual) - 1)
        return stride(from: first, through: last, by: Int(length)).map {
            SeedRange(range: $0...min(last, $0 + length - 1))
        }
    }()
}

/// One random machine, its traffic and its mishaps, all from a seed.
struct RandomRun {
    private(set) var harness: Harness
    /// Requests that arrived.
    private(set) var asked = 0
    /// What happened, to know that everything does somewhere.
    private(set) var sights: Set<String> = []
    private var generator: SeededGenerator
    private var models: [ModelDescription] = []
    /// For each number whether its model takes requests.
    private var served: [Bool] = []
    private var recent: [RequestID] = []

    /// Sizes of row by shape.
    private static let elements = [1, 100, 5000]

    /// - Parameter explanations: how many decisions are kept; by default the seed tells.
    init(seed: UInt64, explanations: Int? = nil) {
        generator = SeededGenerator(seed: seed)
        let policy = PolicyName.allCases[Int(seed % UInt64(PolicyName.allCases.count))]
        let limits = SchedulerLimits(maximumWaiting: Int.random(in: 5...100, using: &generator))
        var options = randomOptions(using: &generator)
        if let explanations { options.explanations = explanations }
        harness = Harness(policy: policy, lanes: [], models: [], limits: limits, options: options)
        harness.label = "seed \(seed), \(policy.rawValue): "
        // A timer that comes late must do no harm; and where a policy asks again each half millisecond, it saves time.
        // Now and then so long that batches end, are copied in, fail or are cancelled meanwhile.
        harness.killTime = .milliseconds([0.05, 5].randomElement(using: &generator) ?? 0)
        harness.timerDelay = .milliseconds(Double.random(in: 0...8, using: &generator))
        for _ in 0..<Int.random(in: 0...3, using: &generator) { addDevice() }
        for _ in 0..<Int.random(in: 1...5, using: &generator) { addModel() }
        harness.fate = RandomFates(seed: seed, models: models).fate
    }

    private mutating func addDevice() {
        harness.addDevice(
            lanes: Int.random(in: 1...3, using: &generator), copies: Bool.random(using: &generator),
            canPause: Int.random(in: 0..<4, using: &generator) > 0,
            canKill: Int.random(in: 0..<4, using: &generator) > 0)
    }

    private mutating func addModel() {
        let demand = Demand(
            compute: Double.random(in: 0...1, using: &generator),
            bandwidth: Double.random(in: 0...1, using: &generator), cache: Double.random(in: 0...1, using: &generator))
        let curve = profile(
            Double.random(in: 0...8, using: &generator), Double.random(in: 0.5...4, using: &generator),
            demand: Bool.random(using: &generator) ? demand : nil, bytesIn: 500_000, bytesOut: 10_000)
        let model = ModelDescription(
            maximumBatch: [1, 2, 3, 8].randomElement(using: &generator) ?? 1,
            maximumQueued: Int.random(in: 0..<3, using: &generator) == 0
                ? Int.random(in: 1...20, using: &generator) : nil,
            profile: Int.random(in: 0..<3, using: &generator) > 0 ? curve : nil)
        let number = harness.scheduler.nextModel.index
        if number < models.count { models[number] = model } else { models.append(model) }
        if number < served.count { sights.insert("a number is given again") }
        if number < served.count { served[number] = true } else { served.append(true) }
        harness.step(.modelAdded(model))
    }

    private mutating func removeModel() {
        guard let model = served.indices.filter({ served[$0] }).randomElement(using: &generator) else { return }
        let state = harness.scheduler.state
        if state.batches.records.contains(where: { $0.isLive && $0.work.model.index == model }) {
            sights.insert("model removed while it runs")
        }
        if let probe = state.pendingProbe, state.requests[probe]?.request.work.model.index == model {
            sights.insert("model removed while it is to be probed")
        }
        served[model] = false
        harness.step(.modelRemoved(ModelID(index: model)))
        // Once more does no harm.
        if Bool.random(using: &generator) { harness.step(.modelRemoved(ModelID(index: model))) }
    }

    private mutating func removeDevice() {
        let devices = harness.scheduler.state.devices
        guard let index = devices.all.indices.randomElement(using: &generator) else { return }
        if devices.all[index].isHung { sights.insert("hung device removed") }
        for batch in devices.all[index].resident {
            if let phase = harness.scheduler.state.batches[batch]?.phase { sights.insert("taken back while \(phase)") }
        }
        let failed = harness.scheduler.counters(of: .high).failed + harness.scheduler.counters(of: .low).failed
        harness.step(.deviceRemoved(DeviceID(index: index)))
        let after = harness.scheduler.counters(of: .high).failed + harness.scheduler.counters(of: .low).failed
        if after > failed { sights.insert("failed with its second device") }
    }

    private mutating func returnDevice() {
        guard let index = harness.scheduler.state.devices.all.indices.randomElement(using: &generator) else { return }
        harness.step(.deviceReturned(DeviceID(index: index)))
    }

    mutating func play() {
        let gap = Double.random(in: 1...12, using: &generator)
        for _ in 0..<Int.random(in: 20...110, using: &generator) {
            arrive()
            if Int.random(in: 0..<4, using: &generator) == 0 { cancel() }
            switch Int.random(in: 0..<60, using: &generator) {
            case 0, 1: harness.step(.timer)
            case 2: harness.step(.timer, at: harness.now - .milliseconds(50))
            case 3: if harness.scheduler.state.devices.all.count < 4 { addDevice() }
            // A silence, so that models are probed and lanes are found to hang.
            case 4: harness.advance(by: .milliseconds(Double.random(in: 500...3000, using: &generator)))
            case 5, 6: removeDevice()
            case 7, 8, 9: returnDevice()
            case 10: removeModel()
            case 11: if models.count < 8 || served.contains(false) { addModel() }
            default: break
            }
            harness.advance(by: .milliseconds(Double.random(in: 0..<gap, using: &generator)))
            look()
        }
        if harness.scheduler.state.devices.all.isEmpty { addDevice() }
        for index in harness.scheduler.state.devices.all.indices {
            harness.step(.deviceReturned(DeviceID(index: index)))
        }
        harness.drain()
        note(harness.outcomes)
    }

    private mutating func arrive() {
        if !served.contains(true) { addModel() }
        let model = served.indices.filter { served[$0] }.randomElement(using: &generator) ?? 0
        let shape = Int.random(in: 0..<Self.elements.count, using: &generator)
        let isPatient = Int.random(in: 0..<50, using: &generator) == 0
        let id = harness.arrive(
            Bool.random(using: &generator) ? .high : .low, model: model,
            due: isPatient ? .seconds(1e10) : .milliseconds(Double.random(in: -1...200, using: &generator)),
            rows: Int.random(in: 1...models[model].maximumBatch, using: &generator), shape: UInt32(shape),
            elements: Self.elements[shape])
        asked += 1
        if recent.count < 8 { recent.append(id) } else { recent[asked % 8] = id }
    }

    /// Cancels a recent request, in whatever state it is, also one that has long been answered.
    private mutating func cancel() {
        guard let victim = recent.randomElement(using: &generator) else { return }
        switch harness.scheduler.state.requests[victim]?.state {
        case nil, .free: break
        case .waiting: sights.insert("cancelled while waiting")
        case .probing: sights.insert("cancelled while probing")
        case .running(let batch):
            if let phase = harness.scheduler.state.batches[batch]?.phase { sights.insert("cancelled while \(phase)") }
        }
        harness.step(.cancelled(victim))
    }

    private mutating func look() {
        for device in harness.scheduler.state.devices.all where device.isHung { sights.insert("hung") }
        for batch in harness.scheduler.state.batches.records where batch.isProbe { sights.insert("probe") }
    }

    private mutating func note(_ outcomes: [RequestID: Outcome]) {
        for outcome in outcomes.values {
            if case .shed(let reason, _) = outcome { sights.insert("\(reason)") } else { sights.insert("\(outcome)") }
        }
        for (action, _) in harness.stops {
            switch action {
            case .pause: sights.insert("paused")
            case .resume: sights.insert("resumed")
            default: sights.insert("to be killed")
            }
        }
        if !harness.killed.isEmpty { sights.insert("killed") }
        if harness.lateReports > 0 { sights.insert("late report") }
        if harness.killed.count < harness.stops.count(where: { if case .kill = $0.action { true } else { false } }) {
            sights.insert("done before it was killed")
        }
        for batch in harness.batches {
            if let phase = harness.fate?(batch.batch).failsIn { sights.insert("failed while \(phase)") }
        }
    }
}

/// What becomes of batches, drawn from the seed and the batch's number.
struct RandomFates: Sendable {
    private let seed: UInt64
    private let models: [ModelDescription]
    /// For each model how its true times compare to its profile: up to ten times either way.
    private var factors: [Double] = []

    init(seed: UInt64, models: [ModelDescription]) {
        self.seed = seed
        self.models = models
        var generator = SeededGenerator(seed: ~seed)
        for _ in models { factors.append([0.1, 0.5, 1, 1, 1, 2, 10].randomElement(using: &generator) ?? 1) }
    }

    func fate(_ batch: StagedBatch) -> BatchFate {
        var generator = SeededGenerator(
            seed: seed &* 31 &+ UInt64(batch.batch.generation) &* 977 &+ UInt64(batch.batch.slot))
        let alone = (4 + 2 * Double(batch.rows)) * factors[batch.model.index % factors.count]
        var kernels = alone * Double.random(in: 0.7...1.8, using: &generator)
        switch Int.random(in: 0..<100, using: &generator) {
        case 0...3: kernels *= 10
        // It hangs for a while.
        case 4: kernels = Double.random(in: 2000...60_000, using: &generator)
        default: break
        }
        var times = MeasuredTimes(
            copyIn: .milliseconds(Double.random(in: 0...2, using: &generator)), kernels: .milliseconds(kernels),
            copyOut: .milliseconds(Double.random(in: 0...2, using: &generator)))
        if Int.random(in: 0..<150, using: &generator) == 0 {
            times.copyIn = .milliseconds(Double.random(in: 2000...60_000, using: &generator))
        }
        let phases: [BatchPhase] = [.copyingIn, .running, .copyingOut]
        let fails = Int.random(in: 0..<16, using: &generator) == 0
        return BatchFate(
            times: times, failsIn: fails ? phases.randomElement(using: &generator) : nil,
            measured: Int.random(in: 0..<12, using: &generator) == 0 ? Self.nonsense(&generator) : nil)
    }

    /// Times that no clock that works would give.
    private static func nonsense(_ generator: inout SeededGenerator) -> MeasuredTimes {
        let spans: [StraitCore.Duration] = [
            .zero, Duration(nanoseconds: 1), .milliseconds(-5), .seconds(-1e6), .seconds(1e6),
            Duration(nanoseconds: .max), Duration(nanoseconds: .min), .milliseconds(3),
        ]
        func span() -> StraitCore.Duration { spans.randomElement(using: &generator) ?? .zero }
        return MeasuredTimes(copyIn: span(), kernels: span(), copyOut: span())
    }
}

/// Options with every switch thrown at random: whatever is taken away, the invariants hold.
func randomOptions(using generator: inout SeededGenerator) -> SchedulerOptions {
    var options = SchedulerOptions()
    options.estimator = EstimatorName.allCases.randomElement(using: &generator) ?? .kalman
    options.explanations = Bool.random(using: &generator) ? 16 : 0
    let switches: [WritableKeyPath<StraitOptions, Bool>] = [
        \.modelsTransfers, \.usesBias, \.usesCalibration, \.usesGate, \.usesHarm, \.usesReservation, \.limitsHold,
        \.usesUrgency, \.searchesBatchSizes, \.mixesClasses, \.usesEquity, \.prunes,
    ]
    for path in switches { options.strait[keyPath: path] = Int.random(in: 0..<4, using: &generator) > 0 }
    if Int.random(in: 0..<4, using: &generator) == 0 { options.strait.fixedMargin = 1.3 }
    if Int.random(in: 0..<4, using: &generator) == 0 { options.strait.lowFloor = 0 }
    options.strait.gateRule = GateRule.allCases.randomElement(using: &generator) ?? options.strait.gateRule
    return options
}
