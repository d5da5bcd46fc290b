// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

/// A loaded model. Any number of threads may run it at once.
// @unchecked: all is constant after init, and ONNX Runtime's Run and metadata functions are thread-safe.
package final class Session: @unchecked Sendable {
    /// The environment that the model is loaded in.
    package let environment: Environment
    /// The model's name, for errors.
    package let model: String
    /// The model's inputs, in the order of `run`.
    package let inputs: [TensorInfo]
    /// The model's outputs, in the order of `run`.
    package let outputs: [TensorInfo]

    /// ONNX Runtime's object, for this module.
    let handle: OpaquePointer
    private let inputNames: CStringArray
    private let outputNames: CStringArray
    /// Held until the session is released.
    private let kept: (any Sendable)?

    /// Loads a model. It takes milliseconds to seconds; do it before serving.
    ///
    /// - Parameters:
    ///   - path: the .onnx file.
    ///   - model: the name that errors carry; the path where nil.
    ///   - kept: what must outlive the session, such as a stream that its provider was given the address of.
    /// - Throws: what ONNX Runtime reports (`noSuchFile`, `invalidProtobuf`, …); `unsupportedType` for an input or output
    ///   that is no tensor or has an element type without a case in `OrtElementType`.
    package init(
        path: String, model: String? = nil, options: SessionOptions = SessionOptions(), in environment: Environment,
        keeping kept: (any Sendable)? = nil
    ) throws(OnnxRuntimeError) {
        let model = model ?? path
        let handle = try options.withHandle(in: environment.library, model: model) {
            (options) throws(OnnxRuntimeError) in
            try environment.makeSession(path: path, options: options, model: model)
        }
        do {
            let reader = SignatureReader(environment: environment, session: handle, model: model)
            inputs = try reader.inputs()
            outputs = try reader.outputs()
        } catch {
            ort_release_session(environment.api, handle)
            throw error
        }
        self.environment = environment
        self.model = model
        self.handle = handle
        self.kept = kept
        inputNames = CStringArray(inputs.map(\.name))
        outputNames = CStringArray(outputs.map(\.name))
    }

    deinit {
        // Before anything that is held here goes.
        ort_release_session(environment.api, handle)
    }

    /// Runs the model on the calling thread (at the default options) and returns when it is done.
    ///
    /// - Parameters:
    ///   - inputs: one value for each of the model's inputs, in their order.
    ///   - outputs: one place for each of the model's outputs, in their order. A value that is there is written into and
    ///     must have the output's exact type and shape; where there is nil, ONNX Runtime allocates and the new value is
    ///     put there. After a failure the places are as before, but the memory of preallocated values may be written.
    ///   - options: through which another thread can stop the run.
    /// - Throws: what ONNX Runtime reports; `invalidValue` for a wrong number of inputs or outputs.
    package func run(
        inputs: [Value], outputs: inout [Value?], options: RunOptions? = nil
    ) throws(OnnxRuntimeError) {
        guard inputs.count == self.inputs.count, outputs.count == self.outputs.count else {
            throw OnnxRuntimeError(
                .invalidValue,
                "a run needs \(self.inputs.count) inputs and \(self.outputs.count) outputs, but got \(inputs.count) "
                    + "and \(outputs.count)", model: model)
        }
        // The handles of inputs and outputs side by side, on the stack.
        let failure: OnnxRuntimeError? = withUnsafeTemporaryAllocation(
            of: OpaquePointer?.self, capacity: inputs.count + outputs.count
        ) { handles in
            for (index, value) in inputs.enumerated() { handles.initializeElement(at: index, to: value.handle) }
            for (index, value) in outputs.enumerated() {
                handles.initializeElement(at: inputs.count + index, to: value?.handle)
            }
            let outputHandles = UnsafeMutableBufferPointer(rebasing: handles[inputs.count...])
            let status = ort_run(
                environment.api, handle, options?.handle, inputNames.pointer, handles.baseAddress, inputs.count,
                outputNames.pointer, outputs.count, outputHandles.baseAddress)
            return settle(status, outputHandles, &outputs)
        }
        // ONNX Runtime saw only handles: the objects behind them must live until here.
        withExtendedLifetime((inputs, options)) {}
        if let failure { throw failure }
    }

    /// Takes over what ONNX Runtime allocated, or releases it where anything failed.
    private func settle(
        _ status: OpaquePointer?, _ handles: UnsafeMutableBufferPointer<OpaquePointer?>, _ outputs: inout [Value?]
    ) -> OnnxRuntimeError? {
        var failure = status.map { environment.library.error($0, model: model) }
        var adopted: [Int] = []
        for index in handles.indices where outputs[index] == nil {
            guard let made = handles[index] else { continue }
            guard failure == nil else {
                ort_release_value(environment.api, made)
                continue
            }
            do {
                outputs[index] = try Value(adopting: made, model: model, in: environment)
                adopted.append(index)
            } catch {
                failure = error
            }
        }
        if failure != nil {
            for index in adopted { outputs[index] = nil }
        }
        return failure
    }

    /// The value of a key of the model's own metadata (what its author wrote into the file); nil if it has none such.
    ///
    /// - Throws: what ONNX Runtime reports.
    package func metadata(_ key: String) throws(OnnxRuntimeError) -> String? {
        try withMetadata { (metadata) throws(OnnxRuntimeError) in
            var value: UnsafeMutablePointer<CChar>?
            let status = ort_metadata_lookup(environment.api, metadata, environment.allocator, key, &value)
            try environment.library.check(status, model: model)
            return environment.adopt(value)
        }
    }

    /// The keys of the model's own metadata, sorted.
    ///
    /// - Throws: what ONNX Runtime reports.
    package func metadataKeys() throws(OnnxRuntimeError) -> [String] {
        try withMetadata { (metadata) throws(OnnxRuntimeError) in
            var keys: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
            var count: Int64 = 0
            let status = ort_metadata_keys(environment.api, metadata, environment.allocator, &keys, &count)
            try environment.library.check(status, model: model)
            guard let keys else { return [] }
            defer { environment.free(keys) }
            return (0..<Int(count)).compactMap { environment.adopt(keys[$0]) }.sorted()
        }
    }

    private func withMetadata<Result>(
        _ body: (OpaquePointer) throws(OnnxRuntimeError) -> Result
    ) throws(OnnxRuntimeError) -> Result {
        let metadata = try environment.library.made(model: model) {
            ort_session_metadata(environment.api, handle, &$0)
        }
        defer { ort_release_metadata(environment.api, metadata) }
        return try body(metadata)
    }
}
