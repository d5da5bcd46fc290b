// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore
internal import StraitDevices
internal import StraitPlatform
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Synchronization

/// Two classes at more than the device can do, under each policy: the same arrivals, the same deadlines.
enum OverloadPart: CheckPart {
    static let name = "overload"
    static let title = "two classes beyond the capacity, under each policy"

    private static let policies = [PolicyName.strait, .edfPriority, .triton, .fifo]
    private static let highShare = 0.3
    /// Deadlines as multiples of a model's time alone, beside the longest of all models'.
    private static let (highFactor, lowFactor) = (5.0, 15.0)
    /// Requests outstanding for each lane while capacity is measured.
    private static let outstandingPerLane = 16
    /// Until all that was asked is answered or refused.
    private static let patience = StraitCore.Duration.seconds(60)

    static func run(_ context: CheckContext, _ tables: CheckTables) throws {
        tables.begin("capacity", ["policy", "requests_per_s", "offered_per_s"])
        let capacity = try measureCapacity(context)
        let rate = capacity * context.settings.overload
        tables.add(["fifo", tenths(capacity), tenths(rate)])
        context.say("  \(tenths(capacity)) requests/s in a closed loop; \(tenths(rate)) are offered")
        tables.begin(
            "overload",
            [
                "policy", "class", "sent", "in_time", "late", "refused", "failed", "in_time_share", "latency_ms_p50",
                "latency_ms_p95", "generator_lag_ms_p95",
            ])
        for policy in policies {
            let load = try drive(context, policy, rate)
            for requestClass in [RequestClass.high, .low] {
                let tally = load.tally(requestClass)
                tables.add([policy.rawValue, requestClass == .high ? "high" : "low"] + tally.cells + [load.lagText])
                context.say(
                    "  \(policy.rawValue) \(requestClass == .high ? "high" : "low"): \(tally.inTime) of \(tally.sent) in time"
                )
            }
        }
    }

    /// What became of the requests of a class.
    struct Tally: Sendable {
        var (sent, inTime, late, refused, failed) = (0, 0, 0, 0, 0)
        var latencies: [StraitCore.Duration] = []

        var cells: [String] {
            let latency = TimeSummary(latencies)
            let share = Double(inTime) / Double(max(1, sent))
            return [sent, inTime, late, refused, failed].map { "\($0)" }
                + [thousandths(share), thousandths(latency.median), thousandths(latency.p95)]
        }
    }

    /// Counts replies, from any thread.
    private final class Load: Sendable {
        private let tallies = Mutex<[RequestClass: Tally]>([:])
        private let lags = Mutex<[StraitCore.Duration]>([])

        func tally(_ requestClass: RequestClass) -> Tally { tallies.withLock { $0[requestClass] ?? Tally() } }

        var lagText: String { lags.withLock { thousandths(TimeSummary($0).p95) } }

        func sent(_ requestClass: RequestClass, lag: StraitCore.Duration) {
            tallies.withLock { $0[requestClass, default: Tally()].sent += 1 }
            lags.withLock { $0.append(lag) }
        }

        func ended(_ requestClass: RequestClass, _ reply: Reply, after latency: StraitCore.Duration) {
            tallies.withLock { tallies in
                switch reply {
                case .answered(let answer):
                    tallies[requestClass]?.latencies.append(latency)
                    if answer.isLate { tallies[requestClass]?.late += 1 } else { tallies[requestClass]?.inTime += 1 }
                case .refused(let refusal):
                    if refusal.error.code == .failedInternally {
                        tallies[requestClass]?.failed += 1
                    } else {
                        tallies[requestClass]?.refused += 1
                    }
                }
            }
        }
    }

    /// Requests that a fifo server answers in a second, models in equal shares.
    private static func measureCapacity(_ context: CheckContext) throws -> Double {
        let engine = try CheckedEngine(context, .fifo, on: try context.device())
        let loop = ClosedLoop(engine, try inputs(context, engine))
        let seconds = context.settings.overloadSeconds / 4
        let start = MonotonicClock.nanoseconds()
        loop.begin(outstanding: outstandingPerLane * context.settings.lanes)
        let pause = Wakeup()
        _ = pause.wait(untilNanoseconds: start + Int64(seconds * 1e9))
        let (answered, elapsed) = (loop.end(), Double(MonotonicClock.nanoseconds() - start) / 1e9)
        guard engine.stop(within: patience) else { throw CheckFailure("not all requests were answered") }
        guard answered > 0 else { throw CheckFailure("nothing was answered in \(tenths(elapsed)) s") }
        return Double(answered) / elapsed
    }

    private static func inputs(_ context: CheckContext, _ engine: CheckedEngine) throws -> [[Tensor]] {
        try engine.models.map { try $0.checked.inputs(rows: 1, seed: 7, pool: context.pool) }
    }

    /// Asks again whenever it is answered.
    private final class ClosedLoop: Sendable {
        private struct State {
            var random = CheckRandom(seed: 5)
            var answered = 0
            var isOver = false
        }

        private let engine: CheckedEngine
        private let inputs: [[Tensor]]
        private let state = Mutex(State())

        init(_ engine: CheckedEngine, _ inputs: [[Tensor]]) {
            self.engine = engine
            self.inputs = inputs
        }

        func begin(outstanding: Int) { for _ in 0..<outstanding { ask() } }

        /// - Returns: the requests that were answered until now.
        func end() -> Int {
            state.withLock { state in
                state.isOver = true
                return state.answered
            }
        }

        private func ask() {
            let model = state.withLock { $0.isOver ? nil : Int($0.random.next() % UInt64(inputs.count)) }
            guard let model else { return }
            engine.submit(model, inputs[model], .low, within: .seconds(600)) { [self] reply in
                if case .answered = reply { state.withLock { $0.answered += 1 } }
                ask()
            }
        }
    }

    /// The same arrivals under a policy.
    private static func drive(_ context: CheckContext, _ policy: PolicyName, _ rate: Double) throws -> Load {
        let engine = try CheckedEngine(context, policy, on: try context.device())
        let inputs = try inputs(context, engine)
        let longest = engine.models.map(\.solo.p95).max() ?? 0
        let deadlines = engine.models.map { model in
            (
                high: StraitCore.Duration.milliseconds(highFactor * model.solo.p95 + longest),
                low: StraitCore.Duration.milliseconds(lowFactor * model.solo.p95 + longest)
            )
        }
        let load = Load()
        var random = CheckRandom(seed: context.settings.seed)
        let pause = Wakeup()
        let start = MonotonicClock.nanoseconds()
        let end = start + Int64(context.settings.overloadSeconds * 1e9)
        var next = Double(start)
        while true {
            next += -log(1 - random.unit()) / rate * 1e9
            let instant = Int64(next)
            guard instant < end else { break }
            let model = Int(random.next() % UInt64(inputs.count))
            let requestClass: RequestClass = random.unit() < highShare ? .high : .low
            if instant > MonotonicClock.nanoseconds() { _ = pause.wait(untilNanoseconds: instant) }
            let sent = MonotonicClock.nanoseconds()
            load.sent(requestClass, lag: StraitCore.Duration(nanoseconds: max(0, sent - instant)))
            let deadline = requestClass == .high ? deadlines[model].high : deadlines[model].low
            engine.submit(model, inputs[model], requestClass, within: deadline) { reply in
                let latency = StraitCore.Duration(nanoseconds: MonotonicClock.nanoseconds() - sent)
                load.ended(requestClass, reply, after: latency)
            }
        }
        guard engine.stop(within: patience) else { throw CheckFailure("not all requests were answered") }
        return load
    }
}
