// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitFormats
internal import StraitProtocol
internal import StraitTensor

@testable internal import StraitServing

/// A whole server but for its sockets, from a seed: clients, models, an engine, a device, all in virtual time on the test's
/// own thread, with faults. Everything is checked after each thing that happens.
///
/// Threads are played: wherever the engine does something outside of its lock, such as handing over a batch or an answer,
/// another thread may come in between. So what a late timer call or a lane that is quick can do is seen, in any order that
/// is nested; that the lock itself works is left to the sanitizer.
// @unchecked: see the clock.
final class TortureRun: @unchecked Sendable {
    let label: String
    let clock = VirtualClock()
    let timer = VirtualTimer()
    let upkeep = VirtualTimer()
    let devices: [TortureDevice]
    let engine: Engine
    let service: InferenceService
    let pool: SlabPool
    let faults: Faults
    var generator: Seeded
    var clients: [Client] = []
    /// The models that take requests, those that joined late included.
    var models: [ServedModel] = []
    /// How many drains began and ended.
    var drains = (begun: 0, ended: 0)
    /// What broke first.
    private(set) var broken: String?
    /// What happened, to know that everything does somewhere.
    var sights: Set<String> = []
    /// A sum over all that happened, to compare two runs by.
    private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325
    /// How many threads are in the midst of something.
    private var depth = 0
    /// By how much timer calls are late at most.
    private let timerDelay: Duration
    private var timerDue: (alarm: Instant, at: Instant)?
    let recorded: RecordedTraffic?
    let keeping: Keeping?
    /// Who asks; nil where nobody wants to know.
    let tenants: TortureTenants?
    /// What threads that brought requests have still to do themselves.
    var postponed: [@Sendable () -> Void] = []
    /// A page that is open.
    let feed: TortureFeed?
    /// The last time that was told to who watches.
    var watchedAt = Instant.zero
    /// What was counted of models that are unloaded.
    var pastStatistics: [ModelStatistics] = []
    /// Models that are unloaded or being so, by name.
    var unloading: Set<String> = []
    /// How many batches had ended when the last look was taken.
    var lookedAt = 0

    /// A run.
    init(seed: UInt64, _ files: TortureModels) throws {
        generator = Seeded(state: seed)
        // Half of the seeds go to the policy that matters most.
        let policy = seed % 2 == 0 ? PolicyName.strait : PolicyName.live[Int(seed / 2) % PolicyName.live.count]
        label = "seed \(seed), \(policy.rawValue): "
        faults = Faults(using: &generator)
        pool = SlabPool(budget: SlabPool.smallestSlab * Int.random(in: 6...80, using: &generator))
        var devices: [TortureDevice] = []
        for index in 0..<UInt64(generator.one(of: [1, 1, 2, 3])) {
            devices.append(
                TortureDevice(
                    name: "device \(index)", lanes: Int.random(in: 1...(index == 0 ? 4 : 2), using: &generator),
                    copying: generator.chance(0.35)
                        ? CopyDescription(overhead: .microseconds(200), bytesPerSecond: 1e9) : nil, clock: clock,
                    pool: pool, faults: faults, seed: ~seed &+ index))
        }
        self.devices = devices
        let limits = SchedulerLimits(maximumWaiting: Int.random(in: 4...80, using: &generator))
        engine = Engine(
            policy: policy, limits: limits, devices: devices, clock: clock, timer: timer, upkeep: upkeep,
            // Half of the runs remember, some of them less than what goes on at a time.
            decisions: seed % 4 < 2 ? 0 : Int(seed % 40),
            // In a third of the runs who brings a request may run it.
            inlineLimit: seed % 3 == 1 ? .milliseconds(12) : .zero)
        let knowledge = try PriorKnowledge(
            for: devices, profile: .beside(repository: files.repository), learned: nil, quickProfiler: nil,
            log: { _ in }
        )
        let catalog = try ModelCatalog(
            repository: files.repository, engine: engine, pool: pool, knowledge: knowledge)
        service = InferenceService(engine: engine, catalog: catalog, pool: pool)
        models = catalog.served
        // Where a policy asks to be called again each half millisecond, a late timer also saves time.
        timerDelay = .milliseconds(Double.random(in: 0...6, using: &generator))
        recorded = generator.chance(0.3) ? RecordedTraffic(engine) : nil
        var keeps = generator.chance(0.1)
        if recorded != nil { keeps = false }
        keeping = keeps ? try Keeping(engine, models, knowledge, at: "\(files.repository)/../\(seed)") : nil
        tenants = generator.chance(0.4) ? TortureTenants(using: &generator) : nil
        var isWatched = generator.chance(0.3)
        if recorded != nil || keeps { isWatched = false }
        feed = isWatched ? TortureFeed(engine) : nil
        timer.meanwhile = { [unowned self] in meanwhile() }
        upkeep.meanwhile = { [unowned self] in meanwhile() }
        for device in devices {
            device.meanwhile = { [unowned self] in meanwhile() }
            device.starts = { [unowned self] in started($0) }
            device.ends = { [unowned self] in ended($0) }
        }
        engine.start()
        if generator.chance(0.3) { takeUpLearned() }
    }

    func fail(_ message: String) {
        broken = broken ?? "\(label)\(message), after \((clock.time - Instant.zero).milliseconds) ms"
    }

    /// Takes note of something that both of two equal runs must do.
    func note(_ values: Int...) {
        for value in values { digest = (digest ^ UInt64(bitPattern: Int64(value))) &* 0x100_0000_01B3 }
    }

    // -- the script -----------------------------------------------------------------------------------------------

