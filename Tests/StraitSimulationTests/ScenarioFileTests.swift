// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitSimulation
internal import Testing
internal import VirtualAccelerator

@Suite struct ScenarioFileTests {
    private func read(_ text: String, file: String = "my.yaml") throws(SimulationError) -> Scenario {
        try ScenarioFile.scenario(Array(text.utf8), file: file)
    }

    /// What is said of a text; nil if it is taken.
    private func refusal(_ text: String) -> String? {
        do throws(SimulationError) { _ = try read(text) } catch {
            return error.code == .badFile ? error.message : "of another kind: \(error.message)"
        }
        return nil
    }

    /// Tests/StraitSimulationTests/ThisFile.swift: pages and examples lie beside the folder of tests.
    private static func path(_ names: String...) -> String {
        let root = "\(#filePath)".split(separator: "/").dropLast(3).map(String.init)
        return "/" + (root + names).joined(separator: "/")
    }

    private static func page() throws -> String {
        String(decoding: try Files.read(path("docs", "simulator.md"), limit: 1 << 20), as: UTF8.self)
    }

    // -- what a file says -----------------------------------------------------------------------------------------

    private static let full = """
        name: mine
        models:
          - name: small
            base_ms: 0.5
            per_row_ms: 0.25
            maximum_rows: 16
            reference_rows: 4
            bytes_in_per_row: 1e6
            bytes_out_per_row: 100
            pinned: false
            demand: {compute: 0.9, bandwidth: 0.8, cache: 0.7}
            cache_sensitivity: 0.6
            phases: 18446744073709551615
          - {name: "50", base_ms: 1, per_row_ms: 2, maximum_rows: 4, bytes_in_per_row: 0,
             demand: {compute: 0, bandwidth: 1, cache: 0}, cache_sensitivity: 0}
        devices: 3
        link:
          overhead_us: 7.5
          pinned_bytes_per_s: 11e9
          pageable_bytes_per_s: 3e9
        uplink_bytes_per_s: 30e9
        load: 1.25
        high_share: 0.1
        arrivals: gamma
        deadline: {high: 2, low: 6}
        physics: threshold
        change: neighbour
        noise: {batch: 0.1, phase: 0.2, copy: 0.3, hiccups: 0.4, shortest_hiccup_ms: 1.5, longest_hiccup_ms: 2}
        profile_error: {time: 0.25, demand: 0.5}
        seconds: 12.5
        warm_up_seconds: 0.5

        """

    @Test func everyValueArrives() throws {
        let small = SimulatedModel(
            KernelModel(
                name: "small", baseTime: 500_000, timePerRow: 250_000, maximumRows: 16, bytesInPerRow: 1_000_000,
                bytesOutPerRow: 100, isPinned: false,
                demand: ResourceDemand(compute: 0.9, bandwidth: 0.8, cache: 0.7), cacheSensitivity: 0.6, seed: .max),
            referenceRows: 4)
        // What is not said: the reference batch is the largest up to 8, the answer 4000 bytes, pinned, the second seed.
        let plain = SimulatedModel(
            KernelModel(
                name: "50", baseTime: 1_000_000, timePerRow: 2_000_000, maximumRows: 4, bytesInPerRow: 0,
                bytesOutPerRow: 4000, demand: ResourceDemand(compute: 0, bandwidth: 1, cache: 0), cacheSensitivity: 0,
                seed: 2),
            referenceRows: 4)
        var expected = Scenario(name: "mine", models: [small, plain])
        expected.devices = 3
        expected.link.overhead = 7_500
        expected.link.pinnedRate = 11e9
        expected.link.pageableRate = 3e9
        expected.uplink = 30e9
        expected.load = 1.25
        expected.highShare = 0.1
        expected.arrivals = .gamma
        expected.deadlineFactor.high = 2...2
        expected.deadlineFactor.low = 6...6
        expected.physics = .threshold
        expected.change = .neighbour
        expected.noise.batch = 0.1
        expected.noise.phase = 0.2
        expected.noise.copy = 0.3
        expected.noise.hiccups = 0.4
        expected.noise.shortestHiccup = 1_500_000
        expected.noise.longestHiccup = 2_000_000
        expected.profileError.time = 0.25
        expected.profileError.demand = 0.5
        expected.duration = .seconds(12.5)
        expected.warmUp = .seconds(0.5)
        #expect(try read(Self.full) == expected)
    }

    @Test func aFileWithNothingButModelsHasTheUsualOfAllElse() throws {
        let lines = Self.full.split(separator: "\n").prefix { !$0.hasPrefix("devices") }.dropFirst()
        let scenario = try read(lines.joined(separator: "\n"), file: "a/folder/my.test.yml")
        #expect(scenario == Scenario(name: "my.test", models: scenario.models))
    }

