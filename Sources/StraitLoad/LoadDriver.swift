// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitPlatform

/// Drives one event loop's part of a load. Everything here happens on that loop: no locks, no tasks, no waiting.
final class LoadDriver {
    /// A request on its way.
    struct Job {
        let target: Int
        let requestClass: LoadClass
        /// When it should leave, in nanoseconds of the monotonic clock.
        let scheduled: Int64
        /// Whether it counts, that is, was not part of the warm-up.
        let measured: Bool
    }

    /// Arrivals sent before the loop looks at its sockets again; a generator that is behind must not stop reading.
    private static let maximumBurst = 64
    /// How long nothing new is tried after a failure, so that a broken server is not called in a tight circle.
    private static let pauseAfterFailure = TimeAmount.milliseconds(10)

    private let settings: DriverSettings
    private let loop: NIOIsolatedEventLoop
    private let finished: EventLoopPromise<Measurement>
    private let coresBefore: [Int]
    private let pool: ConnectionPool
    private var random: RandomSource
    private var arrivals: ArrivalProcess?
    private var nextArrival: Arrival?
    private var measurement: Measurement
    private var waiting = FirstInFirstOut<Job>()
    private var outstanding = 0
    private var cpuAtWindowStart = 0.0
    private var windowIsOver = false
    private var isFinished = false

    /// Begins a load on the current event loop; `finished` is kept when the last answer is in or was given up.
    static func start(_ settings: DriverSettings, on loop: any EventLoop, finished: EventLoopPromise<Measurement>) {
        let coresBefore = CoreSet.allowed()
        if !settings.cores.isEmpty, let refusal = CoreSet.pinCurrentThread(to: settings.cores) {
            return finished.fail(
                LoadError(.system, "Cannot pin to cores \(CoreSet.list(settings.cores)): \(refusal)."))
        }
        LoadDriver(settings, loop: loop, coresBefore: coresBefore, finished: finished).begin()
    }

    private init(
        _ settings: DriverSettings, loop: any EventLoop, coresBefore: [Int], finished: EventLoopPromise<Measurement>
    ) {
        self.coresBefore = coresBefore
        self.settings = settings
        self.loop = loop.assumeIsolated()
        self.finished = finished
        // A closed loop never needs more connections than it has requests outstanding.
        let spares = if case .openLoop = settings.pace { ConnectionPool.openLoopSpares } else { 0 }
        pool = ConnectionPool(
            settings, limit: settings.maximumConnections, spares: spares, loop: loop)
        random = settings.random
        measurement = Measurement(targetCount: settings.targets.count, expectedEach: settings.expectedEach)
    }

    private func begin() {
        at(settings.windowStart) { self.cpuAtWindowStart = threadCPUSeconds() }
        at(settings.windowEnd) { self.endWindow() }
        at(settings.giveUp) { self.finish() }
        if settings.onProgress != nil { reportProgress(at: settings.start + 1_000_000_000) }
        switch settings.pace {
        case .openLoop(let rate):
            var process = ArrivalProcess(requestsPerSecond: rate, mix: settings.mix, random: random)
            nextArrival = process.next()
            arrivals = process
            pool.openSpares(for: self)
            sendDue()
        case .closedLoop(let outstanding):
            pool.open(outstanding, for: self)
            at(settings.start) { for _ in 0..<outstanding { self.sendNext() } }
        }
    }

    // -- sending -------------------------------------------------------------------------------------------------

    /// Open loop: sends every arrival whose instant has come, and sets the timer for the one after.
    private func sendDue() {
        let now = currentTime()
        for _ in 0..<Self.maximumBurst {
            guard let instant = nextInstant, !isFinished else { return finishIfDone() }
            guard instant <= now else {
                at(instant) { self.sendDue() }
                return
            }
            if let job = takeNextArrival() { send(job) }
        }
        loop.execute { self.sendDue() }
    }

    /// Open loop: when the next arrival is due; nil when all that belong to the load have been taken.
    private var nextInstant: Int64? {
        guard let nextArrival else { return nil }
        let instant = settings.start + nextArrival.offset
        return instant < settings.windowEnd ? instant : nil
    }

    private func takeNextArrival() -> Job? {
        guard let instant = nextInstant, let arrival = nextArrival else { return nil }
        nextArrival = arrivals?.next()
        return schedule(arrival.target, arrival.requestClass, at: instant)
    }

    /// Closed loop: sends one request now.
    private func sendNext() {
        let now = currentTime()
        guard now < settings.windowEnd, !isFinished else { return }
        let (target, requestClass) = settings.mix.draw(&random)
        send(schedule(target, requestClass, at: now))
    }

    /// Counts a request as sent, whatever becomes of it.
    private func schedule(_ target: Int, _ requestClass: LoadClass, at scheduled: Int64) -> Job {
        let job = Job(
            target: target, requestClass: requestClass, scheduled: scheduled,
            measured: scheduled >= settings.windowStart)
        if job.measured { measurement.tallies[index(of: job)].noteScheduled() }
        settings.progress.noteScheduled()
        measurement.requestsStarted += 1
        outstanding += 1
        return job
    }

    private func send(_ job: Job) {
        if let connection = pool.takeIdle() {
            send(job, over: connection)
        } else {
            if pool.isExhausted, job.measured { measurement.waitedForConnection += 1 }
            waiting.append(job)
        }
        pool.openSpares(for: self, waiting: waiting.count)
    }

