// SPDX-License-Identifier: Apache-2.0

package import StraitProtocol
package import StraitTracing
internal import Synchronization

/// The trace settings of the server, and of those models that have their own; and by them, which requests are traced.
package final class TraceControl: Sendable {
    private struct State {
        var server = TraceSettings()
        /// What was set for a model alone; all else it has from the server.
        var models: [String: [String: SettingValue]] = [:]
        /// What a setting goes back to.
        var usual = TraceSettings()
        /// The share that was asked for at the start, which may be none of one in a whole number.
        var ratio = TraceRatio(1)

        func settings(of model: String?) throws(ProtocolError) -> TraceSettings {
            var settings = server
            if let model, let own = models[model] { try settings.update(own, usual: server) }
            return settings
        }
    }

    private let state = Mutex(State())

    package init() {}

    /// Settings of a server that sends its traces to a receiver, and traces a share of the requests from the start.
    package init(tracing ratio: TraceRatio) {
        var settings = TraceSettings()
        settings.mode = "opentelemetry"
        settings.level = ["TIMESTAMPS"]
        settings.rate = ratio.share > 0 ? UInt32(clamping: Int64(min(1 / ratio.share, 4e9).rounded())) : .max
        state.withLock { state in
            state.server = settings
            state.usual = settings
            state.ratio = ratio
        }
    }

    /// Whether a request is traced; if so, it counts for `trace_count`.
    ///
    /// - Parameters:
    ///   - trace: its trace, which chance has numbered.
    ///   - isBrought: whether it brings that trace, and its client traces it: then the share does not matter.
    func takes(_ trace: TraceID, of model: String, isBrought: Bool) -> Bool {
        state.withLock { state in
            let own = state.models[model]
            guard let settings = own == nil ? state.server : try? state.settings(of: model), settings.isOn else {
                return false
            }
            let ratio = settings.rate == state.usual.rate ? state.ratio : TraceRatio(1 / Double(settings.rate))
            guard isBrought || ratio.keeps(trace) else { return false }
            guard settings.count > 0 else { return true }
            if own?["trace_count"] != nil {
                state.models[model]?["trace_count"] = .string(String(settings.count - 1))
            } else {
                state.server.count -= 1
            }
            return true
        }
    }

    /// The settings of a model, or of the server.
    package func settings(of model: String?) throws(ProtocolError) -> TraceSettings {
        try state.withLock { (state) throws(ProtocolError) in try state.settings(of: model) }
    }

    /// Changes settings of a model, or of the server, and returns all.
    ///
    /// - Throws: ``ProtocolError`` `invalidArgument`, and then nothing has changed.
    package func update(
        _ values: [String: SettingValue], of model: String?
    ) throws(ProtocolError) -> TraceSettings {
        try state.withLock { (state) throws(ProtocolError) in
            guard let model else {
                try state.server.update(values, usual: state.usual)
                return state.server
            }
            var settings = try state.settings(of: model)
            try settings.update(values, usual: state.server)
            var own = state.models[model] ?? [:]
            for (name, value) in values {
                own[name] = value == .null || value == .strings([]) ? nil : value
            }
            state.models[model] = own
            return settings
        }
    }
}
