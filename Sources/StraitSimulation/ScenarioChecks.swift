// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import VirtualAccelerator

extension Scenario {
    /// All requests of a run are drawn before it begins: this many take ten gigabytes.
    static let mostRequests = 200_000_000
    /// More clients would be more than the scheduler's queues take.
    static let mostClients = 100_000

    /// - Throws: `badPlan` naming what makes no sense.
    func validate() throws(SimulationError) {
        func require(_ holds: Bool, _ message: String) throws(SimulationError) {
            if !holds { throw SimulationError(.badPlan, "Scenario \(name): \(message)") }
        }
        try require(!models.isEmpty, "it has no models.")
        try require(devices >= 1 && devices <= 64, "\(devices) devices; there are between 1 and 64.")
        try require(streams >= 1, "\(streams) streams; there is at least one.")
        try require(load >= 0 && load <= 100, "load \(load); it is between 0 and 100.")
        try require(highShare >= 0 && highShare <= 1, "a high share of \(highShare); it is between 0 and 1.")
        try require(duration > warmUp, "it lasts \(duration.seconds) s, which must be more than its warm-up.")
        try require(duration <= .seconds(100_000), "it lasts \(duration.seconds) s; 100000 s is the most.")
        try require(
            models.allSatisfy { $0.weight >= 0 && (0...1).contains($0.highShare ?? 0) },
            "a model's weight is at least 0, and its high share between 0 and 1.")
        let joins = models.map { $0.joins.instant(in: duration) }
        try require(
            zip(joins, joins.dropFirst()).allSatisfy { $0 <= $1 }, "models stand in the order in which they join.")
        try require(
            closedLoop.allSatisfy { models.indices.contains($0.model) && $0.clients >= 0 && $0.think >= .zero },
            "clients ask a model that there is, and their number and think time are at least 0.")
        try require(
            closedLoop.reduce(0) { $0 + $1.clients } <= Self.mostClients,
            "more than \(Self.mostClients) clients, which are the most.")
        for event in change.events + changes { try check(event) }
        if let flaw = outageFlaw { throw SimulationError(.badPlan, "Scenario \(name): \(flaw).") }
        try checkRequests()
    }

    private func check(_ event: ChangeEvent) throws(SimulationError) {
        let device: Int?
        let factor: Double
        switch event {
        case .clock(let to, _, let of): (device, factor) = (of, to)
        case .throttle(let to, let from, let until, let of):
            (device, factor) = (of, from.instant(in: duration) <= until.instant(in: duration) ? to : 0)
        case .model(let model, let to, _): (device, factor) = (nil, models.indices.contains(model) ? to : 0)
        case .neighbour(_, _, _, let of): (device, factor) = (of, 1)
        case .lost(let of, let from, let until):
            let lasts = until.map { from.instant(in: duration) < $0.instant(in: duration) } ?? true
            (device, factor) = (of, lasts ? 1 : 0)
        }
        guard factor > 0, device.map({ (0..<devices).contains($0) }) ?? true else {
            throw SimulationError(
                .badPlan,
                "Scenario \(name): a change is about a device or a model that is not there, or to a factor of 0, or ends "
                    + "before it begins: \(event).")
        }
    }

    private func checkRequests() throws(SimulationError) {
        let drawn = arrivalRates(weights: models.map(\.weight)).reduce(0, +) * duration.seconds
        guard trace.map({ Double($0.count) }) ?? drawn <= Double(Self.mostRequests) else {
            throw SimulationError(
                .badPlan,
                "Scenario \(name): more than \(Self.mostRequests) requests would come, which are the most. Let it last "
                    + "less long.")
        }
        for (index, arrival) in (trace ?? []).enumerated() {
            guard models.indices.contains(arrival.model),
                (1...models[arrival.model].kernels.maximumRows).contains(arrival.rows),
                index == 0 || trace.map({ $0[index - 1].at <= arrival.at }) ?? true
            else {
                throw SimulationError(
                    .badPlan,
                    "Scenario \(name): request \(index) of its trace is out of order, or for a model that is not there, or "
                        + "has more rows than its model takes.")
            }
        }
    }

    /// What is wrong about the times in which devices are lost; nil if nothing is. An outage of a device ends before its
    /// next begins, and at the end of the arrivals one device is there and stays: or nobody would answer those that wait.
    var outageFlaw: String? {
        var spans: [[(from: Instant, until: Instant)]] = Array(repeating: [], count: max(1, devices))
        for case .lost(let device, let from, let until) in changes {
            guard spans.indices.contains(device) else {
                return "device \(device) is lost, of \(devices) that count from 0"
            }
            spans[device].append((from.instant(in: duration), until?.instant(in: duration) ?? .never))
        }
        for device in spans.indices {
            spans[device].sort { $0.from < $1.from }
            for (span, next) in zip(spans[device], spans[device].dropFirst()) where span.until > next.from {
                return "device \(device) is lost again before it is back"
            }
        }
        let stays = spans.contains { $0.allSatisfy { $0.until <= .zero + duration } }
        return stays ? nil : "no device is back while requests arrive"
    }
}
