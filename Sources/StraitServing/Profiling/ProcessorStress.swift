// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitPlatform
internal import Synchronization

/// Puts the cores of a device under stress, and knows how much of it they can take.
struct ProcessorStress: Sendable {
    /// All cores of the device, each once, the first lane's first.
    private let cores: [Int]
    /// Pieces of work a second that all of them together can do.
    private var most: [ProfileRecord.Stressor: Double] = [:]

    /// Bytes that all threads sweep over together: twice the last cache, so that nothing is left in it from one round to the
    /// next.
    private static let sweptBytes = 2 * (Processor.lastLevelCache ?? 0)
    /// What each sweeps over at least, on processors whose cores share caches in groups.
    private static let leastSweptBytes = 32 << 20
    /// How long the most is measured, several times: the best counts, because others only ever take away.
    private static let calibration = Duration.milliseconds(200)
    private static let calibrations = 3

    init(cores: [Int]) {
        var seen: Set<Int> = []
        self.cores = cores.filter { seen.insert($0).inserted }
        for stressor in ProfileRecord.Stressor.allCases {
            let rates = (0..<Self.calibrations).map { _ in rate(stressor) }
            most[stressor] = max(rates.max() ?? 1, 1)
        }
    }

    /// The core of the first lane.
    var firstCore: Int? { cores.first }

    /// Arithmetic on all cores of the device; sweeps through memory on those that are not the first lane's, so that a batch
    /// there is short of memory and of nothing else.
    private func cores(of stressor: ProfileRecord.Stressor) -> [Int] {
        switch stressor {
        case .compute: cores
        case .bandwidth: cores.count > 1 ? Array(cores.dropFirst()) : cores
        }
    }

    /// Whether a batch on the first lane has to share its core with the stressor while others have none.
    func takesTurns(_ stressor: ProfileRecord.Stressor) -> Bool { stressor == .bandwidth && cores.count == 1 }

    /// Starts a stressor, to be stopped by who asked.
    func start(_ stressor: ProfileRecord.Stressor) -> StressThreads { threads(stressor, on: cores(of: stressor)) }

    private func threads(_ stressor: ProfileRecord.Stressor, on cores: [Int]) -> StressThreads {
        let bytes = max(Self.leastSweptBytes, Self.sweptBytes / cores.count)
        return StressThreads(stressor == .compute ? .compute : .memory(bytes: bytes), cores: cores)
    }

    /// Work as a share of the most that the device can do in that time.
    func share(_ stressor: ProfileRecord.Stressor, work: Int, nanoseconds: Int64) -> Double {
        guard nanoseconds > 0, let most = most[stressor] else { return 0 }
        return Double(work) / (Double(nanoseconds) / 1e9) / most
    }

    private func rate(_ stressor: ProfileRecord.Stressor) -> Double {
        let threads = threads(stressor, on: cores)
        defer { threads.stop() }
        let pause = Wakeup()
        func sleep(_ span: Duration) {
            _ = pause.wait(untilNanoseconds: MonotonicClock.nanoseconds() + span.nanoseconds)
        }
        while !threads.haveBegun { sleep(.milliseconds(1)) }
        let (start, before) = (MonotonicClock.nanoseconds(), threads.work)
        sleep(Self.calibration)
        return Double(threads.work - before) / (Double(MonotonicClock.nanoseconds() - start) / 1e9)
    }
}

/// The fixed piece of work, done once on a core as a lane would do it.
struct ReferenceThread {
    /// How long it took.
    let took: Duration

    init(core: Int?) {
        let nanoseconds = Mutex<Int64>(1)
        let thread = SystemThread(name: "reference", cores: core.map { [$0] }) {
            let start = MonotonicClock.nanoseconds()
            Stress.doReferenceWork()
            let took = MonotonicClock.nanoseconds() - start
            nanoseconds.withLock { $0 = max(1, took) }
        }
        thread.join()
        took = Duration(nanoseconds: nanoseconds.withLock { $0 })
    }
}
