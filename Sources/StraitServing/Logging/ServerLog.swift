// SPDX-License-Identifier: Apache-2.0

internal import Logging
package import StraitProtocol
internal import Synchronization

/// The server's log, by swift-log: one line for each thing that happens in its life, none for a request unless that is
/// asked for. Clients may switch kinds of lines on and off (the logging extension).
package final class ServerLog: Sendable {
    private let sink: LogSink
    private let logger: Logger
    /// A copy for the way of every request.
    private let verboseLevel: Atomic<UInt32>

    /// A log.
    ///
    /// - Parameters:
    ///   - settings: as it starts.
    ///   - write: puts a line where people see it; called from any thread.
    package init(_ settings: LogSettings = LogSettings(), write: @escaping @Sendable (String) -> Void) {
        let sink = LogSink(settings, write: write)
        self.sink = sink
        logger = Logger(label: Self.label) { _ in LineHandler(sink) }
        verboseLevel = Atomic(settings.verboseLevel)
    }

    private static let label = "strait"

    /// The settings in force.
    package var current: LogSettings { sink.current }

    /// Lets libraries that speak to swift-log write here. Once in a process.
    package func takeLibraries() {
        LoggingSystem.bootstrap { [sink] _ in LineHandler(sink) }
    }

    /// Changes some settings, and returns all.
    ///
    /// - Throws: ``ProtocolError`` `invalidArgument`, and then nothing has changed.
    package func update(_ values: [String: SettingValue]) throws(ProtocolError) -> LogSettings {
        let settings = try sink.update(values)
        verboseLevel.store(settings.verboseLevel, ordering: .relaxed)
        if !values.isEmpty { note(.settingsChanged(of: "log", settings.entries, values)) }
        return settings
    }

    /// Writes a line, if lines of its kind are wanted.
    package func note(_ line: LogLine) {
        let level: Logger.Level =
            switch line.kind {
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        var metadata: Logger.Metadata = [:]
        for field in line.fields { metadata[field.name] = .string(field.value) }
        if let event = line.event { metadata[LogSink.eventKey] = .string(event.rawValue) }
        logger.log(level: level, "\(line.text)", metadata: metadata)
    }

    /// Writes a line that says itself whether it is a warning: by beginning with `warning:`.
    package func note(_ text: String) { note(LogLine(text)) }

    /// Writes a line of a kind.
    package func note(_ kind: LogLine.Kind, _ text: String) {
        var line = LogLine(text)
        line.kind = kind
        note(line)
    }

    /// Whether lines of a verbose level are wanted.
    package func isVerbose(_ level: UInt32) -> Bool { verboseLevel.load(ordering: .relaxed) >= level }

    /// Writes a line of a verbose level; its text is made only where it is wanted.
    package func verbose(_ level: UInt32, _ text: @autoclosure () -> String) {
        guard isVerbose(level) else { return }
        logger.log(level: level >= 2 ? .trace : .debug, "\(text())")
    }
}

extension LogLine {
    /// Somebody has changed settings.
    ///
    /// - Parameter values: what was asked for, of which `entries` says what it has become.
    static func settingsChanged(
        of what: String, _ entries: [(name: String, value: SettingValue)], _ values: [String: SettingValue]
    ) -> LogLine {
        let changed = entries.filter { values[$0.name] != nil }.map { name, value in
            guard case .strings(let texts) = value else { return "\(name) = \(value.words)" }
            return "\(name) = \(texts.joined(separator: " and "))"
        }.joined(separator: ", ")
        // Who switches lines off should be seen, if anything is.
        return LogLine(
            .settingsChanged, "settings of \(what) changed: \(changed)", kind: .warning,
            ["settings": what, "changes": changed])
    }
}
