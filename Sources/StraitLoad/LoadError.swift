// SPDX-License-Identifier: Apache-2.0

/// Why a load could not be driven.
package struct LoadError: Error, Equatable, CustomStringConvertible {
    /// The kinds of reasons.
    package enum Code: Sendable, Equatable {
        /// The plan contradicts itself or is out of range.
        case badPlan
        /// A request file, or the inputs made for a model, cannot be used.
        case badInput
        /// No connection to the server.
        case unreachable
        /// The server does not know the model.
        case unknownModel
        /// The server answered something that is not the protocol's.
        case badAnswer
        /// The server refused the question.
        case refused
        /// The operating system refused something.
        case system
        /// Requests went missing in the count: a fault of the generator itself.
        case inconsistent
    }

    /// The kind of reason.
    package let code: Code
    /// What was wrong, where, and what to do: one line.
    package let message: String

    /// An error of the given kind.
    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// What a server that wants a token is told of: not how one is sent, which it says itself, but how one is given here.
    static func tokenWanted(by server: ServerAddress) -> LoadError {
        LoadError(
            .refused, "a token is needed to ask \(server); give it in a file with --token-file, or in $STRAIT_TOKEN")
    }

    /// The message.
    package var description: String { message }
}
