// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitProtocol
internal import StraitServing

/// The flags of `strait serve` about its log.
struct LoggingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How lines of the log are written: text, ISO8601 (text after the time, in UTC) or json (an object a line).",
            valueName: "form"))
    var logFormat = "text"

    @Option(
        help: ArgumentHelp(
            "The least that is told: error, warning, info, debug (every request that is no inference) or trace (every "
                + "request). POST /v2/logging changes it later.", valueName: "level"))
    var logLevel = "info"

    func validate() throws {
        guard format != nil else {
            throw ValidationError("--log-format is '\(logFormat)'; there are text, ISO8601 and json")
        }
        guard Self.levels.contains(logLevel) else {
            throw ValidationError("--log-level is '\(logLevel)'; there are \(Self.levels.joined(separator: ", "))")
        }
    }

    private static let levels = ["error", "warning", "info", "debug", "trace"]

    /// Triton says `default` for text.
    private var format: LogSettings.Format? { logFormat == "text" ? .plain : LogSettings.Format(rawValue: logFormat) }

    /// The settings that the log starts with.
    var settings: LogSettings {
        var settings = LogSettings()
        settings.format = format ?? .plain
        let level = Self.levels.firstIndex(of: logLevel) ?? 2
        settings.warning = level >= 1
        settings.info = level >= 2
        settings.verboseLevel = UInt32(max(0, level - 2))
        return settings
    }
}
