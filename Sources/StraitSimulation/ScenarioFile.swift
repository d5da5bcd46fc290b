// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import VirtualAccelerator

extension ScenarioLibrary {
    /// The scenario that somebody means: one of the library by its name, or else a file, which is told by a `/` in its
    /// path or by its ending `.yaml` or `.yml`.
    ///
    /// - Throws: `unknownScenario` if it is neither, `badFile` if the file cannot be read or does not make sense.
    package static func scenario(nameOrPath text: String) throws(SimulationError) -> Scenario {
        if names.contains(text) { return try scenario(named: text) }
        guard text.contains("/") || ScenarioFile.endings.contains(where: text.hasSuffix) else {
            throw SimulationError(
                .unknownScenario,
                "There is no scenario \(text); strait simulate --list tells those there are. A file has a / in its path or "
                    + "ends in \(ScenarioFile.endings.joined(separator: " or ")).")
        }
        return try ScenarioFile.scenario(path: text)
    }
}

/// A scenario as a YAML file; docs/simulator.md tells its keys.
package enum ScenarioFile {
    /// The longest file that is read: 256 models need a tenth of it.
    package static let maximumBytes = 1 << 20
    /// What the names of files end in.
    package static let endings = [".yaml", ".yml"]

    /// Reads a file.
    ///
    /// - Throws: `badFile` with the file, the line, the key and what was expected.
    package static func scenario(path: String) throws(SimulationError) -> Scenario {
        let text: [UInt8]
        do throws(FormatError) { text = try Files.read(path, limit: maximumBytes) } catch {
            throw SimulationError(.badFile, error.description)
        }
        return try scenario(text, file: path)
    }

    /// What the text of a file means.
    ///
    /// - Parameter file: what messages call it; also the scenario's name, without folder and ending, if it has no other.
    /// - Throws: `badFile` with the file, the line, the key and what was expected.
    package static func scenario(_ text: [UInt8], file: String) throws(SimulationError) -> Scenario {
        let fields = try YAMLFields(text: text, file: file, known: keys)
        var scenario = Scenario(name: "", models: [])
        if fields.has("base") {
            let name = try fields.text("base")
            guard ScenarioLibrary.names.contains(name) else {
                throw fields.failure(
                    "base", "expected a scenario of strait simulate --list, found \(YAMLNode.quoted(name))")
            }
            scenario = try ScenarioLibrary.scenario(named: name)
        }
        scenario.name = try fields.text("name", or: defaultName(file))
        try read(fields, into: &scenario)
        return scenario
    }

    private static func defaultName(_ file: String) -> String {
        let last = file.split(separator: "/").last.map(String.init) ?? file
        let ending = endings.first { last.hasSuffix($0) && last.count > $0.count } ?? ""
        return String(last.dropLast(ending.count))
    }

    // -- keys -----------------------------------------------------------------------------------------------------

    private static let keys = [
        "name", "base", "models", "devices", "streams", "stream_leakage", "link", "uplink_bytes_per_s", "load",
        "high_share", "arrivals", "closed_loop", "deadline", "physics", "change", "changes", "noise", "profiles",
        "profile_error", "seconds", "warm_up_seconds",
    ]
    private static let linkKeys = ["overhead_us", "pinned_bytes_per_s", "pageable_bytes_per_s"]
    private static let noiseKeys = [
        "times", "batch", "phase", "copy", "hiccups", "shortest_hiccup_ms", "longest_hiccup_ms",
    ]

    // -- ranges: far outside what anyone means, and such that no run takes for ever -------------------------------

    static let milliseconds = 0.0...10_000
    static let share = 0.0...1
    private static let rate = 1e6...1e15
    /// e^(3 × 0.5) times the usual is what chance may do to a time.
    private static let deviation = 0.0...0.5
    /// Below 1, so that no profile says that a model takes no time.
    private static let timeError = 0.0...0.9

    // -- reading --------------------------------------------------------------------------------------------------

    private static func read(_ fields: YAMLFields, into scenario: inout Scenario) throws(SimulationError) {
        if let nodes = try fields.list("models", atMost: mostModels, isNeeded: !fields.has("base")) {
            scenario.models = try models(nodes, of: fields)
        }
        scenario.devices = try fields.whole("devices", in: 1...64, or: scenario.devices)
        if let link = try fields.fields("link", known: linkKeys) { try read(link, into: &scenario.link) }
        scenario.uplink = try fields.numberOrNull("uplink_bytes_per_s", in: rate, or: scenario.uplink)
        scenario.streams = try fields.whole("streams", in: 1...1024, or: scenario.streams)
        scenario.leakage = try fields.numberOrNull("stream_leakage", in: share, or: scenario.leakage)
        scenario.physics = try fields.choice("physics", or: scenario.physics)
        scenario.change = try fields.choice("change", or: scenario.change)
        if fields.has("profiles") {
            let isProfiled = try fields.bool("profiles", or: true)
            for index in scenario.models.indices { scenario.models[index].isProfiled = isProfiled }
        }
        if let noise = try fields.fields("noise", known: noiseKeys) { try read(noise, into: &scenario.noise) }
        if let error = try fields.fields("profile_error", known: ["time", "demand"]) {
            scenario.profileError.time = try error.number("time", in: timeError, or: scenario.profileError.time)
            scenario.profileError.demand = try error.number("demand", in: share, or: scenario.profileError.demand)
        }
        scenario.duration = .seconds(try fields.number("seconds", in: 0.001...100_000, or: scenario.duration.seconds))
        scenario.warmUp = .seconds(try fields.number("warm_up_seconds", in: 0...100_000, or: scenario.warmUp.seconds))
        try readRequests(fields, into: &scenario)
        try readChanges(fields, into: &scenario)
        if let flaw = scenario.outageFlaw {
            throw fields.failure(
                fields.has("changes") ? "changes" : "devices", "expected a device that serves: \(flaw)")
        }
        guard scenario.duration > scenario.warmUp else {
            throw fields.failure(
                fields.has("seconds") ? "seconds" : "warm_up_seconds",
                "expected more seconds than warm_up_seconds, found \(scenario.duration.seconds) and "
                    + "\(scenario.warmUp.seconds)")
        }
    }

    private static func read(_ fields: YAMLFields, into link: inout Link) throws(SimulationError) {
        let overhead = try fields.number("overhead_us", in: 0...1_000_000, or: Double(link.overhead) / 1000)
        link.overhead = Int64((overhead * 1000).rounded())
        link.pinnedRate = try fields.number("pinned_bytes_per_s", in: rate, or: link.pinnedRate)
        link.pageableRate = try fields.number("pageable_bytes_per_s", in: rate, or: link.pageableRate)
    }

    private static func read(_ fields: YAMLFields, into noise: inout NoiseLevels) throws(SimulationError) {
        noise.times = try fields.choice("times", or: noise.times)
        noise.batch = try fields.number("batch", in: deviation, or: noise.batch)
        noise.phase = try fields.number("phase", in: deviation, or: noise.phase)
        noise.copy = try fields.number("copy", in: deviation, or: noise.copy)
        noise.hiccups = try fields.number("hiccups", in: share, or: noise.hiccups)
        noise.shortestHiccup = try time("shortest_hiccup_ms", of: fields, or: noise.shortestHiccup)
        noise.longestHiccup = try time("longest_hiccup_ms", of: fields, or: noise.longestHiccup)
        guard noise.shortestHiccup <= noise.longestHiccup else {
            throw fields.failure(
                fields.has("shortest_hiccup_ms") ? "shortest_hiccup_ms" : "longest_hiccup_ms",
                "expected shortest_hiccup_ms to be at most longest_hiccup_ms, found "
                    + "\(Double(noise.shortestHiccup) / 1e6) and \(Double(noise.longestHiccup) / 1e6)")
        }
    }

    /// Milliseconds as nanoseconds.
    static func time(
        _ key: String, of fields: YAMLFields, or fallback: Int64? = nil
    ) throws(SimulationError) -> Int64 {
        Duration.milliseconds(try fields.number(key, in: milliseconds, or: fallback.map { Double($0) / 1e6 }))
            .nanoseconds
    }
}
