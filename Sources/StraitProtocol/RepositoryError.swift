// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a model repository, one of its models, or one of its files.
package struct RepositoryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of fault.
    package enum Code: Sendable, Equatable {
        /// A file or folder cannot be read.
        case unreadable
        /// A file or folder that must be there is not.
        case missing
        /// A name that cannot be served under.
        case badName
        /// The config.pbtxt is not well formed, or says something that cannot be.
        case badConfiguration
        /// The config.pbtxt and the model disagree.
        case mismatch
    }

    /// The kind of fault.
    package var code: Code
    /// What was wrong, what was expected, and what to do.
    package var message: String
    /// The file or folder it is about.
    package var path: String
    /// The line in that file, from 1; nil where no line is at fault.
    package var line: Int?

    /// A fault of the given kind.
    package init(_ code: Code, _ message: String, path: String, line: Int? = nil) {
        self.code = code
        self.message = message
        self.path = path
        self.line = line
    }

    /// `path:line: message`, as compilers write it.
    package var description: String { Self.location(path, line) + ": " + message }

    static func location(_ path: String, _ line: Int?) -> String { line.map { "\(path):\($0)" } ?? path }
}
