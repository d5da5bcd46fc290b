// SPDX-License-Identifier: Apache-2.0

package import CUDARuntime
package import OnnxRuntime

/// What loads models onto a CUDA stream: ONNX Runtime, or a stand-in for it in tests.
package protocol AcceleratorLoader: Sendable {
    /// What it is, with its version.
    var software: String { get }

    /// Loads a model whose kernels all go on one stream.
    ///
    /// - Parameters:
    ///   - memoryLimit: bytes that the session may take of the device's memory.
    ///   - usesGraphs: whether runs may be recorded as CUDA graphs.
    /// - Throws: ``DeviceError``.
    func load(
        path: String, model: String, on stream: CUDAStream, memoryLimit: Int, usesGraphs: Bool
    ) throws(DeviceError) -> any AcceleratorSession
}

/// A model on a stream. One run at a time.
package protocol AcceleratorSession: Sendable {
    /// Its inputs and outputs.
    var inputs: [TensorInfo] { get }
    var outputs: [TensorInfo] { get }

    /// What its author wrote into the file, by key.
    ///
    /// - Throws: ``DeviceError``.
    func metadata() throws(DeviceError) -> [String: String]

    /// Puts a run on the stream and returns, as a rule before it is done.
    ///
    /// - Parameters:
    ///   - outputs: where each output goes; nil to have it allocated.
    ///   - graph: the number under which the run is recorded or replayed; nil for neither.
    /// - Returns: what was allocated, in the outputs' order.
    /// - Throws: ``DeviceError``.
    func launch(
        inputs: [DeviceTensor], outputs: [DeviceTensor?], graph: Int?
    ) throws(DeviceError) -> [AllocatedOutput?]
}

/// An output that a session allocated on the device, valid as long as it is held.
package struct AllocatedOutput: Sendable {
    /// Where it lies and what it is.
    package let tensor: DeviceTensor
    private let owner: any Sendable

    package init(_ tensor: DeviceTensor, owner: any Sendable) {
        self.tensor = tensor
        self.owner = owner
    }
}
