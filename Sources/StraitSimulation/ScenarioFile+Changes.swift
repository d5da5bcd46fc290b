// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import VirtualAccelerator

/// The list of what changes on the way.
extension ScenarioFile {
    /// What can happen, by the key that tells it, with the other keys that each has.
    private static let kinds: [(key: String, others: [String])] = [
        ("clock", ["at", "device"]),
        ("throttle", ["from", "until", "device"]),
        ("model", ["slower", "at"]),
        ("neighbour", ["from", "until", "device"]),
        ("lost", ["from", "until"]),
        ("joins", ["at", "profile"]),
    ]
    private static let mostChanges = 1000
    /// A clock much slower, or a model much slower, would make a run last for ever.
    private static let clocks = 0.05...4
    private static let slowdowns = 0.05...20.0

    static func readChanges(_ fields: YAMLFields, into scenario: inout Scenario) throws(SimulationError) {
        guard let nodes = try fields.list("changes", atMost: mostChanges, isNeeded: false) else { return }
        scenario.changes = []
        let all = kinds.flatMap { [$0.key] + $0.others }
        for (index, node) in nodes.enumerated() {
            let any = try fields.fields(of: node, at: "changes", index, known: all)
            let named = kinds.filter { any.has($0.key) }
            guard named.count == 1, let kind = named.first else {
                throw any.failure("expected one of the keys \(kinds.map(\.key).joined(separator: ", "))")
            }
            try read(
                try fields.fields(of: node, at: "changes", index, known: [kind.key] + kind.others), kind.key,
                into: &scenario)
        }
        scenario.sortModelsByJoining()
    }

    private static func read(
        _ fields: YAMLFields, _ kind: String, into scenario: inout Scenario
    ) throws(SimulationError) {
        func model() throws(SimulationError) -> Int {
            try fields.index(kind, of: scenario.models.map(\.kernels.name), called: "the name of a model")
        }
        func device() throws(SimulationError) -> Int? {
            fields.has("device") ? try fields.whole("device", in: 0...scenario.devices - 1) : nil
        }
        func span() throws(SimulationError) -> (from: Moment, until: Moment) {
            let (from, until) = (try fields.moment("from"), try fields.moment("until"))
            guard from.instant(in: scenario.duration) < until.instant(in: scenario.duration) else {
                throw fields.failure("until", "expected to be after from")
            }
            return (from, until)
        }
        switch kind {
        case "clock":
            let factor = try fields.number(kind, in: clocks)
            scenario.changes.append(.clock(factor: factor, at: try fields.moment("at"), device: try device()))
        case "throttle":
            let (factor, span) = (try fields.number(kind, in: clocks), try span())
            scenario.changes.append(
                .throttle(factor: factor, from: span.from, until: span.until, device: try device()))
        case "model":
            scenario.changes.append(
                .model(try model(), factor: try fields.number("slower", in: slowdowns), at: try fields.moment("at")))
        case "neighbour":
            guard let demand = try fields.fields(kind, known: demandKeys) else { return }
            let span = try span()
            scenario.changes.append(
                .neighbour(
                    try self.demand(demand), from: span.from, until: span.until, device: try device()))
        case "lost":
            let lost = try fields.whole(kind, in: 0...scenario.devices - 1)
            let isBack = fields.has("until")
            let from = try fields.moment("from")
            scenario.changes.append(.lost(lost, from: from, until: isBack ? try span().until : nil))
        default:
            let model = try model()
            scenario.models[model].joins = try fields.moment("at")
            scenario.models[model].isProfiled = try fields.bool("profile", or: false)
        }
    }
}

extension Scenario {
    /// Brings models into the order in which they join, and whatever names a model by its place with them.
    fileprivate mutating func sortModelsByJoining() {
        let times = models.map { $0.joins.instant(in: duration) }
        let order = models.indices.sorted { (times[$0], $0) < (times[$1], $1) }
        guard order != Array(models.indices) else { return }
        var places = order
        for (place, model) in order.enumerated() { places[model] = place }
        models = order.map { models[$0] }
        for index in closedLoop.indices { closedLoop[index].model = places[closedLoop[index].model] }
        if var moved = trace {
            for index in moved.indices { moved[index].model = places[moved[index].model] }
            trace = moved
        }
        changes = changes.map { event in
            guard case .model(let model, let factor, let at) = event else { return event }
            return .model(places[model], factor: factor, at: at)
        }
    }
}
