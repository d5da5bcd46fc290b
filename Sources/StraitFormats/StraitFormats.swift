// SPDX-License-Identifier: Apache-2.0

// StraitFormats: files and lines. What was profiled and learned, and the scheduler behind JSON lines
// (docs/core-protocol.md). It turns text into values of the scheduler and back; nothing here decides anything.

/// What is wrong with a file or a line, and where.
package struct FormatError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of reasons.
    package enum Code: Sendable, Hashable {
        /// The file could not be read.
        case unreadable
        /// The file could not be written.
        case unwritable
        /// The text is not JSON, or exceeds a bound on its form.
        case malformed
        /// A value is missing, of the wrong kind or out of its range, or a key is unknown.
        case invalid
        /// The file is of another version than this program writes.
        case unknownVersion
        /// The line contradicts those before it.
        case outOfPlace
    }

    /// The kind of reason.
    package let code: Code
    /// What was found and what was expected.
    package let message: String
    /// The key that it is about, such as `models[2].profile`; empty where the text itself is wrong.
    package let key: String
    /// The byte of the text that it is about, from 0; nil where there is none.
    package let offset: Int?
    /// The file; nil for lines of a stream.
    package private(set) var file: String?
    /// The line of the file, from 1.
    package private(set) var line: Int?

    init(
        _ code: Code, _ message: String, key: String = "", offset: Int? = nil, file: String? = nil, line: Int? = nil
    ) {
        self.code = code
        self.message = message
        self.key = key
        self.offset = offset
        self.file = file
        self.line = line
    }

    /// The same error, with the file and the line in which its byte stands.
    func located(in text: UnsafeBufferPointer<UInt8>, file: String) -> FormatError {
        var error = self
        error.file = file
        if let offset { error.line = 1 + text.prefix(offset).count { $0 == UInt8(ascii: "\n") } }
        return error
    }

    /// The same error, about a line of a file.
    func located(file: String, line: Int) -> FormatError {
        var error = self
        error.file = file
        error.line = line
        return error
    }

    /// One line: the file and its line, the key, the message.
    package var description: String {
        var text = ""
        if let file { text += line.map { "\(file):\($0): " } ?? "\(file): " }
        if !key.isEmpty {
            text += "\(key): "
        } else if file == nil, let offset {
            text += "byte \(offset + 1): "
        }
        return text + message
    }
}
