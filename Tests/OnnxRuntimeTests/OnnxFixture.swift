// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime

// A writer of tiny ONNX models: just enough of protobuf and of ONNX's messages for the tests, so that they need neither
// Python nor files in the repository.

/// One dimension of a declared shape.
enum Dimension: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
    case fixed(Int)
    case named(String)
    case unknown

    init(integerLiteral value: Int) { self = .fixed(value) }
    init(stringLiteral value: String) { self = .named(value) }
}

/// A model of one graph.
struct OnnxFixture {
    /// An input or output. `elementType` is ONNX's number; a sequence is a list of such tensors.
    struct Port {
        var name: String
        var elementType: Int32
        var shape: [Dimension]
        var isSequence = false

        init(_ name: String, _ type: OrtElementType, _ shape: [Dimension]) {
            self.init(name, rawType: type.rawValue, shape)
        }

        init(_ name: String, rawType: Int32, _ shape: [Dimension], isSequence: Bool = false) {
            (self.name, self.elementType, self.shape, self.isSequence) = (name, rawType, shape, isSequence)
        }
    }

    /// An operator with its inputs, outputs and integer attributes.
    struct Node {
        var operation: String
        var inputs: [String]
        var outputs: [String]
        var attributes: [String: Int] = [:]

        init(_ operation: String, _ inputs: [String], _ outputs: [String], _ attributes: [String: Int] = [:]) {
            (self.operation, self.inputs, self.outputs, self.attributes) = (operation, inputs, outputs, attributes)
        }
    }

    var inputs: [Port]
    var outputs: [Port]
    var nodes: [Node]
    var metadata: [String: String] = [:]
    var opset = 17

    /// `y = x`.
    static func identity(_ type: OrtElementType, _ shape: [Dimension]) -> OnnxFixture {
        OnnxFixture(
            inputs: [Port("x", type, shape)], outputs: [Port("y", type, shape)], nodes: [Node("Identity", ["x"], ["y"])]
        )
    }

    /// `sum = a + b`, `product = a · b` over rows of three numbers.
    static let arithmetic = OnnxFixture(
        inputs: [Port("a", .fp32, ["rows", 3]), Port("b", .fp32, ["rows", 3])],
        outputs: [Port("sum", .fp32, ["rows", 3]), Port("product", .fp32, ["rows", 3])],
        nodes: [Node("Add", ["a", "b"], ["sum"]), Node("Mul", ["a", "b"], ["product"])])

    /// `picked = data[index]`, which fails for an index beyond the data.
    static let gather = OnnxFixture(
        inputs: [Port("data", .fp32, ["n"]), Port("index", .int64, [1])], outputs: [Port("picked", .fp32, [1])],
        nodes: [Node("Gather", ["data", "index"], ["picked"])])

    /// `y = x · x · … · x` of square matrices, one node after the other: a model that takes its time.
    static func power(side: Int, steps: Int) -> OnnxFixture {
        let square: [Dimension] = [.fixed(side), .fixed(side)]
        let nodes = (0..<steps).map { step in
            Node("MatMul", [step == 0 ? "x" : "m\(step)", "x"], [step == steps - 1 ? "y" : "m\(step + 1)"])
        }
        return OnnxFixture(inputs: [Port("x", .fp32, square)], outputs: [Port("y", .fp32, square)], nodes: nodes)
    }

    /// The model as the bytes of a .onnx file.
    var bytes: [UInt8] {
        var graph = ProtoWriter()
        for node in nodes { graph.message(1, Self.encode(node)) }
        graph.string(2, "fixture")
        for input in inputs { graph.message(11, Self.encode(input)) }
        for output in outputs { graph.message(12, Self.encode(output)) }

        var operators = ProtoWriter()
        operators.integer(2, opset)

        var model = ProtoWriter()
        model.integer(1, opset >= 19 ? 9 : 8)  // the format's version
        model.message(7, graph)
        model.message(8, operators)
        for (key, value) in metadata {
            var entry = ProtoWriter()
            entry.string(1, key)
            entry.string(2, value)
            model.message(14, entry)
        }
        return model.bytes
    }

    private static func encode(_ node: Node) -> ProtoWriter {
        var writer = ProtoWriter()
        for input in node.inputs { writer.string(1, input) }
        for output in node.outputs { writer.string(2, output) }
        writer.string(3, node.operation + "_" + (node.outputs.first ?? ""))
        writer.string(4, node.operation)
        for (name, value) in node.attributes {
            var attribute = ProtoWriter()
            attribute.string(1, name)
            attribute.integer(3, value)
            attribute.integer(20, 2)  // an attribute of type INT
            writer.message(5, attribute)
        }
        return writer
    }

    private static func encode(_ port: Port) -> ProtoWriter {
        var shape = ProtoWriter()
        for dimension in port.shape {
            var writer = ProtoWriter()
            switch dimension {
            case .fixed(let size): writer.integer(1, size)
            case .named(let name): writer.string(2, name)
            case .unknown: break
            }
            shape.message(1, writer)
        }
        var tensor = ProtoWriter()
        tensor.integer(1, Int(port.elementType))
        tensor.message(2, shape)
        var type = ProtoWriter()
        if port.isSequence {
            var element = ProtoWriter()
            element.message(1, tensor)
            var sequence = ProtoWriter()
            sequence.message(1, element)
            type.message(4, sequence)
        } else {
            type.message(1, tensor)
        }
        var writer = ProtoWriter()
        writer.string(1, port.name)
        writer.message(2, type)
        return writer
    }
}

/// Protobuf's wire format, as far as ONNX models need it.
struct ProtoWriter {
    private(set) var bytes: [UInt8] = []

    mutating func integer(_ field: Int, _ value: Int) {
        variable(UInt64(field) << 3)
        variable(UInt64(bitPattern: Int64(value)))
    }

    mutating func string(_ field: Int, _ value: String) { delimited(field, Array(value.utf8)) }

    mutating func message(_ field: Int, _ value: ProtoWriter) { delimited(field, value.bytes) }

    private mutating func delimited(_ field: Int, _ content: [UInt8]) {
        variable(UInt64(field) << 3 | 2)
        variable(UInt64(content.count))
        bytes += content
    }

    private mutating func variable(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
