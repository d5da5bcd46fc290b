// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitLoad
internal import StraitSimulation

/// Writes a scenario's models as a repository for virtual devices.
struct RepositoryWriter {
    /// The repository's folder; made if it is not there.
    let folder: String

    /// Writes the models, which are the same in all scenarios, and prints each scenario's requests.
    ///
    /// - Throws: `badPlan` where a scenario cannot be served, `badFile` where the folder cannot be written.
    func write(_ scenarios: [Scenario]) throws(SimulationError) {
        guard let first = scenarios.first else { return }
        try makeFolder(folder)
        for (name, text) in try VirtualRepository(first).configurations {
            try makeFolder("\(folder)/\(name)")
            do throws(LoadError) { try writeText(text, to: "\(folder)/\(name)/config.pbtxt") } catch {
                throw SimulationError(.badFile, "--write-repository: \(error.message)")
            }
        }
        for scenario in scenarios { print(try VirtualRepository(scenario).load) }
    }

    private func makeFolder(_ path: String) throws(SimulationError) {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
            throw SimulationError(
                .badFile, "--write-repository: \(path) cannot be made: \(String(cString: strerror(errno)))")
        }
    }
}
