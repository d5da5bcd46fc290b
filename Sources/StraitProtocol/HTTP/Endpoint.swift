// SPDX-License-Identifier: Apache-2.0

/// What a request over HTTP asks for.
package enum Operation: String, Sendable, Hashable, CaseIterable {
    case live, ready, serverMetadata, openAPI
    case modelReady, modelMetadata, modelConfiguration, statistics, infer
    case repositoryIndex, loadModel, unloadModel
    case traceSettings, updateTraceSettings, logSettings, updateLogSettings
    case sharedMemoryStatus, registerSharedMemory, unregisterSharedMemory
    case cudaMemoryStatus, registerCudaMemory, unregisterCudaMemory
    case decisions, serverState, events
    case page

    /// Whether it is for who watches the server: it tells what others asked for, in numbers, and changes nothing. Only
    /// these read what stands behind the question mark of a path.
    package var isWatching: Bool { self == .decisions || self == .serverState || self == .events }

    /// Whether it is no part of the API that is described by OpenAPI, but answered by the HTTP front end itself.
    package var isDashboard: Bool { self == .events || self == .page }

    /// Whether a request's body says anything.
    package var takesBody: Bool {
        switch self {
        case .infer, .repositoryIndex, .loadModel, .unloadModel, .updateTraceSettings, .updateLogSettings,
            .registerSharedMemory, .registerCudaMemory:
            true
        default: false
        }
    }
}

/// A method and a form of path, and what they ask for.
///
/// Requests are routed by this table and /v2/openapi.json is written from it, so that neither knows a path that the other
/// does not.
package struct Endpoint: Sendable {
    /// The methods there are.
    package enum Verb: String, Sendable, Hashable {
        case get = "GET"
        case post = "POST"
    }

    /// What stands between two slashes.
    enum Segment: Sendable, Hashable {
        case literal(String)
        case model, version, region, file
    }

    /// The method.
    package let verb: Verb
    /// The path, with the names of its variable parts in braces.
    package let path: String
    /// What it asks for.
    package let operation: Operation
    let segments: [Segment]

    private init(_ verb: Verb, _ path: String, _ operation: Operation) {
        self.verb = verb
        self.path = path
        self.operation = operation
        segments = path.split(separator: "/").map { part in
            switch part {
            case "{model}": .model
            case "{version}": .version
            case "{region}": .region
            case "{file}": .file
            default: .literal(String(part))
            }
        }
    }

    /// All of them; of two that fit a path the first counts.
    package static let all: [Endpoint] = [server, models, repository, settings, memory, watching, pages].flatMap { $0 }

    private static let server = [
        Endpoint(.get, "/v2/health/live", .live),
        Endpoint(.get, "/v2/health/ready", .ready),
        Endpoint(.get, "/v2", .serverMetadata),
        Endpoint(.get, "/v2/openapi.json", .openAPI),
        Endpoint(.get, "/v2/models/stats", .statistics),
    ]

    private static let models = [
        model("infer", .post, .infer), model("ready", .get, .modelReady), model(nil, .get, .modelMetadata),
        model("config", .get, .modelConfiguration), model("stats", .get, .statistics),
    ].flatMap { $0 }

    private static let repository = [
        Endpoint(.post, "/v2/repository/index", .repositoryIndex),
        Endpoint(.post, "/v2/repository/models/{model}/load", .loadModel),
        Endpoint(.post, "/v2/repository/models/{model}/unload", .unloadModel),
    ]

    private static let settings = [
        setting("/v2/trace/setting", .traceSettings, .updateTraceSettings),
        setting("/v2/models/{model}/trace/setting", .traceSettings, .updateTraceSettings),
        setting("/v2/logging", .logSettings, .updateLogSettings),
    ].flatMap { $0 }

    private static let memory = [
        region("system", .sharedMemoryStatus, .registerSharedMemory, .unregisterSharedMemory),
        region("cuda", .cudaMemoryStatus, .registerCudaMemory, .unregisterCudaMemory),
    ].flatMap { $0 }

    /// Watching endpoints: see ``Operation/isWatching``.
    private static let watching = [
        Endpoint(.get, "/v2/strait/decisions", .decisions), Endpoint(.get, "/v2/strait/state", .serverState),
        // Without an end, so that OpenAPI cannot tell of it.
        Endpoint(.get, "/v2/strait/events", .events),
    ]

    /// What a browser shows. The files are the same for everybody, and tell nothing.
    private static let pages = [
        Endpoint(.get, "/", .page), Endpoint(.get, "/dashboard/{file}", .page),
    ]

    private static func model(_ last: String?, _ verb: Verb, _ operation: Operation) -> [Endpoint] {
        let end = last.map { "/" + $0 } ?? ""
        return [
            Endpoint(verb, "/v2/models/{model}" + end, operation),
            Endpoint(verb, "/v2/models/{model}/versions/{version}" + end, operation),
        ]
    }

    private static func setting(_ path: String, _ read: Operation, _ update: Operation) -> [Endpoint] {
        [Endpoint(.get, path, read), Endpoint(.post, path, update)]
    }

    private static func region(
        _ kind: String, _ status: Operation, _ register: Operation, _ unregister: Operation
    ) -> [Endpoint] {
        let root = "/v2/\(kind)sharedmemory"
        return [
            Endpoint(.get, root + "/status", status),
            Endpoint(.get, root + "/region/{region}/status", status),
            Endpoint(.post, root + "/region/{region}/register", register),
            Endpoint(.post, root + "/unregister", unregister),
            Endpoint(.post, root + "/region/{region}/unregister", unregister),
        ]
    }
}
