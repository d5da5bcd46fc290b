// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation
internal import Testing
internal import VirtualAccelerator

/// What scenario files say of requests and of changes.
@Suite struct ScenarioKeysTests {
    private static let full = """
        base: centre
        devices: 3
        streams: 5
        closed_loop:
          - {model: bert-base, class: low, clients: 8}
          - {model: detector-640, class: high, clients: 2, think_ms: 1.5}
        deadline: {high: [2, 6], low: 4}
        changes:
          - {clock: 0.75, at: 30, device: 2}
          - {throttle: 0.5, from: 10%, until: 40}
          - {model: bert-base, slower: 1.4, at: 50%}
          - {neighbour: {compute: 0.1, bandwidth: 0.2, cache: 0.3}, from: 0, until: 100%, device: 0}
          - {joins: resnet-50, at: 20}
          - {joins: vit-b-16, at: 25%, profile: true}
        noise: {times: exponential}
        profiles: false
        """

    private func read(_ text: String, file: String = "my.yaml") throws(SimulationError) -> Scenario {
        try ScenarioFile.scenario(Array(text.utf8), file: file)
    }

    /// What is said of a text; nil if it is taken.
    private func refusal(_ text: String, file: String = "my.yaml") -> String? {
        do throws(SimulationError) { _ = try read(text, file: file) } catch { return error.message }
        return nil
    }

    @Test func `every value arrives, and models come into the order in which they join`() throws {
        var expected = ScenarioLibrary.centre
        expected.name = "my"
        expected.devices = 3
        expected.streams = 5
        expected.models = [1, 2, 4, 5, 3, 0].map { expected.models[$0] }
        for index in 0..<6 { expected.models[index].isProfiled = index == 4 }
        // A quarter of 60 s is before 20 s.
        expected.models[4].joins = .share(0.25)
        expected.models[5].joins = .seconds(20)
        expected.closedLoop = [
            ClientGroup(model: 2, .low, clients: 8),
            ClientGroup(model: 3, .high, clients: 2, think: .milliseconds(1.5)),
        ]
        expected.deadlineFactor.high = 2...6
        expected.deadlineFactor.low = 4...4
        expected.changes = [
            .clock(factor: 0.75, at: .seconds(30), device: 2),
            .throttle(factor: 0.5, from: .share(0.1), until: .seconds(40)),
            .model(2, factor: 1.4, at: .share(0.5)),
            .neighbour(
                ResourceDemand(compute: 0.1, bandwidth: 0.2, cache: 0.3), from: .seconds(0), until: .share(1), device: 0
            ),
        ]
        expected.noise.times = .exponential
        #expect(try read(Self.full) == expected)
    }

