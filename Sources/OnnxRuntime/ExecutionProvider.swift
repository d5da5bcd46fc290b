// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

/// What runs a session's operators besides the processor, which takes those that it cannot.
///
/// CUDA and TensorRT go through the classic interface, not through that of plugins: only it takes a stream of ours, and
/// with it the stream's priority. It needs a provider of the same build as the library, which lies beside it.
package struct ExecutionProvider: Sendable, Hashable {
    /// Which one it is.
    package enum Kind: String, Sendable, Hashable {
        case cuda, tensorrt

        /// ONNX Runtime's name for it.
        package var name: String {
            switch self {
            case .cuda: "CUDAExecutionProvider"
            case .tensorrt: "TensorrtExecutionProvider"
            }
        }
    }

    /// Which one it is.
    package var kind: Kind
    /// The device's number.
    package var device: Int
    /// Options by ONNX Runtime's keys, besides the device and the stream.
    package var options: [String: String]
    /// The stream on which all kernels of the session go; nil lets ONNX Runtime make one for each run.
    package var stream: Stream?

    /// A CUDA stream, by its address. It must outlive the session, which can keep it.
    package struct Stream: Sendable, Hashable {
        let address: UInt

        /// The stream behind a handle of CUDA's.
        package init(_ handle: UnsafeMutableRawPointer) { address = UInt(bitPattern: handle) }
    }

    /// A provider on a device.
    package init(_ kind: Kind, device: Int, options: [String: String] = [:], stream: Stream? = nil) {
        self.kind = kind
        self.device = device
        self.options = options
        self.stream = stream
    }

    /// Adds it to a session's options.
    ///
    /// - Throws: what ONNX Runtime reports, such as that the provider's own libraries are missing or that there is no
    ///   device.
    func append(to session: OpaquePointer, in library: OnnxRuntimeLibrary, model: String) throws(OnnxRuntimeError) {
        var options = options
        options["device_id"] = "\(device)"
        let keys = options.keys.sorted()
        let values = keys.map { options[$0] ?? "" }
        switch kind {
        case .cuda: try appendCUDA(keys, values, session, library, model)
        case .tensorrt:
            if let stream {
                // As text, in decimal: its interface for pointers is not checked here.
                let more = ["has_user_compute_stream": "1", "user_compute_stream": "\(stream.address)"]
                let all = options.merging(more) { $1 }
                let keys = all.keys.sorted()
                try appendTensorRT(keys, keys.map { all[$0] ?? "" }, session, library, model)
            } else {
                try appendTensorRT(keys, values, session, library, model)
            }
        }
    }

    private func appendCUDA(
        _ keys: [String], _ values: [String], _ session: OpaquePointer, _ library: OnnxRuntimeLibrary, _ model: String
    ) throws(OnnxRuntimeError) {
        let api = library.api
        let made = try library.made(model: model) { ort_create_cuda_options(api, &$0) }
        defer { ort_release_cuda_options(api, made) }
        let (keys, values, count) = (CStringArray(keys), CStringArray(values), keys.count)
        try library.check(ort_update_cuda_options(api, made, keys.pointer, values.pointer, count), model: model)
        if let stream {
            let handle = UnsafeMutableRawPointer(bitPattern: stream.address)
            try library.check(ort_set_cuda_pointer(api, made, "user_compute_stream", handle), model: model)
        }
        try library.check(ort_append_cuda(api, session, made), model: model)
    }

    private func appendTensorRT(
        _ keys: [String], _ values: [String], _ session: OpaquePointer, _ library: OnnxRuntimeLibrary, _ model: String
    ) throws(OnnxRuntimeError) {
        let api = library.api
        let made = try library.made(model: model) { ort_create_tensorrt_options(api, &$0) }
        defer { ort_release_tensorrt_options(api, made) }
        let (keys, values, count) = (CStringArray(keys), CStringArray(values), keys.count)
        try library.check(ort_update_tensorrt_options(api, made, keys.pointer, values.pointer, count), model: model)
        try library.check(ort_append_tensorrt(api, session, made), model: model)
    }
}

extension OnnxRuntimeLibrary {
    /// The names of the providers that the library was built to use. Whether their own libraries are there, and a
    /// device, shows only when a session asks for one.
    ///
    /// - Throws: what ONNX Runtime reports.
    package func availableProviders() throws(OnnxRuntimeError) -> [String] {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        var count: CInt = 0
        try check(ort_available_providers(api, &names, &count))
        guard let names else { return [] }
        defer { ort_release_available_providers(api, names, count) }
        return (0..<Int(count)).map { string(names[$0]) }
    }
}
