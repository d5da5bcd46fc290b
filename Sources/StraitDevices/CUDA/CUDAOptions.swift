// SPDX-License-Identifier: Apache-2.0

package import OnnxRuntime
package import StraitCore

/// How a CUDA device is used.
package struct CUDAOptions: Sendable, Hashable {
    /// The device's number.
    package var ordinal: Int
    /// Batches whose kernels may run at the same time, each on a stream of its own.
    package var lanes = 2
    /// Whether batches of the high class go on streams that the device prefers. Each lane then holds every model twice,
    /// because ONNX Runtime ties a session to one stream.
    package var usesPriorities = true
    /// Whether prepared batches are recorded as CUDA graphs and replayed, which spares the launches of single kernels.
    package var usesGraphs = false
    /// Bytes of device memory that may be used; nil for ``defaultShare`` of what is free at the start.
    package var memoryBudget: Int?
    /// Bytes of pinned host memory that may be used for staging.
    package var stagingBudget = 1 << 30
    /// What runs the operators: CUDA's provider, or TensorRT's with CUDA's for what it cannot.
    package var provider = ExecutionProvider.Kind.cuda

    /// How long unloading a model waits for lanes that are busy; batches take less, but for those that hang.
    package var unloadPatience = Duration.seconds(5)

    /// The most lanes of a device: beyond that streams only wait for each other.
    package static let maximumLanes = 64
    /// Of the memory that is free at the start the share that is used, so that others and the driver have some.
    package static let defaultShare = 0.9

    /// A device with the defaults.
    package init(ordinal: Int = 0) { self.ordinal = ordinal }
}
