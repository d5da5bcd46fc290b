// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

/// An input or output of a model, as the model declares it.
package struct TensorInfo: Sendable, Hashable {
    /// Its name.
    package let name: String
    /// The type of its elements.
    package let type: OrtElementType
    /// Its dimensions, outermost first; −1 for one that varies. Empty for a scalar, and for a rank that is not declared.
    package let dimensions: [Int]
    /// The model's names for the dimensions that vary; nil for one without a name, and for a fixed one.
    package let symbols: [String?]
}

/// Reads what a session's inputs and outputs are.
struct SignatureReader {
    let environment: Environment
    let session: OpaquePointer
    let model: String

    private typealias NameOf = (Int, inout UnsafeMutablePointer<CChar>?) -> OpaquePointer?
    private typealias TypeOf = (Int, inout OpaquePointer?) -> OpaquePointer?

    private var api: OpaquePointer { environment.api }

    /// The inputs, in the session's order.
    func inputs() throws(OnnxRuntimeError) -> [TensorInfo] {
        let count: Int = try environment.library.read(model: model) { ort_session_input_count(api, session, &$0) }
        return try all(
            count, "input",
            { ort_session_input_name(api, session, $0, environment.allocator, &$1) },
            { ort_session_input_type(api, session, $0, &$1) })
    }

    /// The outputs, in the session's order.
    func outputs() throws(OnnxRuntimeError) -> [TensorInfo] {
        let count: Int = try environment.library.read(model: model) { ort_session_output_count(api, session, &$0) }
        return try all(
            count, "output",
            { ort_session_output_name(api, session, $0, environment.allocator, &$1) },
            { ort_session_output_type(api, session, $0, &$1) })
    }

    private func all(
        _ count: Int, _ role: String, _ nameOf: NameOf, _ typeOf: TypeOf
    ) throws(OnnxRuntimeError) -> [TensorInfo] {
        var found: [TensorInfo] = []
        for index in 0..<count {
            var characters: UnsafeMutablePointer<CChar>?
            try environment.library.check(nameOf(index, &characters), model: model)
            let name = environment.adopt(characters) ?? ""
            let type = try environment.library.made(model: model) { typeOf(index, &$0) }
            defer { ort_release_type_info(api, type) }
            found.append(try tensor(type, named: name, "\(role) '\(name)'"))
        }
        return found
    }

    private func tensor(
        _ type: OpaquePointer, named name: String, _ place: String
    ) throws(OnnxRuntimeError) -> TensorInfo {
        // Borrowed from `type`.
        var tensor: OpaquePointer?
        try environment.library.check(ort_type_as_tensor(api, type, &tensor), model: model)
        let kind: Int32 = try environment.library.read(model: model) { ort_type_kind(api, type, &$0) }
        guard let tensor, kind == Self.tensorKind else {
            throw OnnxRuntimeError(
                .unsupportedType,
                "\(place) is a \(Self.kindName(kind)); only tensors can be served. Export the model with tensors only.",
                model: model)
        }
        let shape = TensorShape(library: environment.library, tensor: tensor, model: model)
        return TensorInfo(
            name: name, type: try shape.elementType(place), dimensions: try shape.dimensions(),
            symbols: try shape.symbols())
    }

    /// ONNX Runtime's number for a dense tensor.
    private static let tensorKind: Int32 = 1

    private static func kindName(_ kind: Int32) -> String {
        switch kind {
        case 2: "sequence"
        case 3: "map"
        case 5: "sparse tensor"
        case 6: "optional value"
        default: "value of kind \(kind)"
        }
    }
}

/// Reads the type and the dimensions of a tensor, declared or real.
struct TensorShape {
    let library: OnnxRuntimeLibrary
    let tensor: OpaquePointer
    let model: String?

    /// The element type; `place` names the tensor in the error.
    func elementType(_ place: String) throws(OnnxRuntimeError) -> OrtElementType {
        let number: Int32 = try library.read(model: model) { ort_element_type(library.api, tensor, &$0) }
        guard let type = OrtElementType(rawValue: number) else {
            throw OnnxRuntimeError(
                .unsupportedType,
                "\(place) has ONNX's element type \(number), which the protocol cannot carry. "
                    + "Cast it to another type inside the model.", model: model)
        }
        return type
    }

    /// The dimensions, −1 for one that varies.
    func dimensions() throws(OnnxRuntimeError) -> [Int] {
        let rank = try rank()
        var status: OpaquePointer?
        let dimensions = [Int](unsafeUninitializedCapacity: rank) { buffer, count in
            status = ort_dimensions(library.api, tensor, buffer.baseAddress, rank)
            count = status == nil ? rank : 0
        }
        try library.check(status, model: model)
        return dimensions
    }

    /// The names of the dimensions that vary.
    func symbols() throws(OnnxRuntimeError) -> [String?] {
        var names = [UnsafePointer<CChar>?](repeating: nil, count: try rank())
        try library.check(ort_symbolic_dimensions(library.api, tensor, &names, names.count), model: model)
        return names.map { name in
            let name = string(name)
            return name.isEmpty ? nil : name
        }
    }

    private func rank() throws(OnnxRuntimeError) -> Int {
        try library.read(model: model) { ort_rank(library.api, tensor, &$0) }
    }
}