    private func send(_ job: Job, over connection: any LoadConnection) {
        let now = currentTime()
        if job.measured { measurement.tallies[index(of: job)].noteLag(now - job.scheduled) }
        connection.send(job, settings.targets[job.target].requests[job.requestClass.rawValue], at: now)
    }

    // -- what connections tell -----------------------------------------------------------------------------------

    /// A connection is open, or free again.
    func connectionIsFree(_ connection: any LoadConnection) {
        if let job = waiting.popFirst() {
            send(job, over: connection)
        } else {
            pool.giveBack(connection)
        }
    }

    /// A connection opened.
    func connectionOpened(_ connection: any LoadConnection) {
        guard !isFinished else { return connection.close() }
        pool.opened(connection)
        connectionIsFree(connection)
    }

    /// A connection could not be opened. One waiting request pays for it, so that a dead server fails every request
    /// soon, and a crowded one few.
    func connectionFailedToOpen(_ error: any Error) {
        pool.failedToOpen()
        guard !isFinished else { return }
        if pool.isEmpty, let job = waiting.popFirst() {
            let now = currentTime()
            if job.measured { measurement.tallies[index(of: job)].noteLag(now - job.scheduled) }
            end(job, .failed, latency: 0, serverLatency: 0, failure: "cannot connect: \(reason(error))")
        }
        loop.scheduleTask(in: Self.pauseAfterFailure) {
            if !self.isFinished { self.pool.open(min(self.waiting.count, 1), for: self) }
        }
    }

    /// A connection closed, perhaps under a request.
    func connectionClosed(_ connection: any LoadConnection, unanswered job: Job?, why: String) {
        pool.closed(connection)
        if let job { end(job, .failed, latency: 0, serverLatency: 0, failure: why) }
        guard !isFinished else { return }
        pool.openSpares(for: self, waiting: waiting.count)
    }

    /// An answer is complete; its connection is still taken.
    func answered(_ job: Job, status: Int, sentAt: Int64, excerpt: String) {
        let now = currentTime()
        let latency = now - job.scheduled
        let outcome = Outcome(
            status: status, latency: latency,
            deadline: settings.targets[job.target].deadlines[job.requestClass.rawValue])
        if status == 200, now >= settings.windowStart, now < settings.windowEnd { measurement.answeredInWindow += 1 }
        end(
            job, outcome, latency: latency, serverLatency: now - sentAt,
            failure: outcome == .failed ? "\(settings.targets[job.target].model): status \(status) \(excerpt)" : "")
    }

    private func end(_ job: Job, _ outcome: Outcome, latency: Int64, serverLatency: Int64, failure: String) {
        outstanding -= 1
        settings.progress.noteEnd(outcome)
        if job.measured {
            measurement.tallies[index(of: job)].noteEnd(outcome, latency: latency, serverLatency: serverLatency)
            if outcome == .failed { measurement.noteFailure(failure) }
        }
        if windowIsOver {
            finishIfDone()
        } else if case .closedLoop = settings.pace {
            // In a turn of its own: the connection that brought this answer is then free.
            if outcome == .failed {
                loop.scheduleTask(in: Self.pauseAfterFailure) { self.sendNext() }
            } else {
                loop.execute { self.sendNext() }
            }
        }
    }

    // -- the end -------------------------------------------------------------------------------------------------

    private func endWindow() {
        windowIsOver = true
        measurement.cpuSeconds = threadCPUSeconds() - cpuAtWindowStart
        finishIfDone()
    }

    private func finishIfDone() {
        if windowIsOver && outstanding == 0 && nextInstant == nil { finish() }
    }

    /// Gives up what has no answer yet and hands over the measurement.
    private func finish() {
        guard !isFinished else { return }
        isFinished = true
        let now = currentTime()
        // Only a generator that stood still for the whole tail wait has arrivals left; they count like any other.
        while let job = takeNextArrival() { waiting.append(job) }
        while let job = waiting.popFirst() {
            if job.measured { measurement.tallies[index(of: job)].noteLag(now - job.scheduled) }
            end(job, .failed, latency: 0, serverLatency: 0, failure: "never sent: no connection was free in time")
        }
        for connection in pool.all {
            if let job = connection.abandon() {
                end(job, .failed, latency: 0, serverLatency: 0, failure: "no answer by the end of the tail wait")
            }
            connection.close()
        }
        measurement.connections = pool.peak
        // A thread starts on the cores of the one that started it, and keeping this promise may start one: unpin first,
        // or whatever the process runs next is confined to the generator's cores. At worst it stays pinned.
        if !settings.cores.isEmpty { _ = CoreSet.pinCurrentThread(to: coresBefore) }
        finished.succeed(measurement)
    }

    // -- small things --------------------------------------------------------------------------------------------

    private func reportProgress(at instant: Int64) {
        at(instant) {
            guard !self.isFinished else { return }
            let seconds = Double(currentTime() - self.settings.start) / 1e9
            self.settings.onProgress?(self.settings.progress.snapshot(seconds: seconds))
            self.reportProgress(at: instant + 1_000_000_000)
        }
    }

    private func index(of job: Job) -> Int {
        Measurement.index(target: job.target, requestClass: job.requestClass)
    }

    private func at(_ instant: Int64, _ action: @escaping () -> Void) {
        loop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(0, instant))), action)
    }
}

/// Now, in nanoseconds of NIO's monotonic clock.
func currentTime() -> Int64 { Int64(NIODeadline.now().uptimeNanoseconds) }
