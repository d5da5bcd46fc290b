// SPDX-License-Identifier: Apache-2.0

package import CUDARuntime
package import OnnxRuntime
internal import Synchronization

/// Loads models with ONNX Runtime's CUDA or TensorRT provider.
package struct OrtAcceleratorLoader: AcceleratorLoader {
    private let environment: Environment
    private let memory: DeviceMemory
    private let ordinal: Int
    private let kind: ExecutionProvider.Kind

    /// A loader for a device.
    ///
    /// - Throws: ``DeviceError``, `noDevice` where the library was built without the provider.
    package init(_ options: CUDAOptions, in environment: Environment) throws(DeviceError) {
        do {
            guard try environment.library.availableProviders().contains(options.provider.name) else {
                throw DeviceError(
                    .noDevice,
                    "the ONNX Runtime at \(environment.library.path) was built without \(options.provider.name); name one "
                        + "of the onnxruntime-gpu package with --onnxruntime")
            }
            memory = try DeviceMemory(cuda: options.ordinal, in: environment)
        } catch {
            throw DeviceError(any: error)
        }
        self.environment = environment
        ordinal = options.ordinal
        kind = options.provider
    }

    package var software: String { "ONNX Runtime \(environment.library.version) with \(kind.name)" }

    package func load(
        path: String, model: String, on stream: CUDAStream, memoryLimit: Int, usesGraphs: Bool
    ) throws(DeviceError) -> any AcceleratorSession {
        let place = ExecutionProvider.Stream(stream.handle)
        let cuda = ExecutionProvider(
            .cuda, device: ordinal,
            options: [
                // The default tries all algorithms, for seconds, whenever a shape is new.
                "cudnn_conv_algo_search": "HEURISTIC",
                // The default doubles what it holds; we count bytes.
                "arena_extend_strategy": "kSameAsRequested",
                "gpu_mem_limit": "\(memoryLimit)",
                // What ONNX Runtime copies itself stays on our stream, in order.
                "do_copy_in_default_stream": "1",
                "enable_cuda_graph": usesGraphs ? "1" : "0",
            ], stream: place)
        var options = SessionOptions()
        options.logSeverity = .fatal
        options.providers = [cuda]
        if kind == .tensorrt {
            options.providers.insert(ExecutionProvider(.tensorrt, device: ordinal, stream: place), at: 0)
        }
        do {
            let session = try Session(path: path, model: model, options: options, in: environment, keeping: stream)
            return OrtAcceleratorSession(session, memory)
        } catch {
            throw DeviceError(any: error)
        }
    }
}

/// A session of ONNX Runtime's with its places for inputs and outputs.
private final class OrtAcceleratorSession: AcceleratorSession {
    private let session: Session
    private let memory: DeviceMemory
    /// For each graph, and for runs without one.
    private let bindings = Mutex<[Int?: Binding]>([:])

    init(_ session: Session, _ memory: DeviceMemory) {
        self.session = session
        self.memory = memory
    }

    var inputs: [TensorInfo] { session.inputs }
    var outputs: [TensorInfo] { session.outputs }

    func metadata() throws(DeviceError) -> [String: String] {
        do {
            var metadata: [String: String] = [:]
            for key in try session.metadataKeys() { metadata[key] = try session.metadata(key) }
            return metadata
        } catch {
            throw DeviceError(any: error)
        }
    }

    func launch(
        inputs: [DeviceTensor], outputs: [DeviceTensor?], graph: Int?
    ) throws(DeviceError) -> [AllocatedOutput?] {
        do {
            let known = bindings.withLock { $0[graph] }
            let binding = if let known { known } else { try Binding(for: session, on: memory, graph: graph) }
            if known == nil { bindings.withLock { $0[graph] = binding } }
            return try binding.launch(inputs: inputs, outputs: outputs).map { value in
                value.map { AllocatedOutput($0.tensor, owner: $0) }
            }
        } catch {
            throw DeviceError(any: error)
        }
    }
}

extension DeviceError {
    /// What CUDA refused, as a device tells it.
    init(_ error: CUDAError) {
        let code: Code =
            switch error.code {
            case .outOfMemory: .outOfMemory
            case .lost: .deviceLost
            case .noDevice, .libraryNotFound: .noDevice
            case .failed: .runFailed
            }
        self.init(code, error.message)
    }

    /// What went wrong in ONNX Runtime, which tells CUDA's errors by their text only.
    init(any error: any Error) {
        if let error = error as? DeviceError {
            self = error
        } else if let error = error as? CUDAError {
            self.init(error)
        } else {
            let text = "\(error)"
            self.init(Self.code(inText: text), text)
        }
    }

    /// The kind of failure that a message of ONNX Runtime's tells.
    static func code(inText text: String) -> Code {
        if let mention = text.firstRange(of: "CUDA failure "),
            let number = Int(text[mention.upperBound...].prefix { $0.isNumber })
        {
            return DeviceError(CUDAError(CUDAError.code(number), text)).code
        }
        let signs = ["out of memory", "Failed to allocate memory", "CUDNN_STATUS_ALLOC_FAILED", "BFCArena"]
        return signs.contains(where: text.contains) ? .outOfMemory : .runFailed
    }
}
