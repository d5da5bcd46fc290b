// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

/// A JSON schema, as far as the document needs them.
indirect enum OpenAPISchema: Sendable {
    case string
    case bool
    /// A whole number of at least so much, or of any size.
    case integer(minimum: Int?)
    case number
    case oneOf([String])
    case array(OpenAPISchema)
    /// Members, and which of them must be there.
    case object([(name: String, schema: OpenAPISchema)], required: [String])
    case anyObject
    /// Anything at all.
    case any
    /// A number or a text, alone or in a list: what settings of traces are given as.
    case setting
    /// Also null.
    case nullable(OpenAPISchema)
    /// One of the document's named schemas.
    case reference(String)

    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writeMembers(to: &writer)
        writer.endObject()
    }

    private func writeMembers(to writer: inout JSONWriter) {
        switch self {
        case .string: writer.member("type", "string")
        case .bool: writer.member("type", "boolean")
        case .integer(let minimum):
            writer.member("type", "integer")
            writer.member("format", "int64")
            if let minimum { writer.member("minimum", minimum) }
            writer.member("maximum", Int64.max)
        case .number: writer.member("type", "number")
        case .oneOf(let texts):
            writer.member("type", "string")
            writer.member("enum", texts)
        case .array(let element):
            writer.member("type", "array")
            writer.key("items")
            element.write(to: &writer)
        case .object(let members, let required):
            writer.member("type", "object")
            if !required.isEmpty { writer.member("required", required) }
            writer.key("properties")
            writer.beginObject()
            for (name, schema) in members {
                writer.key(name)
                schema.write(to: &writer)
            }
            writer.endObject()
        case .anyObject: writer.member("type", "object")
        case .any: break
        case .setting:
            writer.key("anyOf")
            writer.beginArray()
            for schema in [OpenAPISchema.string, .integer(minimum: nil), .array(.string)] { schema.write(to: &writer) }
            writer.endArray()
        case .nullable(let schema):
            schema.writeMembers(to: &writer)
            writer.member("nullable", true)
        case .reference(let name): writer.member("$ref", "#/components/schemas/\(name)")
        }
    }

    /// The named schemas.
    static let all: [(name: String, schema: OpenAPISchema)] = requests + responses + watching

    private static let types = ElementType.allCases.map(\.name)
    private static let shape = array(.integer(minimum: 0))

    private static let requests: [(name: String, schema: OpenAPISchema)] = [
        (
            "InferenceRequest",
            .object(
                [
                    ("id", .nullable(.string)), ("parameters", .nullable(.reference("RequestParameters"))),
                    ("inputs", .array(.reference("RequestInput"))),
                    ("outputs", .nullable(.array(.reference("RequestedOutput")))),
                ], required: ["inputs"])
        ),
        (
            "RequestParameters",
            .object(
                [
                    ("priority", .integer(minimum: 0)), ("timeout", .integer(minimum: 0)),
                    ("binary_data_output", .bool),
                ], required: [])
        ),
        (
            "RequestInput",
            .object(
                [
                    ("name", .string), ("shape", shape), ("datatype", .oneOf(types)),
                    ("parameters", .nullable(.reference("InputParameters"))), ("data", .array(.any)),
                ], required: ["name", "shape", "datatype"])
        ),
        (
            "InputParameters",
            .object([("binary_data_size", .integer(minimum: 0))] + sharedMemory, required: [])
        ),
        (
            "RequestedOutput",
            .object(
                [("name", .string), ("parameters", .nullable(.reference("OutputParameters")))], required: ["name"])
        ),
        (
            "OutputParameters",
            .object([("binary_data", .bool), ("classification", .integer(minimum: 0))] + sharedMemory, required: [])
        ),
        ("RepositoryIndexRequest", .object([("ready", .nullable(.bool))], required: [])),
        ("LoadRequest", .object([("parameters", .nullable(.reference("LoadParameters")))], required: [])),
        ("LoadParameters", .object([("config", .nullable(.string))], required: [])),
        ("UnloadRequest", .object([("parameters", .nullable(.reference("UnloadParameters")))], required: [])),
        ("UnloadParameters", .object([("unload_dependents", .nullable(.bool))], required: [])),
        (
            "TraceSettings",
            .object(
                [
                    ("trace_level", .nullable(.setting)),
                    ("trace_rate", .nullable(.setting)), ("trace_count", .nullable(.setting)),
                    ("log_frequency", .nullable(.setting)),
                ], required: [])
        ),
        (
            "LogSettings",
            .object(
                [
                    ("log_info", .bool), ("log_warning", .bool), ("log_error", .bool),
                    ("log_verbose_level", .integer(minimum: 0)),
                    ("log_format", .oneOf(LogSettings.Format.allCases.map(\.rawValue))),
                ], required: [])
        ),
        (
            "SharedMemoryRegistration",
            .object(
                [("key", .string), ("offset", .nullable(.integer(minimum: 0))), ("byte_size", .integer(minimum: 1))],
                required: ["key", "byte_size"])
        ),
        (
            "CudaMemoryRegistration",
            .object([("device_id", .integer(minimum: 0)), ("byte_size", .integer(minimum: 1))], required: [])
        ),
    ]

    private static let sharedMemory: [(name: String, schema: OpenAPISchema)] = [
        ("shared_memory_region", .string), ("shared_memory_offset", .integer(minimum: 0)),
        ("shared_memory_byte_size", .integer(minimum: 0)),
    ]

    private static let responses: [(name: String, schema: OpenAPISchema)] = [
        ("Error", .object([("error", .string)], required: ["error"])),
        (
            "ServerMetadata",
            .object(
                [("name", .string), ("version", .string), ("extensions", .array(.string))],
                required: ["name", "version", "extensions"])
        ),
        (
            "TensorMetadata",
            .object(
                [("name", .string), ("datatype", .oneOf(types)), ("shape", .array(.integer(minimum: -1)))],
                required: ["name", "datatype", "shape"])
        ),
        (
            "ModelMetadata",
            .object(
                [
                    ("name", .string), ("versions", .array(.string)), ("platform", .string),
                    ("inputs", .array(.reference("TensorMetadata"))),
                    ("outputs", .array(.reference("TensorMetadata"))),
                ], required: ["name", "platform", "inputs", "outputs"])
        ),
        (
            "InferenceResponse",
            .object(
                [
                    ("model_name", .string), ("model_version", .string), ("id", .string), ("parameters", .anyObject),
                    ("outputs", .array(.reference("ResponseOutput"))),
                ], required: ["model_name", "outputs"])
        ),
        (
            "ResponseOutput",
            .object(
                [
                    ("name", .string), ("shape", shape), ("datatype", .oneOf(types)), ("parameters", .anyObject),
                    ("data", .array(.any)),
                ], required: ["name", "shape", "datatype"])
        ),
        ("Statistics", .object([("model_stats", .array(.reference("ModelStatistics")))], required: ["model_stats"])),
        (
            "ModelStatistics",
            .object(
                [
                    ("name", .string), ("version", .string), ("last_inference", .integer(minimum: 0)),
                    ("inference_count", .integer(minimum: 0)), ("execution_count", .integer(minimum: 0)),
                    ("inference_stats", .anyObject), ("response_stats", .anyObject),
                    ("batch_stats", .array(.anyObject)), ("memory_usage", .array(.anyObject)),
                ], required: ["name", "version", "inference_stats", "batch_stats"])
        ),
        (
            "ModelIndexEntry",
            .object(
                [
                    ("name", .string), ("version", .string),
                    ("state", .oneOf(["READY", "UNAVAILABLE", "LOADING", "UNLOADING"])), ("reason", .string),
                ], required: ["name"])
        ),
        (
            "SharedMemoryRegion",
            .object(
                [
                    ("name", .string), ("key", .string), ("offset", .integer(minimum: 0)),
                    ("byte_size", .integer(minimum: 0)),
                ], required: ["name"])
        ),
    ]
}
