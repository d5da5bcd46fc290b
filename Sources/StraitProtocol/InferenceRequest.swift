// SPDX-License-Identifier: Apache-2.0

package import StraitTensor

/// What a client asks a model, decoded: the tensors lie in slabs, the rest is plain values.
package struct InferenceRequest: Sendable {
    /// The client's name for the request, echoed in the answer; empty where it gave none.
    package var id: String
    /// The parameter `priority`: 1 is the high class, 2 and above the low one. Nil where absent or 0, which both mean
    /// the model's default.
    package var priority: UInt64?
    /// The parameter `timeout`: microseconds from arrival to answer, above 0. Nil where absent or 0, which both mean
    /// the model's default.
    package var timeoutMicroseconds: Int64?
    /// The inputs that came with the request, in its order; names are distinct, also from those of the shared ones.
    package var inputs: [Tensor]
    /// The inputs that are still to be read from shared memory.
    package var sharedInputs: [SharedInput]
    /// The outputs asked for, in the request's order, names distinct; empty asks for all.
    package var outputs: [RequestedOutput]
    /// Whether outputs that do not say for themselves are wanted as binary rather than JSON.
    package var binaryOutputsByDefault: Bool

    /// A request with the given content.
    package init(
        id: String = "", priority: UInt64? = nil, timeoutMicroseconds: Int64? = nil, inputs: [Tensor],
        sharedInputs: [SharedInput] = [], outputs: [RequestedOutput] = [], binaryOutputsByDefault: Bool = false
    ) {
        self.id = id
        self.priority = priority
        self.timeoutMicroseconds = timeoutMicroseconds
        self.inputs = inputs
        self.sharedInputs = sharedInputs
        self.outputs = outputs
        self.binaryOutputsByDefault = binaryOutputsByDefault
    }

    /// Whether the output of that name is wanted as binary: its own setting, else the request's.
    ///
    /// - Complexity: O(requested outputs).
    package func wantsBinary(_ output: String) -> Bool {
        outputs.first { $0.name == output }?.binary ?? binaryOutputsByDefault
    }
}

/// One output that a client asked for.
package struct RequestedOutput: Sendable, Hashable {
    /// The output's name in the model.
    package var name: String
    /// Whether it is wanted as binary; nil leaves it to the request's default.
    package var binary: Bool?
    /// How many of its classes are wanted, best first, instead of the output itself; 0 for the output.
    package var classes: Int
    /// Where in shared memory it is to be put; nil for into the response.
    package var place: SharedPlace?

    /// A wish for one output.
    package init(name: String, binary: Bool? = nil, classes: Int = 0, place: SharedPlace? = nil) {
        self.name = name
        self.binary = binary
        self.classes = classes
        self.place = place
    }
}

/// A named value that travels with a response, such as `strait_late`.
package struct Parameter: Sendable, Hashable {
    /// The values a parameter can have.
    package enum Value: Sendable, Hashable {
        case bool(Bool)
        case int(Int64)
        case double(Double)
        case string(String)
    }

    /// The parameter's name.
    package var name: String
    /// Its value.
    package var value: Value

    /// A named value.
    package init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }
}

/// What the server answers.
package struct InferenceResponse: Sendable {
    /// The model that answered.
    package var modelName: String
    /// Its version, as the protocol writes it: a decimal number.
    package var modelVersion: String
    /// The request's id; left out of the answer where empty.
    package var id: String
    /// Facts about the answer, in the order they are written.
    package var parameters: [Parameter]
    /// The outputs, in the order they are written.
    package var outputs: [Tensor]
    /// The names of those outputs that were put into shared memory, and so are told without their contents.
    package var inSharedMemory: Set<String>

    /// A response with the given content.
    package init(
        modelName: String, modelVersion: String, id: String = "", parameters: [Parameter] = [], outputs: [Tensor],
        inSharedMemory: Set<String> = []
    ) {
        self.modelName = modelName
        self.modelVersion = modelVersion
        self.id = id
        self.parameters = parameters
        self.outputs = outputs
        self.inSharedMemory = inSharedMemory
    }
}
