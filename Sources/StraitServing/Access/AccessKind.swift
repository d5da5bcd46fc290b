// SPDX-License-Identifier: Apache-2.0

package import StraitProtocol

/// How much harm a request could do, which decides who may send it.
package enum AccessKind: Sendable, Hashable, CaseIterable {
    /// Says no more than that there is a server: anybody may ask, so that load balancers can.
    case open
    /// Looks at the server and changes nothing: with tokens, any tenant may.
    case watching
    /// Runs a model: with tokens, a tenant that may use that model, within its limits.
    case inference
    /// Changes the server for all: only from where `--admin` says; with tokens, only a tenant that may administer.
    case administering
}

extension Operation {
    /// How much harm it could do. Without a default, so that whoever adds an operation has to say.
    package var accessKind: AccessKind {
        switch self {
        // The page itself is the same everywhere; what it shows comes by way of the events.
        case .live, .ready, .serverMetadata, .page: .open
        // The description of the interface has the names of the models in it.
        case .openAPI, .modelReady, .modelMetadata, .modelConfiguration, .statistics, .repositoryIndex, .traceSettings,
            .logSettings, .sharedMemoryStatus, .cudaMemoryStatus, .decisions, .serverState, .events:
            .watching
        case .infer: .inference
        // Regions of memory have one name space, so that whoever registers one could put it in another's place.
        case .loadModel, .unloadModel, .updateTraceSettings, .updateLogSettings, .registerSharedMemory,
            .unregisterSharedMemory, .registerCudaMemory, .unregisterCudaMemory:
            .administering
        }
    }
}
