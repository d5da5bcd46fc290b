// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import StraitPlatform
internal import StraitProtocol
internal import Synchronization

/// Where lines of swift-log end: written in the form that is set, or left out, by settings that may change at any time.
final class LogSink: Sendable {
    private let settings: Mutex<LogSettings>
    private let write: @Sendable (String) -> Void

    init(_ settings: LogSettings, write: @escaping @Sendable (String) -> Void) {
        self.settings = Mutex(settings)
        self.write = write
    }

    var current: LogSettings { settings.withLock { $0 } }

    func update(_ values: [String: SettingValue]) throws(ProtocolError) -> LogSettings {
        try settings.withLock { (settings) throws(ProtocolError) in
            try settings.update(values)
            return settings
        }
    }

    /// The least level of which anything is wanted.
    var leastLevel: Logger.Level {
        let settings = current
        return Logger.Level.allCases.first { settings.wants($0) } ?? .critical
    }

    /// Writes a line, if lines of its level are wanted.
    func write(_ event: LogEvent, _ metadata: Logger.Metadata) {
        let settings = current
        guard settings.wants(event.level) else { return }
        let time = MonotonicClock.calendarMilliseconds()
        guard settings.format == .json else {
            return write(LogRendering.text(event.message.description, time: settings.format == .plain ? nil : time))
        }
        var fields = metadata.merging(event.metadata ?? [:]) { $1 }
        let name = fields.removeValue(forKey: Self.eventKey)
        write(
            LogRendering.json(
                event.message.description, level: event.level.rawValue, event: name.map { "\($0)" },
                fields: fields.sorted { $0.key < $1.key }.map { LogLine.Field(name: $0.key, value: "\($0.value)") },
                time: time))
    }

    /// The key under which a line says its event.
    static let eventKey = "event"
}

extension LogSettings {
    /// Whether lines of a level are wanted: swift-log has more than Triton's extension.
    fileprivate func wants(_ level: Logger.Level) -> Bool {
        switch level {
        case .trace: verboseLevel >= 2
        case .debug: verboseLevel >= 1
        case .info, .notice: info
        case .warning: warning
        case .error, .critical: error
        }
    }
}

/// What swift-log hands lines to: ours, and those of libraries that speak to it.
struct LineHandler: LogHandler {
    let sink: LogSink
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    /// A level of one logger alone; nil for what the settings say.
    private var own: Logger.Level?

    init(_ sink: LogSink) { self.sink = sink }

    var logLevel: Logger.Level {
        get { own ?? sink.leastLevel }
        set { own = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        sink.write(event, metadata.merging(metadataProvider?.get() ?? [:]) { $1 })
    }
}
