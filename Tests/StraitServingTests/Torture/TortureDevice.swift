// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitServing
internal import StraitTensor

/// A device whose lanes run in virtual time, and badly: what becomes of each batch is drawn from the seed.
///
/// It behaves as lanes on threads of their own do: a lane that reports the end of a batch may be given its next one by
/// another thread before that report returns.
// @unchecked: see the clock.
final class TortureDevice: Device, @unchecked Sendable {
    let name: String
    var laneCount: Int { lanes.count }

    /// A batch on a lane, and what becomes of it.
    struct Running {
        let batch: DeviceBatch
        let since: Instant
        /// When it ends; never for one that hangs until it is released.
        var end: Instant
        var fails: Bool
        /// Whether it fails because its device is lost, or gives it up to work again.
        var isLost = false
        let measured: MeasuredTimes
    }

    struct Lane {
        var running: Running?
        /// A batch that came while the lane reports the one before.
        var next: DeviceBatch?
        var isReporting = false

        /// The batch that is on the lane or comes next.
        var batch: DeviceBatch? { running?.batch ?? next }
    }

    private(set) var lanes: [Lane]
    /// What it did that its contract forbids.
    private(set) var broken: String?
    /// What other threads do while a batch is handed over.
    var meanwhile: () -> Void = {}
    /// Told of each batch that starts, and of each that ends before its end is reported.
    var starts: (DeviceBatch) -> Void = { _ in }
    var ends: (Running) -> Void = { _ in }
    /// How many batches have ended.
    private(set) var reports = 0
    /// What happened, to know that everything does somewhere.
    private(set) var sights: Set<String> = []

    /// Whether it can run nothing until it is probed.
    private(set) var isLost = false
    /// The models in its memory, by their numbers.
    private(set) var inMemory: Set<Int> = []

    private let clock: VirtualClock
    private let pool: SlabPool
    private let faults: Faults
    private var generator: Seeded
    /// The engine, which owns this.
    private weak var driver: (any LaneDriver)?
    private var loaded = 0

    init(name: String, lanes: Int, clock: VirtualClock, pool: SlabPool, faults: Faults, seed: UInt64) {
        self.name = name
        self.lanes = Array(repeating: Lane(), count: lanes)
        self.clock = clock
        self.pool = pool
        self.faults = faults
        generator = Seeded(state: seed)
    }

    // -- the contract ---------------------------------------------------------------------------------------------

    func load(path: String, name: String) throws(DeviceError) -> LoadedModel {
        guard !generator.chance(faults.loadFails) else {
            sights.insert("a model cannot be loaded")
            throw DeviceError(.cannotLoad, "model \(name): out of memory")
        }
        loaded += 1
        inMemory.insert(loaded)
        return LoadedModel(
            number: loaded,
            inputs: [TensorSignature(name: "in", type: .fp32, dimensions: [-1, -1], symbols: ["batch", "n"])],
            outputs: [TensorSignature(name: "out", type: .fp32, dimensions: [-1, -1], symbols: ["batch", "n"])])
    }

    func unload(_ model: LoadedModel) {
        if lanes.contains(where: { $0.batch?.model.number == model.number }) { fail("a model is freed while it runs") }
        if inMemory.remove(model.number) == nil { fail("a model is freed twice") }
        sights.insert("a model is freed")
    }

    func probe() throws(DeviceError) {
        meanwhile()
        defer { meanwhile() }
        if isLost {
            guard generator.chance(0.6) else {
                sights.insert("a probe fails")
                throw DeviceError(.deviceLost, "\(name) is still lost")
            }
            isLost = false
            sights.insert("a lost device works again")
        }
        // Now and then it can reset itself, and gives up what hangs.
        guard generator.chance(0.3) else { return }
        for index in lanes.indices where lanes[index].running?.end == .never {
            lanes[index].running?.isLost = true
            sights.insert("a device gives up what hangs")
            end(index)
        }
    }

    func start(driver: any LaneDriver) { self.driver = driver }

    func run(_ batch: DeviceBatch, on lane: LaneID) {
        meanwhile()
        let index = lane.index
        if batch.lane != lane { fail("\(batch.batch) for lane \(batch.lane) comes to lane \(lane)") }
        if lanes[index].batch != nil { fail("lane \(index) is booked twice") }
        if !inMemory.contains(batch.model.number) { fail("a batch of a model that was freed") }
        if lanes[index].isReporting {
            sights.insert("a lane is given its next batch while it reports")
            lanes[index].next = batch
        } else {
            begin(batch, on: index)
        }
        meanwhile()
    }

    /// The thread that brought a request computes, which takes its time; unless its batch waits for the lane, or hangs.
    func runInline(_ batch: DeviceBatch) {
        run(batch, on: batch.lane)
        let index = batch.lane.index
        guard !lanes[index].isReporting, let running = lanes[index].running, running.batch.batch == batch.batch,
            running.end < .never
        else { return }
        sights.insert("a batch is run inline")
        clock.time = max(clock.time, running.end)
        end(index)
    }

    func stop() {}

    // -- what the test makes of it --------------------------------------------------------------------------------

