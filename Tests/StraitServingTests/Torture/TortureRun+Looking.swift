// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitProtocol
internal import Synchronization

@testable internal import StraitServing

// Who looks at the server while it serves, and what it brings from an earlier life.

extension TortureRun {
    /// Somebody looks: the metrics are scraped, a page is drawn, it is asked what became of requests.
    func watch() {
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: watchMetrics()
        case 1: watchGlance()
        case 2: do throws(ProtocolError) { try watchStories() } catch { fail("it cannot be told: \(error)") }
        case 3:
            let snapshot = engine.snapshot(seconds: Int.random(in: 1...60, using: &generator))
            note(snapshot.classes.count)
        case 4: keeping?.save()
        default: feed?.tick().map { fail($0) }
        }
    }

    private func watchMetrics() {
        sights.insert("metrics are scraped")
        guard let metrics = engine.metrics() else { return fail("nothing is counted for the metrics") }
        let counters = metrics.classes.map(\.counters)
        let left = counters.reduce(0) { $0 + $1.arrived - $1.ended }
        let open = clients.count { $0.state == .open }
        if isQuiet, left != open { fail("\(open) requests are open, \(left) in the metrics") }
    }

    private func watchGlance() {
        sights.insert("somebody glances")
        let glance = engine.glance()
        // Only what was stepped is held against a clock that goes back.
        if glance.at < watchedAt, faults.setbacks == 0 { fail("a page goes back in time") }
        watchedAt = glance.at
        if glance.isAlert { sights.insert("the watchdog is alert") }
        let waiting = glance.queues.reduce(0) { $0 + $1.waiting }
        let known = engine.state.withLock { $0.scheduler.state.queues.waitingInAll }
        if waiting != known { fail("\(waiting) requests wait on the page, \(known) in the server") }
    }

    private func watchStories() throws(ProtocolError) {
        let query = try DecisionQuery(try QueryItems("last=20", known: DecisionQuery.parameters))
        guard let (stories, _) = engine.stories(query) else { return }
        sights.insert("somebody asks why")
        if try engine.decisions(query).isEmpty { fail("nothing is said of requests") }
        for story in stories {
            let request = story.request
            switch request.fate {
            case .waiting, .running:
                if isQuiet, clients.allSatisfy({ $0.state == .done }) {
                    fail("all have answers, and one is told to wait")
                }
            default: break
            }
        }
    }

    /// The server takes up what another one had learned: right or wrong, or such as nothing can have learned.
    func takeUpLearned() {
        let before = engine.learned()
        var learned = before
        // Within what can have been learned for the most part.
        func number(_ range: ClosedRange<Double>) -> Double {
            generator.chance(0.01)
                ? generator.one(of: [0, -1, .nan, .infinity, 1e300]) : Double.random(in: range, using: &generator)
        }
        for lane in 0..<7 { learned.theta[lane] = number(-0.5...1) }
        for index in learned.classes.indices {
            let median = number(0.8...1.5)
            let outer = median * Double.random(in: 1...1.5, using: &generator)
            learned.classes[index] = LearnedState.Quantiles(median: median, q95: outer, q99: outer * 1.2)
        }
        for index in learned.devices.indices { learned.devices[index].noise = number(0.001...1) }
        for index in learned.models.indices where generator.chance(0.7) {
            learned.models[index].pace = number(0.9...1.1)
            let cells = (0..<4).map { _ in
                LearnedState.SoloCell(mean: number(1e4...1e8), samples: Int.random(in: 1...1000, using: &generator))
            }
            let buckets = Set((0..<3).map { _ in UInt8.random(in: 0...3, using: &generator) }).sorted()
            learned.models[index].solo = buckets.map { LearnedState.SoloCurve(bucket: $0, cells: cells) }
        }
        do throws(LearnedState.Refusal) {
            try engine.restore(learned)
            sights.insert("what was learned is taken up")
        } catch {
            sights.insert("what was learned is refused")
            // Not a number is not even itself.
            if engine.learned() != before { fail("what was refused has changed something") }
        }
    }
}

/// A page that is open while a server serves, without its sockets.
// @unchecked: see the clock.
final class TortureFeed: @unchecked Sendable {
    private let hub: RecordHub
    private let feed: WatchFeed
    private let frames = Mutex((heads: 0, frames: 0, bad: 0))

    init(_ engine: Engine) {
        hub = RecordHub(engine: engine, capacity: 10_000)
        feed = WatchFeed(engine: engine, hub: hub, server: "torture")
        feed.deliver { [unowned self] in note($0) }
        feed.setViewers(1)
    }

    private func note(_ message: WatchFeed.Message) {
        frames.withLock { frames in
            switch message {
            case .head(let bytes):
                frames.heads += 1
                if bytes.first != UInt8(ascii: "{") { frames.bad += 1 }
            case .frame(let bytes, _):
                if frames.heads == 0 || bytes.first != UInt8(ascii: "{") { frames.bad += 1 }
                frames.frames += 1
            case .heartbeat, .end: break
            }
        }
    }

    /// What its thread does in its time.
    ///
    /// - Returns: what is wrong with what was sent so far; nil when all is well.
    func tick() -> String? {
        hub.tick()
        let sent = frames.withLock { $0 }
        if sent.heads != 1 { return "\(sent.heads) pages were begun for one viewer" }
        return sent.bad > 0 ? "\(sent.bad) frames are none" : nil
    }

    /// Frames that were sent.
    var sent: Int { frames.withLock { $0.frames } }
}
