// SPDX-License-Identifier: Apache-2.0

package import StraitTensor

/// One input or output as a model's file declares it.
package struct InterfaceTensor: Sendable, Hashable {
    /// Its name.
    package var name: String
    /// The type of its elements.
    package var type: ElementType
    /// Its dimensions, −1 for those that vary.
    package var dimensions: [Int]
    /// For each dimension the name that the model gives it, empty where it gives none.
    package var symbols: [String]

    /// A tensor of that name and shape.
    package init(name: String, type: ElementType, dimensions: [Int], symbols: [String] = []) {
        self.name = name
        self.type = type
        self.dimensions = dimensions
        self.symbols = symbols + Array(repeating: "", count: max(0, dimensions.count - symbols.count))
    }
}

/// The inputs and outputs that a model's file declares.
package struct ModelInterface: Sendable, Hashable {
    /// The inputs, in the model's order.
    package var inputs: [InterfaceTensor]
    /// The outputs, in the model's order.
    package var outputs: [InterfaceTensor]

    /// The given inputs and outputs.
    package init(inputs: [InterfaceTensor], outputs: [InterfaceTensor]) {
        self.inputs = inputs
        self.outputs = outputs
    }
}

/// One input or output as it is served.
package struct TensorSpecification: Sendable, Hashable {
    /// Its name.
    package var name: String
    /// The type of its elements.
    package var type: ElementType
    /// Its shape, −1 for dimensions that vary; in a batchable model the first is the batch and −1.
    package var shape: Shape
    /// For each dimension the name that the model gives it, empty where it gives none.
    package var symbols: [String]
    /// The names of its classes, for an output that has such.
    package var labels: [String]

    /// A tensor of that name and shape.
    package init(
        name: String, type: ElementType, shape: Shape, symbols: [String] = [], labels: [String] = []
    ) {
        self.name = name
        self.type = type
        self.shape = shape
        self.labels = labels
        self.symbols = symbols + Array(repeating: "", count: max(0, shape.dimensions.count - symbols.count))
    }
}

/// What the server serves: one version of a model, its file and its config.pbtxt taken together.
package struct ModelSpecification: Sendable, Hashable {
    /// The largest batch, in rows, of a model that is batchable by its own shapes and says no number.
    package static let defaultMaximumBatchSize = 8

    /// The model's name.
    package var name: String
    /// Its version, at least 1.
    package var version: Int
    /// The path of its file.
    package var modelFile: String
    /// The largest batch in rows; 0 where the model is not batchable and a request is one unit of work.
    package var maxBatchSize: Int
    /// The inputs, in the model's order.
    package var inputs: [TensorSpecification]
    /// The outputs that are served, in the model's order.
    package var outputs: [TensorSpecification]
    /// The class of requests that name none; nil leaves it to the server.
    package var defaultClass: DeclaredClass?
    /// The time from arrival to answer for requests that name none; nil leaves it to the server.
    package var deadlineMilliseconds: Double?
    /// The most requests that may wait; nil leaves it to the server.
    package var maxQueueSize: Int?
    /// The policy that chose this version.
    package var versionPolicy: VersionPolicy
    /// The name of the model's file inside a version's folder.
    package var defaultModelFilename: String
    /// The `parameters` of config.pbtxt.
    package var parameters: [String: String]
    /// What it answers before it serves.
    package var warmups: [WarmupSample]

    /// A model with the given content; what has a default is left to the server.
    package init(
        name: String, version: Int, modelFile: String, maxBatchSize: Int, inputs: [TensorSpecification],
        outputs: [TensorSpecification], defaultClass: DeclaredClass? = nil, deadlineMilliseconds: Double? = nil,
        maxQueueSize: Int? = nil, versionPolicy: VersionPolicy = .latest(count: 1),
        defaultModelFilename: String = ModelRepository.defaultModelFilename, parameters: [String: String] = [:],
        warmups: [WarmupSample] = []
    ) {
        self.name = name
        self.version = version
        self.modelFile = modelFile
        self.maxBatchSize = maxBatchSize
        self.inputs = inputs
        self.outputs = outputs
        self.defaultClass = defaultClass
        self.deadlineMilliseconds = deadlineMilliseconds
        self.maxQueueSize = maxQueueSize
        self.versionPolicy = versionPolicy
        self.defaultModelFilename = defaultModelFilename
        self.parameters = parameters
        self.warmups = warmups
    }

    /// Whether rows of several requests may run together.
    package var isBatchable: Bool { maxBatchSize > 0 }
}
