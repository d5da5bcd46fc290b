// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

/// What a newcomer can type to see the server answer.
enum QueryHint {
    /// The most numbers that a hint may spell out.
    private static let longestInput = 16
    /// What a dimension that varies is taken as: enough for a text model to have something to read.
    private static let variableDimension = 4

    /// A request to the model with the smallest input, ready to be pasted; where all are large, a look at one.
    static func text(for models: [ServedModel], address: String) -> String {
        let small = models.map(\.specification).filter { model in
            model.inputs.allSatisfy { $0.type != .fp16 && $0.type != .bf16 }
                && model.inputs.reduce(0) { $0 + count($1, in: model) } <= longestInput
        }
        if let model = small.first {
            let body = "{\"inputs\":[\(model.inputs.map { json($0, in: model) }.joined(separator: ","))]}"
            return "try:   curl -s \(address)/v2/models/\(model.name)/infer -d '\(body)'"
        }
        return "try:   curl -s \(address)/v2\(models.first.map { "/models/\($0.specification.name)" } ?? "")"
    }

    private static func shape(_ input: TensorSpecification, in model: ModelSpecification) -> [Int] {
        input.shape.dimensions.enumerated().map { index, dimension in
            guard dimension < 0 else { return dimension }
            return index == 0 && model.isBatchable ? 1 : variableDimension
        }
    }

    private static func count(_ input: TensorSpecification, in model: ModelSpecification) -> Int {
        Shape(shape(input, in: model)).elementCount ?? .max / 64
    }

    private static func json(_ input: TensorSpecification, in model: ModelSpecification) -> String {
        let value = input.type == .bytes ? "\"strait\"" : input.type == .bool ? "true" : "1"
        let data = Array(repeating: value, count: count(input, in: model)).joined(separator: ",")
        return "{\"name\":\"\(input.name)\",\"datatype\":\"\(input.type.name)\","
            + "\"shape\":\(Shape(shape(input, in: model))),\"data\":[\(data)]}"
    }
}
