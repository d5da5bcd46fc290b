// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitProtocol

/// What the server is, for its metadata.
package struct ServerDescription: Sendable, Hashable {
    /// The server's name.
    package var name: String
    /// Its version.
    package var version: String
    /// Batches of a model that can run at a time.
    package var lanes: Int

    package init(name: String, version: String, lanes: Int) {
        self.name = name
        self.version = version
        self.lanes = lanes
    }
}

/// Everything that clients ask for besides inference, for all transports: those only decode and encode.
package struct ServerControl: Sendable {
    /// Inference, with the models and the shared memory.
    package let service: InferenceService
    /// What the server is.
    package let description: ServerDescription
    /// Whether it takes requests.
    package let readiness: Readiness
    /// Settings of traces.
    package let traces: TraceControl
    /// Traces requests; nil where nothing is traced.
    package let tracer: Tracer?
    /// The log and its settings.
    package let log: ServerLog
    /// Who may do what.
    package let access: AccessControl

    package init(
        service: InferenceService, description: ServerDescription, readiness: Readiness,
        traces: TraceControl = TraceControl(), tracer: Tracer? = nil, log: ServerLog,
        access: AccessControl = AccessControl()
    ) {
        self.service = service
        self.description = description
        self.readiness = readiness
        self.traces = traces
        self.tracer = tracer
        self.log = log
        self.access = access
    }

    /// What has been counted: of all models, of one, or of one of its versions.
    ///
    /// - Throws: as ``ModelCatalog/find(_:version:)``.
    package func statistics(
        of name: String?, version: String?
    ) throws(ProtocolError) -> [ModelStatistics] {
        guard let name, !name.isEmpty else { return service.catalog.served.map(service.engine.statistics) }
        guard let version, !version.isEmpty else {
            _ = try service.catalog.find(name, version: nil)
            return service.catalog.served.filter { $0.specification.name == name }.map(service.engine.statistics)
        }
        return [service.engine.statistics(of: try service.catalog.find(name, version: version))]
    }

    /// The trace settings of a model that is served, or of the server.
    package func traceSettings(of model: String?) throws(ProtocolError) -> TraceSettings {
        try traces.settings(of: try known(model))
    }

    /// Changes trace settings of a model that is served, or of the server, and returns all.
    package func updateTraceSettings(
        _ values: [String: SettingValue], of model: String?
    ) throws(ProtocolError) -> TraceSettings {
        let model = try known(model)
        let settings = try traces.update(values, of: model)
        if !values.isEmpty {
            log.note(
                .settingsChanged(of: model.map { "traces of \($0)" } ?? "traces", settings.entries, values))
        }
        return settings
    }

    /// The name of a model that is there; nil for none.
    private func known(_ model: String?) throws(ProtocolError) -> String? {
        guard let model, !model.isEmpty else { return nil }
        _ = try service.catalog.find(model, version: nil)
        return model
    }

    /// The refusal of CUDA shared memory.
    package static let noCudaMemory = ProtocolError(
        .unsupported, "CUDA shared memory is not taken; register system shared memory, or send tensors in the body")

    /// The refusal of a load with files in it.
    package static let noFiles = ProtocolError(
        .unsupported, "models are loaded from the repository only; leave the parameters file:… out")
}