    @Test func theExampleIsTheLibrarysCentre() throws {
        let path = Self.path("examples", "centre.yaml")
        #expect(try ScenarioLibrary.scenario(nameOrPath: path) == ScenarioLibrary.centre)
    }

    @Test func aChangedCentreIsTheCentreWithThatChangeToTheByte() throws {
        let scenario = try read(
            """
            base: centre
            name: centre
            load: 1.2
            noise: {hiccups: 0.01}
            seconds: 1.5
            warm_up_seconds: 0.5
            """)
        var expected = ScenarioLibrary.centre
        expected.load = 1.2
        expected.noise.hiccups = 0.01
        expected.duration = .seconds(1.5)
        expected.warmUp = .seconds(0.5)
        #expect(scenario == expected)
        let lines = try Simulation.run(scenario, PolicySetup(.strait), seed: 4).jsonLines
        #expect(lines == (try Simulation.run(expected, PolicySetup(.strait), seed: 4)).jsonLines)
        expected.noise.hiccups = 0.001
        #expect(lines != (try Simulation.run(expected, PolicySetup(.strait), seed: 4)).jsonLines)
    }

    @Test func modelsOfAFileTakeThePlaceOfThoseOfItsBaseAndTheNameIsTheFiles() throws {
        let models = Self.full.split(separator: "\n").prefix { !$0.hasPrefix("devices") }.dropFirst()
        let scenario = try read("base: centre\n" + models.joined(separator: "\n"), file: "x.yaml")
        #expect(scenario.name == "x")
        #expect(scenario.models.map(\.kernels.name) == ["small", "50"])
    }

    // -- which of both it is --------------------------------------------------------------------------------------

