// SPDX-License-Identifier: Apache-2.0

internal import NIOHTTP1
internal import StraitProtocol
package import StraitServing

/// The answers that need no inference.
package struct Endpoints: Sendable {
    private let service: InferenceService
    private let serverName: String
    private let serverVersion: String
    private let lanes: Int
    private let readiness: Readiness

    package init(
        service: InferenceService, serverName: String, serverVersion: String, lanes: Int, readiness: Readiness
    ) {
        self.service = service
        self.serverName = serverName
        self.serverVersion = serverVersion
        self.lanes = lanes
        self.readiness = readiness
    }

    /// The reply to a route other than an inference.
    func reply(to route: Route) -> HTTPReply {
        do {
            switch route {
            case .live: return .ok()
            case .ready: return readiness.isReady ? .ok() : HTTPReply(.serviceUnavailable, error: "not ready: draining")
            case .serverMetadata:
                return .ok(
                    Documents.serverMetadata(
                        name: serverName, version: serverVersion, extensions: Documents.extensions))
            case .modelReady(let name, let version):
                _ = try service.catalog.find(name, version: version)
                return .ok()
            case .modelMetadata(let name, let version):
                let model = try service.catalog.find(name, version: version)
                return .ok(
                    Documents.modelMetadata(model.specification, versions: service.catalog.versions(of: name)))
            case .modelConfiguration(let name, let version):
                let model = try service.catalog.find(name, version: version)
                return .ok(Documents.modelConfiguration(model.specification, instances: lanes))
            case .statistics(let name, let version):
                var models = service.catalog.served
                if let name { models = [try service.catalog.find(name, version: version)] }
                return .ok(Documents.modelStatistics(models.map(service.engine.statistics)))
            case .infer: return HTTPReply(.methodNotAllowed, error: "an inference is asked for with POST")
            }
        } catch {
            return HTTPReply(error)
        }
    }
}
