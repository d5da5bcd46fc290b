// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

/// Memory of a device, as ONNX Runtime names it.
// @unchecked: the handle is constant, and only described by it.
package final class DeviceMemory: @unchecked Sendable {
    /// ONNX Runtime's object, for this module.
    let handle: OpaquePointer
    /// What made it.
    let environment: Environment

    /// The memory of a CUDA device.
    ///
    /// - Throws: what ONNX Runtime reports.
    package init(cuda device: Int, in environment: Environment) throws(OnnxRuntimeError) {
        self.environment = environment
        let api = environment.api
        handle = try environment.library.made { ort_create_device_memory_info(api, "Cuda", CInt(device), &$0) }
    }

    deinit { ort_release_memory_info(environment.api, handle) }
}

/// A tensor in a device's memory, which the caller keeps.
package struct DeviceTensor: Sendable {
    /// The type of its elements; any but `string`.
    package var type: OrtElementType
    /// Its dimensions.
    package var shape: [Int]
    /// Where it lies.
    package var address: UInt
    /// Its bytes.
    package var byteCount: Int

    /// A tensor at an address.
    package init(type: OrtElementType, shape: [Int], address: UInt, byteCount: Int) {
        self.type = type
        self.shape = shape
        self.address = address
        self.byteCount = byteCount
    }
}

/// Inputs and outputs in a device's memory for the runs of one session: one run at a time.
// @unchecked: for one thread at a time, which its owner sees to.
package final class Binding: @unchecked Sendable {
    /// The session that it is for.
    package let session: Session
    private let memory: DeviceMemory
    private let handle: OpaquePointer
    private let options: OpaquePointer

    private var environment: Environment { session.environment }
    private var library: OnnxRuntimeLibrary { session.environment.library }

    /// A binding whose runs return when all is launched, not when it is done.
    ///
    /// - Parameter graph: the number of the CUDA graph that its runs record and replay; nil for none.
    /// - Throws: what ONNX Runtime reports.
    package init(for session: Session, on memory: DeviceMemory, graph: Int? = nil) throws(OnnxRuntimeError) {
        let (api, library, model) = (session.environment.api, session.environment.library, session.model)
        let options = try library.made(model: model) { ort_create_run_options(api, &$0) }
        do {
            try library.check(
                ort_add_run_config(api, options, "disable_synchronize_execution_providers", "1"), model: model)
            // −1: not even where the session was made for graphs.
            try library.check(ort_add_run_config(api, options, "gpu_graph_id", "\(graph ?? -1)"), model: model)
            handle = try session.makeBinding()
        } catch {
            ort_release_run_options(api, options)
            throw error
        }
        self.options = options
        self.session = session
        self.memory = memory
    }

    deinit {
        ort_release_binding(environment.api, handle)
        ort_release_run_options(environment.api, options)
    }

    /// Launches a run on the session's stream.
    ///
    /// - Parameters:
    ///   - inputs: for each of the session's inputs where it lies.
    ///   - outputs: for each of its outputs where it goes, or nil to let ONNX Runtime allocate it on the device.
    /// - Returns: what it allocated, in the outputs' order; nil where the caller gave the place. The memory is valid as
    ///   long as the value is held.
    /// - Throws: what ONNX Runtime reports.
    package func launch(
        inputs: [DeviceTensor], outputs: [DeviceTensor?]
    ) throws(OnnxRuntimeError) -> [BoundValue?] {
        guard inputs.count == session.inputs.count, outputs.count == session.outputs.count else {
            throw OnnxRuntimeError(.invalidValue, "a run needs a place for each input and output", model: session.model)
        }
        let api = environment.api
        defer { ort_clear_binding(api, handle) }
        for (index, input) in inputs.enumerated() {
            let value = try value(over: input)
            // The binding holds what it needs of the value.
            defer { ort_release_value(api, value) }
            try check(ort_bind_input(api, handle, session.inputs[index].name, value))
        }
        for (index, output) in outputs.enumerated() {
            let name = session.outputs[index].name
            guard let output else {
                try check(ort_bind_output_to_device(api, handle, name, memory.handle))
                continue
            }
            let value = try value(over: output)
            defer { ort_release_value(api, value) }
            try check(ort_bind_output(api, handle, name, value))
        }
        try session.run(handle, options)
        guard outputs.contains(where: { $0 == nil }) else { return outputs.map { _ in nil } }
        return try allocated(outputs)
    }

    private func check(_ status: OpaquePointer?) throws(OnnxRuntimeError) {
        try library.check(status, model: session.model)
    }

    private func value(over tensor: DeviceTensor) throws(OnnxRuntimeError) -> OpaquePointer {
        let api = environment.api
        return try library.made(model: session.model) {
            ort_create_tensor_over(
                api, memory.handle, UnsafeMutableRawPointer(bitPattern: tensor.address), tensor.byteCount, tensor.shape,
                tensor.shape.count, tensor.type.rawValue, &$0)
        }
    }

    private func allocated(_ outputs: [DeviceTensor?]) throws(OnnxRuntimeError) -> [BoundValue?] {
        var values: UnsafeMutablePointer<OpaquePointer?>?
        var count = 0
        try check(ort_bound_output_values(environment.api, handle, environment.allocator, &values, &count))
        guard let values else { return outputs.map { _ in nil } }
        defer { environment.free(values) }
        // All are taken over first, so that none is lost where one cannot be described.
        let owned = (0..<count).map { values[$0].map { OwnedValue($0, environment) } }
        return try outputs.indices.map { (index) throws(OnnxRuntimeError) -> BoundValue? in
            guard outputs[index] == nil, index < owned.count, let value = owned[index] else { return nil }
            return try BoundValue(value, model: session.model)
        }
    }
}

/// A value that is released with it.
// @unchecked: the handle is constant.
final class OwnedValue: @unchecked Sendable {
    let handle: OpaquePointer
    let environment: Environment

    init(_ handle: OpaquePointer, _ environment: Environment) {
        self.handle = handle
        self.environment = environment
    }

    deinit { ort_release_value(environment.api, handle) }
}

/// An output that ONNX Runtime allocated on a device.
package struct BoundValue: Sendable {
    /// Where it lies and what it is.
    package let tensor: DeviceTensor
    private let value: OwnedValue

    init(_ value: OwnedValue, model: String) throws(OnnxRuntimeError) {
        let (library, api) = (value.environment.library, value.environment.api)
        let info = try library.made(model: model) { ort_value_tensor_info(api, value.handle, &$0) }
        defer { ort_release_tensor_info(api, info) }
        let reader = TensorShape(library: library, tensor: info, model: model)
        let type = try reader.elementType("an output")
        let shape = try reader.dimensions()
        guard let size = type.byteSize, let count = Value.byteCount(of: shape, size) else {
            throw OnnxRuntimeError(.unsupportedType, "an output of strings cannot lie on a device", model: model)
        }
        var data: UnsafeMutableRawPointer?
        try library.check(ort_value_data(api, value.handle, &data), model: model)
        self.value = value
        tensor = DeviceTensor(type: type, shape: shape, address: UInt(bitPattern: data), byteCount: count)
    }
}

extension Session {
    /// A handle for places of inputs and outputs.
    func makeBinding() throws(OnnxRuntimeError) -> OpaquePointer {
        let api = environment.api
        return try environment.library.made(model: model) { ort_create_binding(api, handle, &$0) }
    }

    /// Runs with such places.
    func run(_ binding: OpaquePointer, _ options: OpaquePointer) throws(OnnxRuntimeError) {
        let status = ort_run_with_binding(environment.api, handle, options, binding)
        try environment.library.check(status, model: model)
    }
}
