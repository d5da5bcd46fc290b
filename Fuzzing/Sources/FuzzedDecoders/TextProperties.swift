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
            return scenario.models.contains { $0.kernels.soloTime(rows: 1) <= 0 } ? "a model takes no time" : nil
        } catch {
            return FuzzedDecoder.flaw(inMessage: error.message)
        }
    }
}