    func play() {
        let gap = Double.random(in: 0.5...10, using: &generator)
        // Some drain in the middle of it all.
        let drainShare = generator.one(of: [0, 0, 0.01])
        look()
        // A few are long enough for what needs hundreds of completions.
        let length = generator.chance(0.02) ? 600 : Int.random(in: 30...150, using: &generator)
        for _ in 0..<length where broken == nil {
            happen(drainShare)
            pass(.milliseconds(Double.random(in: 0..<gap, using: &generator)))
        }
        end()
    }

    private func happen(_ drainShare: Double) {
        if generator.chance(0.5) { computePostponed() }
        submit()
        look()
        if generator.chance(0.2) { cancel() }
        if generator.chance(0.1) { forget() }
        if generator.chance(drainShare) { drain() }
        switch Int.random(in: 0..<120, using: &generator) {
        case 0: jump(.seconds(Double.random(in: 0.1...100, using: &generator)))
        case 1: pass(.milliseconds(Double.random(in: 500...3000, using: &generator)))
        case 2, 3:
            // As a load does that takes its time from everything else.
            if generator.chance(0.5) { jump(.milliseconds(Double.random(in: 1...5000, using: &generator))) }
            addModel()
        case 4: timer.fire()
        case 5: unloadModel()
        default: break
        }
        if generator.chance(faults.losses) { generator.one(of: devices).lose() }
        if generator.chance(faults.setbacks) { setBack() }
        recorded?.take()
        if generator.chance(0.05) { keeping?.save() }
        if generator.chance(0.1) { watch() }
        tenants?.change(using: &generator)
        look()
    }

    /// The clock goes on without anything else: the machine slept, or the process did.
    private func jump(_ time: Duration) {
        sights.insert("the clock jumps")
        clock.time = clock.time + time
    }

    /// The clock goes back, or comes right again.
    private func setBack() {
        sights.insert("the clock goes back")
        clock.setback = clock.setback > .zero ? .zero : .milliseconds(Double.random(in: 1...5000, using: &generator))
    }

    /// Lets the engine come to rest, with all its lanes in the end.
    private func end() {
        clock.setback = .zero
        drain()
        settle()
        checkRest()
        // What waited for a lane that hung may hang in its turn.
        while broken == nil, devices.contains(where: { !$0.held.isEmpty }) {
            for device in devices { device.release() }
            settle()
        }
        submit()
        look()
        checkEnd()
        engine.stop()
    }

    // -- time -----------------------------------------------------------------------------------------------------

    /// Lets time pass: batches end, the timer calls.
    private func pass(_ duration: Duration) {
        let end = clock.time + duration
        while broken == nil, let next = next(), next.at <= end { happen(next) }
        clock.time = max(clock.time, end)
    }

    /// What happens next by itself.
    private enum Cause {
        case end(device: Int, TortureDevice.Place)
        case timer
        case upkeep
    }

    private func next() -> (cause: Cause, at: Instant)? {
        var next: (cause: Cause, at: Instant) = (.timer, timerCall())
        let probe = upkeep.alarm.instant < .never ? max(clock.time, clock.shows(upkeep.alarm.instant)) : .never
        if probe < next.at { next = (.upkeep, probe) }
        for (index, device) in devices.enumerated() {
            if let end = device.nextEnd, end.at <= next.at { next = (.end(device: index, end.place), end.at) }
        }
        return next.at < .never ? next : nil
    }

    /// When the timer's thread gets to call.
    private func timerCall() -> Instant {
        let alarm = timer.alarm.instant
        guard alarm < .never else { return .never }
        if timerDue?.alarm != alarm {
            let late = timerDelay * Double.random(in: 0...1, using: &generator)
            timerDue = (alarm, max(clock.time, clock.shows(alarm)) + late)
        }
        return max(timerDue?.at ?? alarm, clock.shows(alarm))
    }

    private func happen(_ next: (cause: Cause, at: Instant)) {
        clock.time = max(clock.time, next.at)
        switch next.cause {
        case .end(let device, let place): devices[device].end(place)
        case .timer: timer.fire()
        case .upkeep: upkeep.fire()
        }
        look()
    }

    /// Everything that will happen by itself happens.
    private func settle() {
        computePostponed()
        var count = 0
        while broken == nil, let next = next() {
            happen(next)
            count += 1
            if count > Self.mostEvents { fail("it does not come to rest") }
        }
    }

    /// Far more than the few hundred requests of a run bring about.
    private static let mostEvents = 50_000

    // -- other threads --------------------------------------------------------------------------------------------

    /// Another thread does something.
    func meanwhile() {
        guard broken == nil, depth < 3, generator.chance(faults.meanwhile) else { return }
        depth += 1
        defer { depth -= 1 }
        clock.time = clock.time + .microseconds(Int64.random(in: 0...300, using: &generator))
        if generator.chance(faults.losses) { generator.one(of: devices).lose() }
        switch Int.random(in: 0..<18, using: &generator) {
        case 0..<4: submit()
        case 4..<7: cancel()
        case 7..<12:
            let device = generator.one(of: devices)
            let places = device.endable
            guard !places.isEmpty else { return }
            sights.insert("a lane ends its batch meanwhile")
            device.end(generator.one(of: places))
        case 12..<14:
            guard timer.alarm.instant <= clock.now() else { return }
            sights.insert("the timer calls meanwhile")
            timer.fire()
        case 14: watch()
        case 15..<17: if drains.begun > 0 || generator.chance(0.02) { drain() }
        default: forget()
        }
    }

    /// Whether nobody is in the midst of anything.
    var isQuiet: Bool { depth == 0 }
}
