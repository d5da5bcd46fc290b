// SPDX-License-Identifier: Apache-2.0

/// Why an evaluation cannot be made, or stopped.
package struct EvaluationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of error.
    package enum Code: Sendable, Hashable {
        /// What was asked for does not make sense.
        case badPlan
        /// A run broke a rule that every run is checked for, or could not be made.
        case failedRun
        /// The store, or a file beside it, cannot be read or written.
        case badFile
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