    @Test func `a number out of its range is not null`() {
        #expect(
            refusal("base: devices-2\nuplink_bytes_per_s: 5")
                == "my.yaml:2: uplink_bytes_per_s: expected a number from 1000000 to 1000000000000000.0, or null, "
                + "found \"5\"")
        #expect(refusal("base: devices-2\nuplink_bytes_per_s: 1e6") == nil)
    }

    @Test func `streams have priorities where a file says how much leaks, until one says null`() throws {
        #expect(try read("base: centre").leakage == nil)
        #expect(try read("base: centre\nstream_leakage: 0").leakage == 0)
        let entry = try read("base: stream-priority")
        #expect(entry.leakage == 0.35 && entry.models == ScenarioLibrary.centre.models)
        #expect(try read("base: stream-priority\nstream_leakage: null").leakage == nil)
        for bad in ["1.1", "-0.1", "none", "[0.3]"] {
            let message = try #require(refusal("base: centre\nstreams: 16\nstream_leakage: \(bad)"))
            #expect(message.hasPrefix("my.yaml:3: stream_leakage: expected a number from 0 to 1, or null, found "))
        }
    }

    @Test func `priorities that leak all change nothing, others help high requests`() throws {
        func run(_ leakage: Double?, _ policy: PolicyName = .edf) throws -> RunResult {
            var scenario = ScenarioLibrary.centre
            scenario.leakage = leakage
            scenario.duration = .seconds(12)
            return try Simulation.run(scenario, PolicySetup(policy), seed: 1, stepsBetweenInspections: 100)
        }
        let off = try run(nil)
        #expect(try run(1).jsonLines == off.jsonLines)
        #expect(try run(0.35)[.high].violation < off[.high].violation)
    }

    @Test func `a model has a weight and a share of high requests of its own`() throws {
        let model =
            "{name: N, base_ms: 1, per_row_ms: 1, maximum_rows: 8, bytes_in_per_row: 1, "
            + "demand: {compute: 1, bandwidth: 1, cache: 1}, cache_sensitivity: 1"
        let scenario = try read(
            "models:\n  - \(model), weight: 3, high_share: 0}\n  - \(model.replacing("N", with: "M"))}")
        #expect(scenario.models.map(\.weight) == [3, 1] && scenario.models.map(\.highShare) == [0, nil])
        let arrivals = scenario.arrivals(seed: 1)
        let first = Double(arrivals.filter { $0.model == 0 }.count)
        #expect((first / Double(arrivals.count) - 0.75).magnitude < 0.02)
        #expect(!arrivals.contains { $0.model == 0 && $0.requestClass == .high })
        #expect(arrivals.contains { $0.model == 1 && $0.requestClass == .high })
    }

    @Test func `profiles can be given back to a base without them, and a name stands for its events`() throws {
        #expect(try read("base: cold-start\nprofiles: true").models == ScenarioLibrary.centre.models)
        for (name, event) in [
            ("clock", "{clock: 0.75, at: 50%}"), ("model", "{model: resnet-50, slower: 1.4, at: 50%}"),
        ] {
            var named = try read("base: centre\nname: a\nchange: \(name)\nseconds: 3\nwarm_up_seconds: 1")
            var listed = try read("base: centre\nname: a\nchanges: [\(event)]\nseconds: 3\nwarm_up_seconds: 1")
            #expect(named.change.events == listed.changes)
            let setup = PolicySetup(.edfPriority)
            let same = try Simulation.run(named, setup, seed: 1).jsonLines
            #expect(
                same.replacing("\"change\":\"\(name)\"", with: "\"change\":\"events\"")
                    == (try Simulation.run(listed, setup, seed: 1)).jsonLines)
            named.change = .none
            listed.changes = []
            #expect(try Simulation.run(named, setup, seed: 1).jsonLines != same)
        }
    }

    // -- mistakes -------------------------------------------------------------------------------------------------

    /// Something that stands once in the full file, what stands there instead, and what is said of it.
    private static let mistakes: [(String, String, String)] = [
        ("streams: 5", "streams: 0", #"3: streams: expected a whole number from 1 to 1024, found "0""#),
        (
            "bert-base, class", "bert, class",
            #"5: closed_loop[0].model: expected the name of a model, found "bert""#
        ),
        ("class: low, ", "", "5: closed_loop[0].class: missing; expected high or low"),
        ("class: low", "class: lowest", #"5: closed_loop[0].class: expected high or low, found "lowest""#),
        ("clients: 8", "clients: 0", #"5: closed_loop[0].clients: expected a whole number from 1 to 10000, found "0""#),
        ("1.5", "-1", #"6: closed_loop[1].think_ms: expected a number from 0 to 10000, found "-1""#),
        (
            "1.5", "1, rate: 3",
            #"6: closed_loop[1]: unknown key "rate"; expected one of model, class, clients, think_ms"#
        ),
        (
            "[2, 6]", "[6, 2]",
            "7: deadline.high: expected a number from 0.01 to 1000, or two of them, the smaller first, found a list of 2"
        ),
        (
            "[2, 6]", "[2, 3, 6]",
            "7: deadline.high: expected a number from 0.01 to 1000, or two of them, the smaller first, found a list of 3"
        ),
        (
            "[2, 6]", "0",
            #"7: deadline.high: expected a number from 0.01 to 1000, or two of them, the smaller first, found "0""#
        ),
        ("device: 2", "device: 3", #"9: changes[0].device: expected a whole number from 0 to 2, found "3""#),
        ("clock: 0.75", "clock: 0", #"9: changes[0].clock: expected a number from 0.05 to 4, found "0""#),
        (", at: 30", "", "9: changes[0].at: missing; expected seconds from 0 to 100000, or a share from 0% to 100%"),
        (
            "at: 30", "at: 130%",
            #"9: changes[0].at: expected seconds from 0 to 100000, or a share from 0% to 100%, found "130%""#
        ),
        (
            "at: 30", "at: half",
            #"9: changes[0].at: expected seconds from 0 to 100000, or a share from 0% to 100%, found "half""#
        ),
        ("at: 30", "from: 30", #"9: changes[0]: unknown key "from"; expected one of clock, at, device"#),
        ("until: 40", "until: 6", "10: changes[1].until: expected to be after from"),
        (
            "model: bert-base, slower: 1.4, at", "at",
            "11: changes[2]: expected one of the keys clock, throttle, model, neighbour, lost, joins"
        ),
        (
            "slower: 1.4", "slower: 1.4, clock: 2",
            "11: changes[2]: expected one of the keys clock, throttle, model, neighbour, lost, joins"
        ),
        ("slower: 1.4, ", "", "11: changes[2].slower: missing; expected a number from 0.05 to 20"),
        (
            "{compute: 0.1, bandwidth: 0.2, cache: 0.3}", "0.3",
            #"12: changes[3].neighbour: expected keys out of compute, bandwidth, cache, found "0.3""#
        ),
        ("joins: resnet-50", "joins: resnet", #"13: changes[4].joins: expected the name of a model, found "resnet""#),
        ("profile: true", "profile: 1", #"14: changes[5].profile: expected true or false, found "1""#),
        ("exponential", "normal", #"15: noise.times: expected one of steady, exponential, found "normal""#),
        ("profiles: false", "profiles: none", #"16: profiles: expected true or false, found "none""#),
        (
            "profiles: false", "arrivals: {trace: t.csv}\nload: 2",
            "17: load: expected not to be given, since the trace says when which requests come"
        ),
        (
            "profiles: false", "arrivals: {file: t.csv}",
            #"16: arrivals: unknown key "file"; expected one of trace"#
        ),
        (
            "profiles: false", "arrivals: {trace: nowhere/t.csv}",
            "16: arrivals.trace: nowhere/t.csv: cannot be opened: No such file or directory"
        ),
    ]

    @Test(arguments: mistakes.indices) func `a mistake is named with its place`(index: Int) throws {
        let (old, new, message) = Self.mistakes[index]
        try #require(Self.full.ranges(of: old).count == 1)
        #expect(refusal(Self.full.replacing(old, with: new)) == "my.yaml:\(message)")
    }

    @Test func `somebody sends requests`() {
        #expect(
            refusal("base: centre\nload: 0")
                == "my.yaml:2: load: expected a load and a weight above 0, or closed_loop, or a trace; found nobody who "
                + "sends requests")
        #expect(refusal("base: centre\nload: 0\nclosed_loop: [{model: bert-base, class: low, clients: 1}]") == nil)
        let groups = (0..<11).map { _ in "{model: bert-base, class: low, clients: 10000}" }.joined(separator: ", ")
        #expect(
            refusal("base: centre\nclosed_loop: [\(groups)]")
                == "my.yaml:2: closed_loop: expected at most 100000 clients in all")
    }

    @Test func `no damage crashes, and each refusal names the file`() {
        var luck = Luck(state: 21)
        var taken = 0
        for round in 0..<2000 {
            let text = damaged(Self.full, round: round, &luck)
            do throws(SimulationError) {
                _ = try ScenarioFile.scenario(text, file: "my.yaml")
                taken += 1
            } catch {
                #expect(error.code == .badFile && error.message.hasPrefix("my.yaml:"), "round \(round): \(error)")
                #expect(error.message.count < 400 && !error.message.contains("\n"), "round \(round): \(error)")
            }
        }
        #expect((30..<1200).contains(taken), "\(taken)")
    }

    // -- traces ---------------------------------------------------------------------------------------------------

    private static let trace = """
        time,model,class,deadline,rows
        0.25,bert-base,high,10,1
        0.5,resnet-50,low,20,4
        0.5,bert-base,low,30,2
        2,resnet-50,high,40,1
        3.5,bert-base,low,50,1

        """

    @Test func `a trace lies beside the scenario and is played to its end`() throws {
        let folder = Folder()
        _ = folder.add("t.csv", Self.trace)
        let path = folder.add("s.yaml", "base: centre\narrivals: {trace: t.csv}\nwarm_up_seconds: 0\n")
        let scenario = try ScenarioFile.scenario(path: path)
        let expected = [
            Arrival(at: .zero + .seconds(0.25), model: 4, .high, deadline: .milliseconds(10)),
            Arrival(at: .zero + .seconds(0.5), model: 0, .low, deadline: .milliseconds(20), rows: 4),
            Arrival(at: .zero + .seconds(0.5), model: 4, .low, deadline: .milliseconds(30), rows: 2),
            Arrival(at: .zero + .seconds(2), model: 0, .high, deadline: .milliseconds(40)),
            Arrival(at: .zero + .seconds(3.5), model: 4, .low, deadline: .milliseconds(50)),
        ]
        #expect(scenario.arrivals(seed: 1) == expected && scenario.arrivals(seed: 2) == expected)
        #expect(scenario.duration == .seconds(3.5) + Duration(nanoseconds: 1))
        let result = try Simulation.run(scenario, PolicySetup(.strait), seed: 1, stepsBetweenInspections: 1)
        #expect(result[.high].met == 2 && result[.low].met == 3)
        // Rows of the reference batch's time: 5 of ResNet-50 at 2.99 / 8 ms, 4 of BERT at 4.7 / 8 ms, in 3.5 s.
        #expect((scenario.offeredLoad - (5 * 2.99 + 4 * 4.7) / 8 / 3500).magnitude < 1e-6)
        for key in ["\"arrival_process\":\"trace\"", "\"load\":0.001205,"] {
            #expect(result.jsonLines.contains(key), "\(result.jsonLines)")
        }
    }

    @Test(arguments: ["centre", "backlog", "replay"]) func `the examples run`(name: String) throws {
        let root = "\(#filePath)".split(separator: "/").dropLast(3).joined(separator: "/")
        var scenario = try ScenarioFile.scenario(path: "/\(root)/examples/\(name).yaml")
        scenario.duration = .seconds(1)
        scenario.warmUp = .zero
        // Of the backlog's events one ends at 25 s, which is more than a second, as it would be with --seconds.
        let result = try Simulation.run(scenario, PolicySetup(.strait), seed: 1)
        #expect(result[.high].met > 0 && result[.low].met > 0)
        #expect(scenario.trace == nil || (scenario.offeredLoad - 0.16).magnitude < 0.04, "\(scenario.offeredLoad)")
    }

    @Test func `the scenario says how much of a trace is played, and when its models are there`() throws {
        let folder = Folder()
        _ = folder.add("t.csv", Self.trace)
        let path = folder.add(
            "s.yaml",
            """
            base: centre
            arrivals: {trace: t.csv}
            seconds: 3
            warm_up_seconds: 0
            changes: [{joins: resnet-50, at: 1}]
            """)
        let scenario = try ScenarioFile.scenario(path: path)
        #expect(scenario.models.last?.kernels.name == "resnet-50")
        let names = scenario.arrivals(seed: 1).map { scenario.models[$0.model].kernels.name }
        #expect(names == ["bert-base", "bert-base", "resnet-50"])
        #expect(try Simulation.run(scenario, PolicySetup(.strait), seed: 1)[.high].arrivals == 2)
    }

    @Test func `mistakes in a trace are named in the trace, and those about it in the scenario`() {
        let folder = Folder()
        let csv = folder.add("t.csv", Self.trace.replacing("bert-base,low,30", with: "bert,low,30"))
        let path = "\(folder.path)/s.yaml"
        #expect(
            refusal("base: centre\narrivals: {trace: t.csv}", file: path)
                == "\(csv):4: model: expected the name of one of the models, found \"bert\"")
        let empty = folder.add("empty.csv", "time,model,class,deadline\n")
        #expect(
            refusal("base: centre\narrivals: {trace: empty.csv}", file: path)
                == "\(path):2: arrivals.trace: expected requests, found none in \(empty)")
        let short = folder.add("short.csv", Self.trace)
        #expect(
            refusal("base: centre\narrivals: {trace: \(short)}", file: path)
                == "\(path):1: warm_up_seconds: expected more seconds than warm_up_seconds, found 3.500000001 and 5.0")
    }
}
