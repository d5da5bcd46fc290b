// SPDX-License-Identifier: Apache-2.0

/// A model as its repository has it, for a device to load.
package struct ModelSource: Sendable, Hashable {
    /// Where its file is, if it has one.
    package var path: String
    /// What it is called.
    package var name: String
    /// Whether there is a file.
    package var hasFile = true
    /// The most rows of a batch, at least 1, unless its file says that it cannot be batched.
    package var maximumRows = 1
    /// Its inputs and outputs as its configuration has them, batch included; nil where that does not say all of them.
    package var declared: Interface?
    /// What its configuration says of its costs on a virtual accelerator.
    package var virtualCosts = VirtualKernels()

    /// Inputs and outputs.
    package struct Interface: Sendable, Hashable {
        /// What it takes.
        package var inputs: [TensorSignature]
        /// What it gives.
        package var outputs: [TensorSignature]

        package init(inputs: [TensorSignature], outputs: [TensorSignature]) {
            self.inputs = inputs
            self.outputs = outputs
        }
    }

    /// What is declared of a model's kernels; nil where nothing is. Times are those on a device like an L4.
    package struct VirtualKernels: Sendable, Hashable {
        /// Milliseconds that the kernels of any batch take alone …
        package var baseMilliseconds: Double?
        /// … and that each of its rows adds.
        package var rowMilliseconds: Double?
        /// Bytes copied to the device for each row.
        package var inputBytes: Int?
        /// Bytes copied back for each row.
        package var outputBytes: Int?
        /// What the largest batch needs of the compute units, 0…1 …
        package var compute: Double?
        /// … of memory bandwidth …
        package var bandwidth: Double?
        /// … and of the cache.
        package var cache: Double?
        /// How much it suffers from what others hold in the cache, 0…1.
        package var cacheSensitivity: Double?
        /// Whether its host memory is pinned.
        package var isPinned: Bool?
        /// What the phases of its kernels are drawn from.
        package var phases: UInt64?

        /// Nothing declared.
        package init() {}
    }

    /// A model with a file, of which nothing else is known.
    package init(path: String, name: String) {
        self.path = path
        self.name = name
    }
}
