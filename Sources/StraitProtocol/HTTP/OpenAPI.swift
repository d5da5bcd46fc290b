// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

extension Documents {
    /// What the server understands over HTTP, as an OpenAPI 3.0 document: the answer to `GET v2/openapi.json`.
    ///
    /// - Parameter models: names to give as examples.
    package static func openAPI(serverVersion: String, models: [String]) -> [UInt8] {
        var writer = JSONWriter(capacity: 64 << 10)
        writer.beginObject()
        writer.member("openapi", "3.0.3")
        writer.key("info")
        writer.beginObject()
        writer.member("title", "Strait")
        writer.member("version", serverVersion)
        writer.member(
            "description",
            "The Open Inference Protocol, version 2, with Triton's extensions, for requests with deadlines.")
        writer.endObject()
        writer.key("paths")
        writer.beginObject()
        var written: Set<String> = []
        for endpoint in Endpoint.all where !endpoint.operation.isDashboard && written.insert(endpoint.path).inserted {
            writer.key(endpoint.path)
            writer.beginObject()
            for other in Endpoint.all where other.path == endpoint.path {
                OpenAPIOperation(other, models: models).write(to: &writer)
            }
            writer.endObject()
        }
        writer.endObject()
        writer.key("components")
        writer.beginObject()
        writer.key("schemas")
        writer.beginObject()
        for (name, schema) in OpenAPISchema.all {
            writer.key(name)
            schema.write(to: &writer)
        }
        writer.endObject()
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }
}

/// One endpoint in the document.
private struct OpenAPIOperation {
    let endpoint: Endpoint
    let models: [String]

    init(_ endpoint: Endpoint, models: [String]) {
        self.endpoint = endpoint
        self.models = models
    }

    func write(to writer: inout JSONWriter) {
        writer.key(endpoint.verb == .get ? "get" : "post")
        writer.beginObject()
        let kind = endpoint.segments.contains(.version) ? "OfVersion" : endpoint.segments.contains(.region) ? "Of" : ""
        let isOfModel = endpoint.segments.contains(.model) && endpoint.operation != .infer
        writer.member("operationId", endpoint.operation.rawValue + kind + (isOfModel ? "Model" : ""))
        writer.member("summary", endpoint.operation.summary)
        writeParameters(to: &writer)
        if let schema = endpoint.operation.requestSchema {
            writer.key("requestBody")
            writer.beginObject()
            writer.member("required", endpoint.operation == .infer || endpoint.operation == .registerSharedMemory)
            writeContent(schema, to: &writer)
            writer.endObject()
        }
        writer.key("responses")
        writer.beginObject()
        writer.key("200")
        writer.beginObject()
        writer.member("description", "Done.")
        if let schema = endpoint.operation.responseSchema { writeContent(schema, to: &writer) }
        writer.endObject()
        writer.key("default")
        writer.beginObject()
        writer.member("description", "Not done, and why.")
        writeContent(.reference("Error"), to: &writer)
        writer.endObject()
        writer.endObject()
        writer.endObject()
    }

    private func writeContent(_ schema: OpenAPISchema, to writer: inout JSONWriter) {
        writer.key("content")
        writer.beginObject()
        writer.key("application/json")
        writer.beginObject()
        writer.key("schema")
        schema.write(to: &writer)
        writer.endObject()
        writer.endObject()
    }

    private func writeParameters(to writer: inout JSONWriter) {
        writer.key("parameters")
        writer.beginArray()
        for segment in endpoint.segments {
            let (name, example): (String, String?) =
                switch segment {
                case .literal, .file: ("", nil)
                case .model: ("model", models.first)
                case .version: ("version", "1")
                case .region: ("region", "input_0")
                }
            guard !name.isEmpty else { continue }
            writer.beginObject()
            writer.member("name", name)
            writer.member("in", "path")
            writer.member("required", true)
            writer.key("schema")
            OpenAPISchema.string.write(to: &writer)
            if let example { writer.member("example", example) }
            writer.endObject()
        }
        for parameter in endpoint.operation.queryParameters {
            writer.beginObject()
            writer.member("name", parameter.name)
            writer.member("in", "query")
            writer.member("description", parameter.words)
            writer.key("schema")
            parameter.schema.write(to: &writer)
            writer.endObject()
        }
        writer.endArray()
    }
}

extension Operation {
    fileprivate var summary: String {
        switch self {
        case .live: "Whether the server runs."
        case .ready: "Whether the server takes requests; not while it drains."
        case .serverMetadata: "The server's name, version and extensions."
        case .openAPI: "This document."
        case .modelReady: "Whether a model takes requests."
        case .modelMetadata: "A model's inputs and outputs."
        case .modelConfiguration: "A model's configuration as it is in force."
        case .statistics: "What has been counted of models."
        case .infer: "Runs a model."
        case .repositoryIndex: "The models of the repository, and how far each has come."
        case .loadModel: "Loads a model, or loads it anew. Only with --model-control-mode explicit."
        case .unloadModel: "Unloads a model. Only with --model-control-mode explicit."
        case .traceSettings: "The settings for traces."
        case .updateTraceSettings: "Changes settings for traces."
        case .logSettings: "The settings of the log."
        case .updateLogSettings: "Changes settings of the log."
        case .sharedMemoryStatus: "The registered regions of system shared memory."
        case .registerSharedMemory: "Registers a region of system shared memory."
        case .unregisterSharedMemory: "Unregisters regions of system shared memory."
        case .cudaMemoryStatus: "The registered regions of CUDA shared memory: none."
        case .registerCudaMemory: "Registers a region of CUDA shared memory, which is refused."
        case .unregisterCudaMemory: "Unregisters regions of CUDA shared memory."
        case .decisions: "What became of requests, and why, in words and numbers."
        case .serverState: "What the server does now, and how requests fared in the last seconds."
        case .events: "What happens on the server, as events."
        case .page: "A page that shows what happens on the server."
        }
    }

    fileprivate var requestSchema: OpenAPISchema? {
        switch self {
        case .infer: .reference("InferenceRequest")
        case .repositoryIndex: .reference("RepositoryIndexRequest")
        case .loadModel: .reference("LoadRequest")
        case .unloadModel: .reference("UnloadRequest")
        case .updateTraceSettings: .reference("TraceSettings")
        case .updateLogSettings: .reference("LogSettings")
        case .registerSharedMemory: .reference("SharedMemoryRegistration")
        case .registerCudaMemory: .reference("CudaMemoryRegistration")
        default: nil
        }
    }

    fileprivate var responseSchema: OpenAPISchema? {
        switch self {
        case .loadModel, .unloadModel, .registerSharedMemory, .unregisterSharedMemory, .registerCudaMemory,
            .unregisterCudaMemory, .events, .page:
            nil
        case .live: .object([("live", .bool)], required: ["live"])
        case .ready: .object([("ready", .bool)], required: ["ready"])
        case .modelReady: .object([("name", .string), ("ready", .bool)], required: ["name", "ready"])
        case .serverMetadata: .reference("ServerMetadata")
        case .openAPI, .modelConfiguration: .anyObject
        case .modelMetadata: .reference("ModelMetadata")
        case .statistics: .reference("Statistics")
        case .infer: .reference("InferenceResponse")
        case .repositoryIndex: .array(.reference("ModelIndexEntry"))
        case .traceSettings, .updateTraceSettings: .anyObject
        case .logSettings, .updateLogSettings: .anyObject
        case .sharedMemoryStatus, .cudaMemoryStatus: .array(.reference("SharedMemoryRegion"))
        case .decisions: .reference("Decisions")
        case .serverState: .reference("ServerState")
        }
    }
}
