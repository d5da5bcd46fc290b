// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol
internal import StraitSimulation
internal import VirtualAccelerator

/// Configurations of models.
enum ConfigurationProperty {
    static func flaw(_ bytes: [UInt8]) -> String? {
        let lines = 1 + bytes.count { $0 == UInt8(ascii: "\n") }
        do throws(RepositoryError) {
            let outcome = try ModelConfigurationParser.parse(bytes, path: "config.pbtxt", model: "m")
            for tensor in outcome.configuration.inputs + outcome.configuration.outputs {
                if tensor.name.isEmpty || tensor.dimensions.contains(where: { $0 < -1 || $0 == 0 }) {
                    return "a tensor that cannot be: \(tensor)"
                }
            }
            return outcome.warnings.lazy.compactMap { FuzzedDecoder.flaw(inMessage: $0) }.first
        } catch {
            if let line = error.line, !(1...lines).contains(line) { return "line \(line) of \(lines)" }
            return FuzzedDecoder.flaw(inMessage: error.message)
        }
    }
}

/// Scenarios.
enum ScenarioProperty {
    static func flaw(_ bytes: [UInt8]) -> String? {
        do throws(SimulationError) {
            // A trace that the text names is looked for beside a file that there is not.
            let scenario = try ScenarioFile.scenario(bytes, file: "no-such-folder/scenario.yaml")
            guard scenario.duration > scenario.warmUp, !scenario.models.isEmpty else { return "it lasts no time" }
            if scenario.models.contains(where: { $0.kernels.soloTime(rows: 1) <= 0 }) { return "a model takes no time" }
            return flaw(inLossesOf: scenario)
        } catch {
            return FuzzedDecoder.flaw(inMessage: error.message)
        }
    }

    /// Who is lost is there before, and is back before the next time; somebody serves those that are left at the end.
    private static func flaw(inLossesOf scenario: Scenario) -> String? {
        let end = Moment.share(1).instant(in: scenario.duration)
        var hasStayed = Array(repeating: true, count: scenario.devices)
        for (index, change) in scenario.changes.enumerated() {
            guard case .lost(let device, let from, let until) = change else { continue }
            guard hasStayed.indices.contains(device) else { return "device \(device) is lost, which is none" }
            let (lostAt, backAt) = (from.instant(in: scenario.duration), until?.instant(in: scenario.duration))
            if let backAt, backAt <= lostAt { return "an outage that does not last" }
            if backAt.map({ $0 > end }) ?? true { hasStayed[device] = false }
            for case .lost(device, let other, _) in scenario.changes[..<index] + scenario.changes[(index + 1)...] {
                let otherAt = other.instant(in: scenario.duration)
                if otherAt >= lostAt, backAt.map({ otherAt < $0 }) ?? true { return "lost while it is lost" }
            }
        }
        return hasStayed.contains(true) ? nil : "all devices stay away"
    }
}
