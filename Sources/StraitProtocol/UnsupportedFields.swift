// SPDX-License-Identifier: Apache-2.0

/// Fields of config.pbtxt that parse but change nothing here, and why: whoever set them should know.
enum UnsupportedFields {
    /// What to say about a field.
    struct Rule {
        /// The field's path, as ``TextFormatOutline`` has it.
        var path: String
        /// Values that ask for nothing this server does not do anyway.
        var harmless: [String] = []
        /// What happens instead.
        var reason: String
    }

    private static let off = ["false", "False", "f", "0"]

    static let rules: [Rule] = [
        Rule(path: "ensemble_scheduling", reason: "ensembles are not supported"),
        Rule(path: "sequence_batching", reason: "sequences are not supported; every request stands alone"),
        Rule(path: "model_transaction_policy.decoupled", harmless: off, reason: "a request gets exactly one response"),
        Rule(path: "batch_input", reason: "batches consist of the declared inputs alone"),
        Rule(path: "batch_output", reason: "outputs are split by rows"),
        Rule(path: "cc_model_filenames", reason: "one file serves on every device"),
        Rule(path: "metric_tags", reason: "metrics carry the model's name and version"),
        Rule(path: "model_metrics", reason: "the server's own buckets are used"),
        Rule(path: "optimization", reason: "the runtime's default optimisations are used"),
        Rule(path: "model_operations", reason: "custom operators are not loaded"),
        Rule(path: "model_repository_agents", reason: "agents are not run"),
        Rule(path: "response_cache.enable", harmless: off, reason: "responses are not cached"),
        Rule(path: "runtime", reason: "the runtime is ONNX Runtime"),
        Rule(path: "input.reshape", reason: "tensors keep the shape they are sent with"),
        Rule(path: "input.format", harmless: ["FORMAT_NONE", "0"], reason: "tensors are passed on as they are"),
        Rule(path: "input.is_shape_tensor", harmless: off, reason: "shape tensors are TensorRT's"),
        Rule(path: "input.allow_ragged_batch", harmless: off, reason: "rows of a batch have equal shapes"),
        Rule(path: "input.optional", harmless: off, reason: "every input must be sent"),
        Rule(path: "input.is_non_linear_format_io", harmless: off, reason: "tensors are row-major"),
        Rule(path: "output.reshape", reason: "tensors keep the shape the model gives them"),
        Rule(path: "output.is_shape_tensor", harmless: off, reason: "shape tensors are TensorRT's"),
        Rule(path: "output.is_non_linear_format_io", harmless: off, reason: "tensors are row-major"),
        Rule(path: "instance_group.count", harmless: ["1"], reason: "all models share the lanes; set --lanes"),
        Rule(
            path: "instance_group.kind", harmless: ["KIND_CPU", "KIND_AUTO", "0", "2"],
            reason: "the server chooses the devices"),
        Rule(path: "instance_group.gpus", reason: "the server chooses the devices"),
        Rule(path: "instance_group.profile", reason: "profiles are TensorRT's"),
        Rule(path: "instance_group.rate_limiter", reason: "the scheduler decides when each model runs"),
        Rule(path: "instance_group.passive", harmless: off, reason: "every model is served"),
        Rule(path: "instance_group.secondary_devices", reason: "the server chooses the devices"),
        Rule(path: "instance_group.host_policy", reason: "the server places its lanes"),
        Rule(
            path: "dynamic_batching.preferred_batch_size", reason: "the scheduler weighs every size up to the maximum"),
        Rule(
            path: "dynamic_batching.max_queue_delay_microseconds", harmless: ["0"],
            reason: "a free lane never waits for a batch to fill"),
        Rule(path: "dynamic_batching.preserve_ordering", harmless: off, reason: "answers go out as they are ready"),
        Rule(path: "dynamic_batching.priority_queue_policy", reason: "one policy holds for all priorities"),
        Rule(
            path: "dynamic_batching.default_queue_policy.timeout_action", harmless: ["REJECT", "0"],
            reason: "a request that would be late is refused"),
        Rule(
            path: "dynamic_batching.default_queue_policy.allow_timeout_override", harmless: ["true", "True", "t", "1"],
            reason: "a request's own timeout always wins"),
    ]

    /// A warning, `path:line: message`, for each such field that is set to something.
    static func warnings(_ outline: TextFormatOutline, path file: String) -> [String] {
        var warnings: [String] = []
        for field in outline.fields {
            guard let rule = rules.first(where: { $0.path == field.path }) else { continue }
            if let value = field.value, rule.harmless.contains(value) { continue }
            let location = RepositoryError.location(file, field.line)
            warnings.append("\(location): \"\(field.path)\" is not supported and ignored: \(rule.reason)")
        }
        return warnings
    }
}
