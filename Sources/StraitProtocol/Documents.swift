// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

/// The JSON documents of the protocol other than inference: errors, and what the server and its models are.
package enum Documents {
    /// The name of the platform, as Triton calls ONNX models.
    package static let platform = "onnxruntime_onnx"
    /// The name of the backend, as Triton calls it.
    package static let backend = "onnxruntime"
    /// The protocol's extensions that are served, over either transport.
    package static let extensions = [
        "binary_tensor_data", "classification", "logging", "model_configuration", "model_repository",
        "model_repository(unload_dependents)", "parameters", "schedule_policy", "statistics", "system_shared_memory",
        "trace",
    ]

    /// The body of every answer that is not a success: `{"error": message}`.
    package static func errorBody(_ message: String) -> [UInt8] {
        var writer = JSONWriter(capacity: message.utf8.count + 16)
        writer.beginObject()
        writer.member("error", message)
        writer.endObject()
        return writer.bytes
    }

    /// The answer to a question that is answered with its status already: `{"live": true}` and its like, which KServe's
    /// client asks for. Triton leaves the body empty.
    ///
    /// - Parameter model: the model that is asked about; nil for the server.
    package static func health(_ key: String, model: String? = nil) -> [UInt8] {
        var writer = JSONWriter(capacity: 64)
        writer.beginObject()
        if let model { writer.member("name", model) }
        writer.member(key, true)
        writer.endObject()
        return writer.bytes
    }

    /// A device, as the server's metadata tell it.
    package struct Device: Sendable, Hashable {
        package var name: String
        package var lanes: Int
        /// Why it is out of service; nil while it serves.
        package var reason: String?

        package init(name: String, lanes: Int, reason: String?) {
            self.name = name
            self.lanes = lanes
            self.reason = reason
        }
    }

    /// Server metadata: the answer to `GET v2`. Beyond what the protocol has, the devices.
    package static func serverMetadata(
        name: String, version: String, extensions: [String], devices: [Device] = []
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("name", name)
        writer.member("version", version)
        writer.member("extensions", extensions)
        if !devices.isEmpty {
            writer.key("devices")
            writer.beginArray()
            for device in devices {
                writer.beginObject()
                writer.member("name", device.name)
                writer.member("lanes", device.lanes)
                writer.member("serving", device.reason == nil)
                if let reason = device.reason { writer.member("reason", reason) }
                writer.endObject()
            }
            writer.endArray()
        }
        writer.endObject()
        return writer.bytes
    }

    /// Model metadata: the answer to `GET v2/models/M`; `versions` are those being served.
    package static func modelMetadata(_ model: ModelSpecification, versions: [Int]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("name", model.name)
        writer.member("versions", versions.map { String($0) })
        writer.member("platform", platform)
        for (key, tensors) in [("inputs", model.inputs), ("outputs", model.outputs)] {
            writer.key(key)
            writer.beginArray()
            for tensor in tensors {
                writer.beginObject()
                writer.member("name", tensor.name)
                writer.member("datatype", tensor.type.name)
                writer.member("shape", tensor.shape.dimensions)
                writer.endObject()
            }
            writer.endArray()
        }
        writer.endObject()
        return writer.bytes
    }

    /// Model configuration: the answer to `GET v2/models/M/config`, with the fields of config.pbtxt as they are in
    /// force; `instances` batches of the model can run at a time.
    package static func modelConfiguration(_ model: ModelSpecification, instances: Int) -> [UInt8] {
        var writer = JSONWriter(capacity: 1024)
        writer.beginObject()
        writer.member("name", model.name)
        writer.member("platform", platform)
        writer.member("backend", backend)
        write(model.versionPolicy, to: &writer)
        writer.member("max_batch_size", model.maxBatchSize)
        write(model.inputs, of: model, key: "input", to: &writer)
        write(model.outputs, of: model, key: "output", to: &writer)
        writer.key("instance_group")
        writer.beginArray()
        writer.beginObject()
        writer.member("name", model.name)
        writer.member("kind", "KIND_CPU")
        writer.member("count", instances)
        writer.endObject()
        writer.endArray()
        writer.member("default_model_filename", model.defaultModelFilename)
        if model.maxBatchSize > 0 { writeDynamicBatching(model, to: &writer) }
        writer.key("parameters")
        writer.beginObject()
        for (name, value) in model.parameters.sorted(by: { $0.key < $1.key }) {
            writer.key(name)
            writer.beginObject()
            writer.member("string_value", value)
            writer.endObject()
        }
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    private static func write(_ policy: VersionPolicy, to writer: inout JSONWriter) {
        writer.key("version_policy")
        writer.beginObject()
        switch policy {
        case .latest(let count):
            writer.key("latest")
            writer.beginObject()
            writer.member("num_versions", count)
            writer.endObject()
        case .all:
            writer.key("all")
            writer.beginObject()
            writer.endObject()
        case .specific(let versions):
            writer.key("specific")
            writer.beginObject()
            writer.member("versions", versions)
            writer.endObject()
        }
        writer.endObject()
    }

    private static func write(
        _ tensors: [TensorSpecification], of model: ModelSpecification, key: String, to writer: inout JSONWriter
    ) {
        writer.key(key)
        writer.beginArray()
        for tensor in tensors {
            writer.beginObject()
            writer.member("name", tensor.name)
            writer.member("data_type", tensor.type == .bytes ? "TYPE_STRING" : "TYPE_" + tensor.type.name)
            // As in config.pbtxt, the dimensions of a batchable model leave the batch out.
            writer.member("dims", (model.maxBatchSize > 0 ? tensor.shape.row : tensor.shape).dimensions)
            writer.endObject()
        }
        writer.endArray()
    }

    private static func writeDynamicBatching(_ model: ModelSpecification, to writer: inout JSONWriter) {
        writer.key("dynamic_batching")
        writer.beginObject()
        writer.member("priority_levels", 2)
        writer.member("default_priority_level", model.defaultClass == .high ? 1 : 2)
        writer.key("default_queue_policy")
        writer.beginObject()
        writer.member("timeout_action", "REJECT")
        let microseconds = ((model.deadlineMilliseconds ?? 0) * 1000).rounded()
        writer.member("default_timeout_microseconds", Int64(exactly: microseconds) ?? 0)
        writer.member("allow_timeout_override", true)
        writer.member("max_queue_size", model.maxQueueSize ?? 0)
        writer.endObject()
        writer.endObject()
    }
}