    @Test func aNameIsOfTheLibraryAndAPathIsAFile() throws {
        #expect(try ScenarioLibrary.scenario(nameOrPath: "centre") == ScenarioLibrary.centre)
        func code(_ text: String) -> SimulationError.Code? {
            do throws(SimulationError) { _ = try ScenarioLibrary.scenario(nameOrPath: text) } catch {
                return error.code
            }
            return nil
        }
        #expect(code("center") == .unknownScenario)
        #expect(code("./centre") == .badFile)
        #expect(code("nowhere.yaml") == .badFile)
        #expect(code("nowhere.yml") == .badFile)
        #expect(code(Self.path("examples")) == .badFile)
        do throws(SimulationError) { _ = try ScenarioLibrary.scenario(nameOrPath: "center") } catch {
            #expect(
                error.message
                    == "There is no scenario center; strait simulate --list tells those there are. A file has a / in its "
                    + "path or ends in .yaml or .yml.")
        }
        do throws(SimulationError) { _ = try ScenarioLibrary.scenario(nameOrPath: "nowhere.yaml") } catch {
            #expect(error.message == "nowhere.yaml: cannot be opened: No such file or directory")
        }
    }

    // -- mistakes -------------------------------------------------------------------------------------------------

    /// Something that stands once in the full file, what stands there instead, and what is said of it.
    private static let mistakes: [(String, String, String)] = [
        ("0.25\n    max", "x\n    max", #"5: models[0].per_row_ms: expected a number from 0 to 10000, found "x""#),
        ("0.25\n    max", "\n    max", "5: models[0].per_row_ms: expected a number from 0 to 10000, found nothing"),
        ("0.25\n    max", "\"1\"\n    max", #"5: models[0].per_row_ms: expected a number from 0 to 10000, found "1""#),
        (
            "0.25\n    max", ".inf\n    max",
            #"5: models[0].per_row_ms: expected a number from 0 to 10000, found ".inf""#
        ),
        (
            "0.25\n    max", "0x10\n    max",
            #"5: models[0].per_row_ms: expected a number from 0 to 10000, found "0x10""#
        ),
        (
            "0.25\n    max", "1e999\n    max",
            #"5: models[0].per_row_ms: expected a number from 0 to 10000, found "1e999""#
        ),
        (
            "0.25\n    max", "!!int 1\n    max",
            "5: a tag (!); expected every value written out"
        ),
        (
            "0.25\n    max", "[1]\n    max",
            "5: models[0].per_row_ms: expected a number from 0 to 10000, found a list of 1"
        ),
        ("load: 1.25", "load: {a: 1}", "22: load: expected a number from 0 to 100, found keys with values"),
        ("load: 1.25", "load: -1", #"22: load: expected a number from 0 to 100, found "-1""#),
        ("high_share: 0.1", "high_share: 30", #"23: high_share: expected a number from 0 to 1, found "30""#),
        ("devices: 3", "devices: 65", #"16: devices: expected a whole number from 1 to 64, found "65""#),
        ("devices: 3", "devices: 1.5", #"16: devices: expected a whole number from 1 to 64, found "1.5""#),
        (
            "18446744073709551615", "18446744073709551616",
            "13: models[0].phases: expected a whole number from 0 to 18446744073709551615, "
                + #"found "18446744073709551616""#
        ),
        (
            "reference_rows: 4", "reference_rows: 17",
            #"7: models[0].reference_rows: expected a whole number from 1 to 16, found "17""#
        ),
        ("pinned: false", "pinned: no", #"10: models[0].pinned: expected true or false, found "no""#),
        (
            "arrivals: gamma", "arrivals: Gamma",
            #"24: arrivals: expected one of poisson, gamma, bursts, azure, found "Gamma""#
        ),
        (
            "change: neighbour", "change: []",
            "27: change: expected one of none, clock, model, neighbour, found a list of 0"
        ),
        ("name: mine", "name: ''", #"1: name: expected a text of 1 to 256 bytes, found """#),
        ("name: mine", "base: center", #"1: base: expected a scenario of strait simulate --list, found "center""#),
        ("name: mine", "{}", "2: expected the end of the file: this does not belong to what begins in line 1"),
        ("\"50\"", "small", "14: models[1].name: expected a name of its own, found that of another model"),
        (
            "cache: 0.7", "cash: 0.7",
            #"11: models[0].demand: unknown key "cash"; expected one of compute, bandwidth, cache"#
        ),
        (
            "{compute: 0.9, bandwidth: 0.8,", "{compute: 0.9,",
            "11: models[0].demand.bandwidth: missing; expected a number from 0 to 1"
        ),
        ("    maximum_rows: 16\n", "", "3: models[0].maximum_rows: missing; expected a whole number from 1 to 4096"),
        (
            "demand: {compute: 0, bandwidth: 1, cache: 0}", "demand: 1",
            #"15: models[1].demand: expected keys out of compute, bandwidth, cache, found "1""#
        ),
        (
            ",\n     demand: {compute: 0, bandwidth: 1, cache: 0}", "",
            "14: models[1].demand: missing; expected keys out of compute, bandwidth, cache"
        ),
        (
            "base_ms: 1, per_row_ms: 2", "base_ms: 0, per_row_ms: 0",
            "14: models[1].base_ms: expected base_ms + per_row_ms of at least 0.001"
        ),
        (
            "base_ms: 1, per_row_ms: 2", "base_ms: 1, per_row_ms: 9999",
            "14: models[1].per_row_ms: expected base_ms + per_row_ms × maximum_rows of at most 10000"
        ),
        (
            "shortest_hiccup_ms: 1.5", "shortest_hiccup_ms: 3",
            "28: noise.shortest_hiccup_ms: expected shortest_hiccup_ms to be at most longest_hiccup_ms, found 3.0 and 2.0"
        ),
        (
            "warm_up_seconds: 0.5", "warm_up_seconds: 20",
            "30: seconds: expected more seconds than warm_up_seconds, found 12.5 and 20.0"
        ),
        ("load: 1.25", "seconds: 60", #"30: "seconds": expected each key once, found this one further up too"#),
        (
            "{high: 2, low: 6}", "{high: 2, low: 6",
            "26: expected ',' or '}' of the bracket opened in line 25"
        ),
        (
            "load: 1.25", "\tload: 1.25",
            "22: expected spaces before what stands on this line, found a tab"
        ),
        ("load: 1.25", "load: \u{1}", "22: expected text: control characters are not allowed"),
        (
            "{high: 2, low: 6}", "&a {high: *a, low: 6}",
            "25: an anchor (&); expected every value written out"
        ),
        ("{high: 2, low: 6}", "{high: *a, low: 6}", "25: an alias (*); expected every value written out"),
        ("{high: 2, low: 6}", "{[1]: 2}", "25: deadline: a key that is no text; expected one of high, low"),
        ("{high: 2, low: 6}", "{<<: 2}", #"25: deadline: unknown key "<<"; expected one of high, low"#),
        (
            "seconds: 12.5\n", "seconds: 12.5\n---\n",
            "31: expected one document in the file, found another"
        ),
    ]

    @Test(arguments: mistakes.indices) func aMistakeIsNamedWithItsPlace(index: Int) throws {
        let (old, new, message) = Self.mistakes[index]
        let parts = Self.full.ranges(of: old)
        try #require(!parts.isEmpty)
        var text = Self.full
        text.replaceSubrange(parts[parts.count - 1], with: new)
        #expect(refusal(text) == "my.yaml:\(message)")
    }

    @Test func aFileNeedsContent() {
        #expect(refusal("load: 1\n") == "my.yaml:1: models: missing; expected a list of 1 to 256")
        #expect(refusal("models: []\n") == "my.yaml:1: models: expected a list of 1 to 256, found a list of 0")
        for text in ["", "\n\n", "# only words\n"] {
            #expect(refusal(text)?.hasPrefix("my.yaml: empty; expected one of the keys name, base, models, ") == true)
        }
        #expect(refusal("centre")?.hasPrefix("my.yaml:1: expected keys out of name, ") == true)
        #expect(refusal("[a, b]")?.hasSuffix("warm_up_seconds, found a list of 2") == true)
        let model =
            "  - {name: N, base_ms: 1, per_row_ms: 1, maximum_rows: 1, bytes_in_per_row: 1, demand: "
            + "{compute: 1, bandwidth: 1, cache: 1}, cache_sensitivity: 1}\n"
        func models(_ count: Int) -> String {
            "models:\n" + (0..<count).map { model.replacing("N", with: "m\($0)") }.joined()
        }
        #expect(refusal(models(256)) == nil)
        #expect(refusal(models(257)) == "my.yaml:2: models: expected a list of 1 to 256, found a list of 257")
    }

    @Test func noFileTakesForEverOrAllMemory() {
        // Each line stands for twice the last, and they are compared because they are keys.
        var bomb = "a: &a0 [x, x]\n"
        for level in 1...60 { bomb += "b\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        #expect(refusal(bomb + "? *a60\n: 1\n? *a59\n: 2\n")?.hasPrefix("my.yaml:1: an anchor") == true)
        for opening in ["[", "{", "- ", "? ", "{a: ", "&a "] {
            for count in [900, 1_100, 100_000] {
                #expect(refusal(String(repeating: opening, count: count)) != nil)
                #expect(refusal("load: " + String(repeating: opening, count: count)) != nil)
            }
        }
        let deep = String(repeating: "[", count: 30) + String(repeating: "]", count: 30)
        #expect(
            refusal("base: centre\nload: " + deep)
                == "my.yaml:2: load: expected a number from 0 to 100, found a list of 1")
        let long = String(repeating: "9", count: 1 << 19)
        #expect(refusal("base: centre\nload: " + long)?.hasSuffix(#", found "\#(long.prefix(40))…""#) == true)
    }

    @Test func noDamageCrashesAndEachRefusalNamesTheFile() {
        var luck = Luck(state: 20)
        var taken = 0
        for round in 0..<2500 {
            let text = damaged(Self.full, round: round, &luck)
            do throws(SimulationError) {
                _ = try ScenarioFile.scenario(text, file: "my.yaml")
                taken += 1
            } catch {
                #expect(error.code == .badFile && error.message.hasPrefix("my.yaml:"), "round \(round): \(error)")
                #expect(error.message.count < 400 && !error.message.contains("\n"), "round \(round): \(error)")
            }
        }
        // Some damage does no harm, most does.
        #expect((50..<1500).contains(taken), "\(taken)")
    }

    // -- the page -------------------------------------------------------------------------------------------------

    @Test func thePagesExampleIsAScenarioThatRuns() throws {
        let lines = try Self.page().split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex(of: "```yaml"))
        let text = lines[(start + 1)...].prefix { $0 != "```" }.joined(separator: "\n")
        var scenario = try read(text)
        #expect(scenario.devices == 2 && scenario.models.count == 6)
        scenario.duration = .seconds(1)
        scenario.warmUp = .zero
        #expect(try Simulation.run(scenario, PolicySetup(.strait), seed: 1)[.high].arrivals > 0)
    }

    @Test func thePageNamesEveryKeyOfFilesAndResults() throws {
        let page = try Self.page()
        var keys: [Substring] = []
        // Refusals list what is known, so they know what the page must name.
        let model = "models: [{demand: {compute: 1"
        for text in [
            "?: 1", "link: {x: 1}", "deadline: {x: 1}", "noise: {x: 1}", "profile_error: {x: 1}", "models: [{x: 1}]",
            "closed_loop: [{x: 1}]", model + ", x: 1}}]",
        ] {
            let message = try #require(
                refusal(text.hasPrefix("models") || text == "?: 1" ? text : "base: centre\n\(text)"))
            let list = try #require(message.split(separator: "expected one of ").dropFirst().first, "\(message)")
            keys += list.split(separator: ", ")
        }
        #expect(keys.count > 45)
        let changes = try #require(
            refusal("base: centre\nchanges: [{x: 1}]")?.split(separator: "expected one of ").last)
        for key in changes.split(separator: ", ") {
            #expect(page.contains("{\(key): ") || page.contains(", \(key): "), "the page does not tell about \(key)")
        }
        var scenario = ScenarioLibrary.centre
        scenario.duration = .seconds(1)
        scenario.warmUp = .zero
        let results = try Simulation.run(scenario, PolicySetup(.fifo), seed: 1).jsonLines
        keys += results.matches(of: /"([a-z0-9_]+)":/).map(\.output.1)
        for key in keys { #expect(page.contains("`\(key)`"), "the page does not tell about \(key)") }
    }
}