    /// Ends the batch on a lane, and reports that.
    func end(_ index: Int) {
        guard let driver, let running = lanes[index].running, !lanes[index].isReporting else { return }
        ends(running)
        reports += 1
        lanes[index].running = nil
        lanes[index].isReporting = true
        let next = driver.laneFinished(running.batch, result(of: running))
        lanes[index].isReporting = false
        let waiting = lanes[index].next
        lanes[index].next = nil
        if next != nil, waiting != nil { fail("lane \(index) is booked twice while it reports") }
        if let next, next.lane.index != index { fail("lane \(index) is given another lane's batch") }
        if let batch = next ?? waiting { begin(batch, on: index) }
    }

    /// The lane on which a batch ends next, and when.
    var nextEnd: (lane: Int, at: Instant)? {
        let busy = lanes.indices.filter { lanes[$0].running != nil && !lanes[$0].isReporting }
        let ends = busy.compactMap { lane in lanes[lane].running.map { (lane: lane, at: $0.end) } }
        return ends.min { $0.at < $1.at }.flatMap { $0.at < .never ? $0 : nil }
    }

    /// The lanes whose batch may end at any moment.
    var endable: [Int] {
        lanes.indices.filter { index in
            guard let running = lanes[index].running, !lanes[index].isReporting else { return false }
            return running.end < .never
        }
    }

    /// It can run nothing any more: what is on it is lost, and what comes.
    func lose() {
        guard !isLost else { return }
        isLost = true
        for index in lanes.indices where lanes[index].running != nil {
            lanes[index].running?.isLost = true
            lanes[index].running?.end = clock.time + .milliseconds(Double.random(in: 0...50, using: &generator))
        }
        sights.insert("a device is lost")
        // Or it is noticed by its batches alone.
        if generator.chance(0.6) { driver?.deviceLost(self, DeviceError(.deviceLost, "\(name) is gone")) }
    }

    /// Lets the lanes go on that would hang for ever.
    func release() {
        for index in lanes.indices where lanes[index].running?.end == .never { lanes[index].running?.end = clock.time }
    }

    private func begin(_ batch: DeviceBatch, on index: Int) {
        starts(batch)
        var time = Duration.milliseconds(
            (1 + 3 * Double(batch.model.number)) * (1 + 0.4 * Double(batch.rows))
                * Double.random(in: 0.7...1.5, using: &generator))
        if generator.chance(faults.slow) { time = time * 10 }
        var end = clock.time + time
        if !isLost, generator.chance(faults.hangs) {
            end = clock.time + .seconds(Double.random(in: 1...90, using: &generator))
            sights.insert("a lane hangs for a while")
            if generator.chance(0.3) {
                end = .never
                sights.insert("a lane hangs for ever")
            }
        }
        let isGarbage = generator.chance(faults.garbage)
        if isGarbage { sights.insert("a device answers garbage times") }
        let honest = MeasuredTimes(copyIn: time * 0.1, kernels: time * 0.8, copyOut: time * 0.1)
        lanes[index].running = Running(
            batch: batch, since: clock.time, end: end, fails: generator.chance(faults.fails), isLost: isLost,
            measured: isGarbage ? garbage() : honest)
    }

    /// Times that no clock that works would give.
    private func garbage() -> MeasuredTimes {
        let spans: [Duration] = [
            .zero, Duration(nanoseconds: 1), .milliseconds(-5), .seconds(-1e6), .seconds(1e6),
            Duration(nanoseconds: .max), Duration(nanoseconds: .min), .milliseconds(3),
        ]
        return MeasuredTimes(
            copyIn: generator.one(of: spans), kernels: generator.one(of: spans), copyOut: generator.one(of: spans))
    }

    /// What a model makes of a value, so that each answer tells of its request and its model.
    static func output(of value: Float, model: Int) -> Float { value * 16 + Float(model) }

    private func result(of running: Running) -> Result<BatchResult, DeviceError> {
        let batch = running.batch
        guard !running.isLost else { return .failure(DeviceError(.deviceLost, "\(name) was lost")) }
        guard !running.fails else { return .failure(DeviceError(.runFailed, "model \(batch.model.number): it broke")) }
        // As on a real device, the parts share one slab.
        let inputs = batch.parts.map { $0.inputs[0] }
        let slab = pool.takeBeyondBudget(inputs.reduce(0) { $0 + $1.range.count })
        let floats = slab.bytes.bindMemory(to: Float.self)
        var outputs: [[Tensor]] = []
        var offset = 0
        for input in inputs {
            let range = offset..<offset + input.range.count
            let values = input.bytes.bindMemory(to: Float.self)
            for index in values.indices {
                floats[offset / 4 + index] = Self.output(of: values[index], model: batch.model.number)
            }
            outputs.append([Tensor(name: "out", type: .fp32, shape: input.shape, slab: slab, range: range)])
            offset = range.upperBound
        }
        return .success(BatchResult(outputs: outputs.map { .success($0) }, times: running.measured))
    }

    private func fail(_ message: String) { broken = broken ?? message }
}

/// How often what goes wrong.
struct Faults: Sendable {
    /// Shares of the batches that fail, take ten times as long, hang, and are measured nonsensically.
    var fails = 0.0
    var slow = 0.0
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
    }
}
