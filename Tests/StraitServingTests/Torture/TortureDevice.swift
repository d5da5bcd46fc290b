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
    let runsInline = true
    var laneCount: Int { lanes.count }
    /// How it copies; nil for one whose batches are on their lanes from their beginning to their end.
    let copying: CopyDescription?

    /// A batch on a lane or on its way back, and what becomes of it.
    struct Running {
        let batch: DeviceBatch
        let since: Instant
        /// When the phase that it is in ends; never for one that hangs until it is released.
        var end: Instant
        /// How long the phases take that follow.
        var ahead: [Duration] = []
        var phase = Phase.kernels
        /// Whether a thread reports the end of one of its phases just now.
        var isReporting = false
        var fails: Bool
        /// The parts that fail when they run one by one, of a batch that had failed as a whole; nil for any other.
        var failingParts: Set<Int>?
        /// Whether it fails because its device is lost, or gives it up to work again.
        var isLost = false
        let measured: MeasuredTimes

        /// Whether it goes back to its host when this phase ends.
        var isLast: Bool { ahead.isEmpty }
    }

    /// How far a batch has come.
    enum Phase: Equatable {
        case copyIn, kernels, copyOut
    }

    /// Where a batch is on the device.
    enum Place: Equatable {
        case lane(Int)
        /// It has left its lane, and its results are being copied back.
        case onTheWayBack(BatchID)
    }

    struct Lane {
        var running: Running?
        /// A batch that came while the lane reports the one before.
        var next: DeviceBatch?
        var isReporting = false

        /// The batch that is on the lane or comes next.
        var batch: DeviceBatch? { running?.batch ?? next }
    }

    var lanes: [Lane]
    /// Batches whose results are being copied back.
    private(set) var returning: [Running] = []
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
    var sights: Set<String> = []

    /// Whether it can run nothing until it is probed.
    private(set) var isLost = false
    /// The models in its memory, by their numbers.
    private(set) var inMemory: Set<Int> = []

    let clock: VirtualClock
    let pool: SlabPool
    let faults: Faults
    var generator: Seeded
    /// The engine, which owns this.
    private weak var driver: (any LaneDriver)?
    private var loaded = 0

    init(
        name: String, lanes: Int, copying: CopyDescription? = nil, clock: VirtualClock, pool: SlabPool, faults: Faults,
        seed: UInt64
    ) {
        self.name = name
        self.copying = copying
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
        if held.contains(where: { $0.model.number == model.number }) { fail("a model is freed while it runs") }
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
        for place in places where running(at: place)?.end == .never {
            change(place) { $0.isLost = true }
            sights.insert("a device gives up what hangs")
            end(place)
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
        guard copying == nil, !lanes[index].isReporting, let running = lanes[index].running,
            running.batch.batch == batch.batch, running.end < .never
        else { return }
        sights.insert("a batch is run inline")
        clock.time = max(clock.time, running.end)
        end(.lane(index))
    }

    func stop() {}

    // -- what the test makes of it --------------------------------------------------------------------------------

    /// The batches that it was given and has not reported.
    var held: [DeviceBatch] { lanes.compactMap(\.batch) + returning.map(\.batch) }

    /// Where batches are that have begun.
    var places: [Place] {
        lanes.indices.filter { lanes[$0].running != nil }.map(Place.lane)
            + returning.map { Place.onTheWayBack($0.batch.batch) }
    }

    private func running(at place: Place) -> Running? {
        switch place {
        case .lane(let index): lanes[index].running
        case .onTheWayBack(let batch): returning.first { $0.batch.batch == batch }
        }
    }

    private func change(_ place: Place, _ body: (inout Running) -> Void) {
        switch place {
        case .lane(let index):
            guard var running = lanes[index].running else { return }
            body(&running)
            lanes[index].running = running
        case .onTheWayBack(let batch):
            guard let index = returning.firstIndex(where: { $0.batch.batch == batch }) else { return }
            body(&returning[index])
        }
    }

    /// Whether the phase of the batch at a place can end: a thread that reports of it has to come to an end first.
    private func isFree(_ place: Place) -> Bool {
        guard let running = running(at: place), !running.isReporting else { return false }
        if case .lane(let index) = place { return !lanes[index].isReporting }
        return true
    }

    /// Ends the phase of the batch at a place, and reports that.
    func end(_ place: Place) {
        guard let driver, isFree(place), let running = running(at: place) else { return }
        // What fails or is lost is reported in any phase.
        guard !running.isLast, !running.isLost, !(running.fails && generator.chance(0.3)) else {
            return finish(place, running, for: driver)
        }
        change(place) { running in
            let next = running.ahead.removeFirst()
            running.end = clock.time + next
            running.phase = running.phase == .copyIn ? .kernels : .copyOut
        }
        guard case .lane(let index) = place else { return fail("a batch copies its results back twice") }
        if running.phase == .copyIn {
            change(place) { $0.isReporting = true }
            driver.copiedIn(running.batch)
            change(place) { $0.isReporting = false }
            return
        }
        // By the time that this is reported the lane may have its next batch.
        guard var leaving = lanes[index].running else { return }
        leaving.isReporting = true
        returning.append(leaving)
        lanes[index].running = nil
        driver.kernelsDone(running.batch)
        change(.onTheWayBack(running.batch.batch)) { $0.isReporting = false }
    }

    /// Reports the end of a batch.
    private func finish(_ place: Place, _ running: Running, for driver: any LaneDriver) {
        ends(running)
        reports += 1
        if copying != nil { sights.insert("a batch ends in \(running.phase)\(running.isLost ? ", lost" : "")") }
        let result = result(of: running)
        guard case .lane(let index) = place else {
            returning.removeAll { $0.batch.batch == running.batch.batch }
            if driver.laneFinished(running.batch, result) != nil {
                fail("a batch that had left its lane brings another")
            }
            return
        }
        lanes[index].running = nil
        lanes[index].isReporting = copying == nil
        let next = driver.laneFinished(running.batch, result)
        guard copying == nil else {
            if next != nil { fail("a device that copies is given a batch by the way") }
            return
        }
        lanes[index].isReporting = false
        let waiting = lanes[index].next
        lanes[index].next = nil
        if next != nil, waiting != nil { fail("lane \(index) is booked twice while it reports") }
        if let next, next.lane.index != index { fail("lane \(index) is given another lane's batch") }
        if let batch = next ?? waiting { begin(batch, on: index) }
    }

    /// Where a phase ends next, and when.
    var nextEnd: (place: Place, at: Instant)? {
        let ends = places.filter(isFree).compactMap { place in running(at: place).map { (place: place, at: $0.end) } }
        return ends.min { $0.at < $1.at }.flatMap { $0.at < .never ? $0 : nil }
    }

    /// Where a phase may end at any moment.
    var endable: [Place] {
        places.filter { place in isFree(place) && running(at: place).map { $0.end < .never } ?? false }
    }

    /// It can run nothing any more: what is on it is lost, and what comes.
    func lose() {
        guard !isLost else { return }
        isLost = true
        for place in places {
            let end = clock.time + .milliseconds(Double.random(in: 0...50, using: &generator))
            change(place) { running in
                running.isLost = true
                running.end = end
            }
        }
        sights.insert("a device is lost")
        // Or it is noticed by its batches alone.
        if generator.chance(0.6) { driver?.deviceLost(self, DeviceError(.deviceLost, "\(name) is gone")) }
    }

    /// Lets go on what would hang for ever.
    func release() {
        for place in places where running(at: place)?.end == .never { change(place) { $0.end = clock.time } }
    }

    private func fail(_ message: String) { broken = broken ?? message }
}
