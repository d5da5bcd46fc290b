// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// The scenarios that have names: centre, and those that differ from it along one of the axes of an evaluation.
/// docs/scenarios.md tells where their numbers come from.
package enum ScenarioLibrary {
    private static let entries =
        [
            LibraryEntry("centre", "one device like an L4, six models, load 1; the others differ") {
                _ in
            }
        ]
        + LibraryEntry.traffic + LibraryEntry.mixes + LibraryEntry.disb + LibraryEntry.machines + LibraryEntry.changes

    /// Their names, centre first.
    package static var names: [String] { entries.map(\.name) }

    /// The scenario of a name.
    ///
    /// - Throws: `unknownScenario` if there is none.
    package static func scenario(named name: String) throws(SimulationError) -> Scenario {
        guard let entry = entries.first(where: { $0.name == name }) else {
            throw SimulationError(
                .unknownScenario, "There is no scenario \(name); strait simulate --list tells those there are.")
        }
        var scenario = centre
        scenario.name = name
        entry.change(&scenario)
        return scenario
    }

    /// What a scenario is, in one line; nil if there is none of the name.
    package static func description(of name: String) -> String? {
        entries.first { $0.name == name }?.description
    }

    /// The six models on one device like an L4, each with the same share of its time.
    package static var centre: Scenario { Scenario(name: "centre", models: ModelCatalogue.six) }
}

/// A scenario of the library.
struct LibraryEntry: Sendable {
    let name: String
    /// One line, for lists.
    let description: String
    /// What makes it of centre.
    let change: @Sendable (inout Scenario) -> Void

    init(_ name: String, _ description: String, _ change: @escaping @Sendable (inout Scenario) -> Void) {
        self.name = name
        self.description = description
        self.change = change
    }
}
