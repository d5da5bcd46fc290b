// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import VirtualAccelerator

/// What is asked of the models: how many requests, when, in which class, due when, and from whom.
extension ScenarioFile {
    private static let mostGroups = 256
    private static let factors = 0.01...1000.0

    static func readRequests(_ fields: YAMLFields, into scenario: inout Scenario) throws(SimulationError) {
        scenario.load = try fields.number("load", in: 0...100, or: scenario.load)
        scenario.highShare = try fields.number("high_share", in: share, or: scenario.highShare)
        if let deadline = try fields.fields("deadline", known: ["high", "low"]) {
            scenario.deadlineFactor.high = try deadline.span("high", in: factors, or: scenario.deadlineFactor.high)
            scenario.deadlineFactor.low = try deadline.span("low", in: factors, or: scenario.deadlineFactor.low)
        }
        if fields.hasKeys("arrivals") {
            try readTrace(fields, into: &scenario)
        } else {
            scenario.arrivals = try fields.choice("arrivals", or: scenario.arrivals)
        }
        if let nodes = try fields.list("closed_loop", atMost: mostGroups, isNeeded: false) {
            scenario.closedLoop = []
            for (index, node) in nodes.enumerated() {
                scenario.closedLoop.append(try clients(node, index, of: fields, scenario))
            }
            guard scenario.closedLoop.reduce(0, { $0 + $1.clients }) <= Scenario.mostClients else {
                throw fields.failure("closed_loop", "expected at most \(Scenario.mostClients) clients in all")
            }
        }
        let isAsked = scenario.models.contains { $0.weight > 0 } && scenario.load > 0
        guard isAsked || scenario.trace != nil || !scenario.closedLoop.isEmpty else {
            throw fields.failure(
                fields.has("load") ? "load" : "models",
                "expected a load and a weight above 0, or closed_loop, or a trace; found nobody who sends requests")
        }
    }

    private static func clients(
        _ node: YAMLNode, _ index: Int, of fields: YAMLFields, _ scenario: Scenario
    ) throws(SimulationError) -> ClientGroup {
        let fields = try fields.fields(
            of: node, at: "closed_loop", index, known: ["model", "class", "clients", "think_ms"])
        let classes = RequestClass.allCases.map(\.name)
        let place = try fields.index("class", of: classes, called: classes.joined(separator: " or "))
        return ClientGroup(
            model: try fields.index("model", of: scenario.models.map(\.kernels.name), called: "the name of a model"),
            RequestClass.allCases[place], clients: try fields.whole("clients", in: 1...10_000),
            think: .milliseconds(try fields.number("think_ms", in: milliseconds, or: 0)))
    }

    private static func readTrace(_ fields: YAMLFields, into scenario: inout Scenario) throws(SimulationError) {
        guard let arrivals = try fields.fields("arrivals", known: ["trace"]) else { return }
        for key in ["load", "high_share"] + (fields.has("closed_loop") ? [] : ["deadline"]) where fields.has(key) {
            throw fields.failure(key, "expected not to be given, since the trace says when which requests come")
        }
        let path = arrivals.besideItsFile(try arrivals.text("trace"))
        var trace: [Arrival] = []
        do throws(FormatError) {
            let models = scenario.models.map {
                TraceFile.Model(name: $0.kernels.name, maximumRows: $0.kernels.maximumRows)
            }
            try TraceFile.read(path, models: models, limit: Scenario.mostRequests) { request in
                trace.append(
                    Arrival(
                        at: request.at, model: request.model, request.requestClass, deadline: request.deadline,
                        rows: request.rows))
            }
        } catch {
            guard error.code != .unreadable else { throw arrivals.failure("trace", error.description) }
            throw SimulationError(.badFile, error.description)
        }
        guard let last = trace.last else { throw arrivals.failure("trace", "expected requests, found none in \(path)") }
        scenario.trace = trace
        // A trace is played to its end unless the file says otherwise.
        if !fields.has("seconds") { scenario.duration = last.at - .zero + Duration(nanoseconds: 1) }
    }
}
