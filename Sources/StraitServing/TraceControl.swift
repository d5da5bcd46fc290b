// SPDX-License-Identifier: Apache-2.0

package import StraitProtocol
internal import Synchronization

/// The trace settings of the server, and of those models that have their own.
package final class TraceControl: Sendable {
    private struct State {
        var server = TraceSettings()
        /// What was set for a model alone; all else it has from the server.
        var models: [String: [String: SettingValue]] = [:]

        func settings(of model: String?) throws(ProtocolError) -> TraceSettings {
            var settings = server
            if let model, let own = models[model] { try settings.update(own, usual: server) }
            return settings
        }
    }

    private let state = Mutex(State())

    package init() {}

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
                try state.server.update(values, usual: TraceSettings())
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
