// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

/// What a request amounts to for the model it was checked against.
package struct ValidatedShape: Sendable, Hashable {
    /// Rows it adds to a batch, at least 1; 1 for a model that is not batchable.
    package var rows: Int

    /// A request of that many rows.
    package init(rows: Int) { self.rows = rows }
}

/// Checks that a request is one the model can answer.
///
/// All inputs present and none unknown, types and shapes as declared, no empty dimension, the same number of rows
/// everywhere, and dimensions that the model calls by one name equal; outputs known and in a form they have.
///
/// - Throws: ``ProtocolError`` `invalidArgument` that names the input or output, what was expected and what was found.
/// - Complexity: O(inputs² + outputs²); both are small.
package func validate(
    request: InferenceRequest, against model: ModelSpecification
) throws(ProtocolError) -> ValidatedShape {
    for input in request.inputs where !model.inputs.contains(where: { $0.name == input.name }) {
        throw ProtocolError(
            .invalidArgument,
            "model \"\(model.name)\" has no input \"\(input.name)\"; it has \(names(model.inputs))")
    }
    let given = Set(request.inputs.map(\.name))
    guard given.count == request.inputs.count else {
        throw ProtocolError(.invalidArgument, "an input is given twice; each of \(names(model.inputs)) comes once")
    }
    var rows: Int?
    var named: [(symbol: String, value: Int, input: String)] = []
    for declared in model.inputs {
        guard let input = request.inputs.first(where: { $0.name == declared.name }) else {
            throw ProtocolError(
                .invalidArgument,
                "input \"\(declared.name)\" of model \"\(model.name)\" is missing; expected \(describe(declared))")
        }
        try check(input, against: declared, model: model)
        if model.isBatchable, let count = input.shape.dimensions.first {
            guard count <= model.maxBatchSize else {
                throw ProtocolError(
                    .invalidArgument,
                    "input \"\(input.name)\" has \(count) rows; model \"\(model.name)\" takes at most \(model.maxBatchSize)"
                )
            }
            guard rows == nil || rows == count else {
                throw ProtocolError(
                    .invalidArgument,
                    "input \"\(input.name)\" has \(count) rows, input \"\(model.inputs[0].name)\" has \(rows ?? 0); "
                        + "all inputs need the same number")
            }
            rows = count
        }
        for (symbol, dimension) in zip(declared.symbols, input.shape.dimensions) where !symbol.isEmpty {
            if let first = named.first(where: { $0.symbol == symbol }) {
                guard first.value == dimension else {
                    throw ProtocolError(
                        .invalidArgument,
                        "dimension \"\(symbol)\" is \(dimension) in input \"\(input.name)\" and \(first.value) in "
                            + "input \"\(first.input)\"; the model uses one value for both")
                }
            } else {
                named.append((symbol, dimension, input.name))
            }
        }
    }
    try checkOutputs(of: request, against: model)
    return ValidatedShape(rows: rows ?? 1)
}

private func check(
    _ input: Tensor, against declared: TensorSpecification, model: ModelSpecification
) throws(ProtocolError) {
    guard input.type == declared.type else {
        throw ProtocolError(
            .invalidArgument,
            "input \"\(input.name)\" is \(input.type.name); model \"\(model.name)\" expects \(declared.type.name)")
    }
    let found = input.shape.dimensions
    let expected = declared.shape.dimensions
    guard found.count == expected.count, zip(found, expected).allSatisfy({ $0 == $1 || $1 == -1 }) else {
        throw ProtocolError(
            .invalidArgument,
            "input \"\(input.name)\" has shape \(input.shape); model \"\(model.name)\" expects \(declared.shape)"
                + (expected.contains(-1) ? ", where -1 is any size" : ""))
    }
    if let index = found.firstIndex(where: { $0 < 1 }) {
        throw ProtocolError(
            .invalidArgument,
            "input \"\(input.name)\" has shape \(input.shape): dimension \(index) is \(found[index]), expected 1 or more"
        )
    }
}

private func checkOutputs(of request: InferenceRequest, against model: ModelSpecification) throws(ProtocolError) {
    for output in request.outputs where !model.outputs.contains(where: { $0.name == output.name }) {
        throw ProtocolError(
            .invalidArgument,
            "model \"\(model.name)\" has no output \"\(output.name)\"; it has \(names(model.outputs))")
    }
    // Better refused now than after the work has been done.
    for output in request.outputs where output.classes > 0 {
        guard let type = model.outputs.first(where: { $0.name == output.name })?.type, Classification.ranks(type)
        else {
            throw ProtocolError(
                .invalidArgument, "output \"\(output.name)\" holds no numbers to rank; leave classification out")
        }
    }
    for output in model.outputs where output.type == .fp16 || output.type == .bf16 {
        let isWanted =
            request.outputs.isEmpty
            || request.outputs.contains { $0.name == output.name && $0.classes == 0 && $0.place == nil }
        guard !isWanted || request.wantsBinary(output.name) else {
            throw ProtocolError(
                .invalidArgument,
                "output \"\(output.name)\" is \(output.type.name), which has no JSON form: ask for it with binary_data")
        }
    }
}

private func names(_ tensors: [TensorSpecification]) -> String {
    tensors.map { "\"\($0.name)\"" }.joined(separator: ", ")
}

private func describe(_ tensor: TensorSpecification) -> String { "\(tensor.type.name) \(tensor.shape)" }
