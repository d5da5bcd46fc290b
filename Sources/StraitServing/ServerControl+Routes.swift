// SPDX-License-Identifier: Apache-2.0

package import StraitProtocol

extension ServerControl {
    /// Answers a request that is no inference, with JSON or nothing.
    ///
    /// - Parameters:
    ///   - body: the request's body.
    ///   - completion: called once, on any thread, possibly before this returns.
    package func answer(
        _ route: Route, body: [UInt8], completion: @escaping @Sendable (Result<[UInt8], ProtocolError>) -> Void
    ) {
        let settled = { @Sendable (result: Result<[UInt8], ProtocolError>) in
            if log.isVerbose(1) {
                let model = route.model.map { " of \($0)" } ?? ""
                switch result {
                case .success: log.verbose(1, "\(route.operation)\(model): done")
                case .failure(let error): log.verbose(1, "\(route.operation)\(model): \(error)")
                }
            }
            completion(result)
        }
        do throws(ProtocolError) {
            let body = try ControlBody(json: route.operation.takesBody ? body : [])
            switch route.operation {
            case .loadModel, .unloadModel: try changeRepository(route, body, settled)
            default: settled(.success(try document(route, body)))
            }
        } catch {
            settled(.failure(error))
        }
    }

    private func changeRepository(
        _ route: Route, _ body: ControlBody, _ completion: @escaping @Sendable (Result<[UInt8], ProtocolError>) -> Void
    ) throws(ProtocolError) {
        let name = route.model ?? ""
        // There are no ensembles, so that no model depends on another.
        _ = try body.parameter("unload_dependents", default: false)
        guard route.operation == .loadModel else {
            return service.catalog.unload(name) { completion($0.map { [] }) }
        }
        guard !body.parameters.keys.contains(where: { $0.hasPrefix("file:") }) else { throw Self.noFiles }
        var configuration: String?
        switch body.parameters["config"] {
        case nil, .null: break
        case .string(let text): configuration = text
        case let value?:
            throw ProtocolError(
                .invalidArgument, "parameters.config is \(value.words); expected a configuration as JSON in a string")
        }
        service.catalog.load(name, configuration: configuration) { completion($0.map { [] }) }
    }

    /// The answer to a request that is answered at once.
    private func document(_ route: Route, _ body: ControlBody) throws(ProtocolError) -> [UInt8] {
        let catalog = service.catalog
        switch route.operation {
        case .live: return Documents.health("live")
        case .ready:
            guard readiness.isReady else { throw ProtocolError(.unavailable, "not ready: draining") }
            return Documents.health("ready")
        case .serverMetadata:
            let devices = service.engine.deviceStatuses().map {
                Documents.Device(name: $0.name, lanes: $0.lanes, reason: $0.reason)
            }
            return Documents.serverMetadata(
                name: description.name, version: description.version, extensions: Documents.extensions,
                devices: devices)
        case .openAPI:
            let names = catalog.served.map(\.specification.name)
            return Documents.openAPI(serverVersion: description.version, models: names)
        case .modelReady:
            let model = try catalog.find(route.model ?? "", version: route.version)
            return Documents.health("ready", model: model.specification.name)
        case .modelMetadata:
            let model = try catalog.find(route.model ?? "", version: route.version).specification
            return Documents.modelMetadata(model, versions: catalog.versions(of: model.name))
        case .modelConfiguration:
            let model = try catalog.find(route.model ?? "", version: route.version)
            return Documents.modelConfiguration(model.specification, instances: description.lanes)
        case .statistics:
            return Documents.modelStatistics(try statistics(of: route.model, version: route.version))
        case .repositoryIndex:
            return Documents.repositoryIndex(catalog.index(onlyReady: try body.bool("ready", default: false)))
        case .traceSettings: return Documents.settings(try traceSettings(of: route.model).entries)
        case .updateTraceSettings:
            return Documents.settings(try updateTraceSettings(body.members, of: route.model).entries)
        case .logSettings: return Documents.settings(log.current.entries)
        case .updateLogSettings: return Documents.settings(try log.update(body.members).entries)
        case .sharedMemoryStatus, .registerSharedMemory, .unregisterSharedMemory:
            return try sharedMemory(route, body)
        case .cudaMemoryStatus: return Documents.sharedMemory([])
        case .decisions, .serverState: return try watch(route)
        case .registerCudaMemory: throw Self.noCudaMemory
        case .unregisterCudaMemory: return []
        case .infer, .loadModel, .unloadModel, .events, .page:
            throw ProtocolError(.failedInternally, "\(route.operation) is not answered at once")
        }
    }

    private func sharedMemory(_ route: Route, _ body: ControlBody) throws(ProtocolError) -> [UInt8] {
        let registry = service.sharedMemory
        switch route.operation {
        case .registerSharedMemory:
            try registry.register(
                name: route.region ?? "", key: try body.string("key"), offset: try body.count("offset", default: 0),
                byteCount: try body.count("byte_size", default: nil))
        case .unregisterSharedMemory:
            if let name = route.region { registry.unregister(name: name) } else { registry.unregisterAll() }
        default: return Documents.sharedMemory(try registry.status(name: route.region))
        }
        return []
    }
}
