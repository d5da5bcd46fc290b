// SPDX-License-Identifier: Apache-2.0

/// The settings of the logging extension.
package struct LogSettings: Sendable, Hashable {
    /// How a line is written.
    package enum Format: String, Sendable, Hashable, CaseIterable {
        /// With its text.
        case plain = "default"
        /// With the date and time, in UTC.
        case iso8601 = "ISO8601"
        /// An object in JSON, for programs.
        case json
    }

    /// Whether what happens in the ordinary course is told.
    package var info = true
    /// Whether warnings are.
    package var warning = true
    /// Whether errors are.
    package var error = true
    /// 1 tells of every request that is no inference, 2 and above of every inference, too.
    package var verboseLevel: UInt32 = 0
    /// How lines are written.
    package var format = Format.plain

    /// As a server starts.
    package init() {}

    /// The settings as the protocol shows them.
    package var entries: [(name: String, value: SettingValue)] {
        [
            ("log_file", .string("")), ("log_info", .bool(info)), ("log_warning", .bool(warning)),
            ("log_error", .bool(error)), ("log_verbose_level", .integer(Int64(verboseLevel))),
            ("log_format", .string(format.rawValue)),
        ]
    }

    /// Changes some settings.
    ///
    /// - Throws: ``ProtocolError`` `invalidArgument`, and then nothing has changed.
    package mutating func update(_ values: [String: SettingValue]) throws(ProtocolError) {
        var changed = self
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            switch name {
            case "log_info": changed.info = try Self.bool(name, value)
            case "log_warning": changed.warning = try Self.bool(name, value)
            case "log_error": changed.error = try Self.bool(name, value)
            case "log_verbose_level":
                guard case .integer(let number) = value, let level = UInt32(exactly: number) else {
                    throw ControlBody.unexpected(name, value, "a whole number of at least 0")
                }
                changed.verboseLevel = level
            case "log_format":
                guard case .string(let text) = value, let format = Format(rawValue: text) else {
                    throw ControlBody.unexpected(name, value, "\"default\", \"ISO8601\" or \"json\"")
                }
                changed.format = format
            case "log_file": throw ProtocolError(.invalidArgument, "log_file cannot be changed over the network")
            default:
                throw ProtocolError(
                    .invalidArgument,
                    "unknown log setting \"\(shortened(name))\"; there are log_info, log_warning, log_error, "
                        + "log_verbose_level and log_format")
            }
        }
        self = changed
    }

    private static func bool(_ name: String, _ value: SettingValue) throws(ProtocolError) -> Bool {
        guard case .bool(let isOn) = value else { throw ControlBody.unexpected(name, value, "true or false") }
        return isOn
    }
}
