// SPDX-License-Identifier: Apache-2.0

/// Why a simulation cannot be run, or cannot be believed.
package struct SimulationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of error.
    package enum Code: Sendable, Hashable {
        /// No scenario has the name.
        case unknownScenario
        /// A file cannot be read or written, or something in it is not as it should be.
        case badFile
        /// No policy has the name.
        case unknownPolicy
        /// The scenario or the options do not make sense.
        case badPlan
        /// The scheduler or the device broke a rule that every run is checked for: a bug.
        case brokenRule
    }

    /// The kind.
    package let code: Code
    /// What is wrong, where, and what to do.
    package let message: String

    /// An error.
    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    package var description: String { message }
}
