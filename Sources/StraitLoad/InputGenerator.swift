// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

/// Makes input for a model out of nothing but its metadata and a seed.
package enum InputGenerator {
    /// The largest input made, in elements: a mistyped shape should be an error, not a machine out of memory.
    package static let maximumElements = 1 << 26

    /// The exclusive upper bound of 32-bit integers: values that fit both a byte and what models make of bytes.
    private static let smallIntegerBound = 256
    /// The exclusive upper bound of 64-bit integers: tokens that every vocabulary has.
    private static let tokenBound = 1000

    /// One request with seeded random input of the declared types, and what had to be assumed for it.
    ///
    /// - Parameters:
    ///   - metadata: The declared inputs.
    ///   - shapes: Shapes for inputs whose dimensions vary, with or without the leading batch dimension.
    ///   - random: Where the values come from.
    /// - Throws: ``LoadError`` of code `badInput` for a shape that does not fit the declaration.
    package static func template(
        for metadata: ModelMetadata, shapes: [String: [Int]], random: inout RandomSource
    ) throws(LoadError) -> (template: RequestTemplate, assumptions: [String]) {
        var assumptions: [String] = []
        var inputs: [RequestInput] = []
        for name in shapes.keys.sorted() where !metadata.inputs.contains(where: { $0.name == name }) {
            throw LoadError(
                .badInput,
                "Model \(metadata.name) has no input \(name); it has "
                    + metadata.inputs.map(\.name).joined(separator: ", ") + ".")
        }
        for input in metadata.inputs {
            guard let type = ElementType(name: input.datatype) else {
                throw LoadError(
                    .badAnswer, "Input \(input.name) of model \(metadata.name) has unknown datatype \(input.datatype).")
            }
            let shape = try shape(of: input, given: shapes[input.name], model: metadata.name, &assumptions)
            guard let count = shape.elementCount, count <= maximumElements else {
                throw LoadError(
                    .badInput,
                    "Input \(input.name) of model \(metadata.name) would be \(shape): expected at most "
                        + "\(maximumElements) elements.")
            }
            inputs.append(
                RequestInput(
                    name: input.name, type: type, shape: shape,
                    bytes: values(of: type, count: count, inputName: input.name, random: &random)))
        }
        return (RequestTemplate(inputs: inputs), assumptions)
    }

    private static func shape(
        of input: ModelMetadata.Input, given: [Int]?, model: String, _ assumptions: inout [String]
    ) throws(LoadError) -> Shape {
        let declared = Shape(input.shape)
        guard var dimensions = given else {
            var free = 0
            let assumed = input.shape.enumerated().map { index, dimension in
                if dimension >= 0 { return dimension }
                // The first is nearly always the batch, for which 1 is what a single request has.
                if index > 0 { free += 1 }
                return 1
            }
            if free > 0 {
                assumptions.append(
                    "Input \(input.name) of model \(model) is declared \(declared); its free dimensions are set to 1. "
                        + "Give shape=\(input.name):d1xd2 to choose.")
            }
            return Shape(assumed)
        }
        if dimensions.count == input.shape.count - 1, input.shape.first == -1 { dimensions.insert(1, at: 0) }
        let fits =
            dimensions.count == input.shape.count
            && zip(dimensions, input.shape).allSatisfy { $1 < 0 || $0 == $1 }
        guard fits else {
            throw LoadError(
                .badInput,
                "Input \(input.name) of model \(model) is declared \(declared): shape \(Shape(dimensions)) does not fit."
            )
        }
        return Shape(dimensions)
    }

    /// Little-endian bytes of `count` values: fractions for real numbers, small counts for integers.
    ///
    /// Transformers' side inputs are known by their names: a mask is all ones, token types are all zeros.
    private static func values(
        of type: ElementType, count: Int, inputName: String, random: inout RandomSource
    ) -> [UInt8] {
        let isMask = inputName.contains("mask")
        let isTokenType = inputName.contains("token_type")
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count * (type.byteSize ?? 12))
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        func integer(below bound: Int) -> Int {
            let drawn = Int.random(in: 0..<bound, using: &random)
            return isMask ? 1 : (isTokenType ? 0 : drawn)
        }
        for _ in 0..<count {
            switch type {
            case .bool: append(UInt8(integer(below: 2)))
            case .uint8: append(UInt8(integer(below: smallIntegerBound)))
            case .int8: append(Int8(integer(below: 128)))
            case .uint16: append(UInt16(integer(below: smallIntegerBound)))
            case .int16: append(Int16(integer(below: smallIntegerBound)))
            case .uint32: append(UInt32(integer(below: smallIntegerBound)))
            case .int32: append(Int32(integer(below: smallIntegerBound)))
            case .uint64: append(UInt64(integer(below: tokenBound)))
            case .int64: append(Int64(integer(below: tokenBound)))
            case .fp16: append(Float16(isMask ? 1 : random.unit()).bitPattern)
            case .bf16: append(UInt16(Float(isMask ? 1 : random.unit()).bitPattern >> 16))
            case .fp32: append(Float(isMask ? 1 : random.unit()).bitPattern)
            case .fp64: append((isMask ? 1 : random.unit()).bitPattern)
            case .bytes:
                append(UInt32(8))
                for _ in 0..<8 { append(UInt8.random(in: UInt8(ascii: "a")...UInt8(ascii: "z"), using: &random)) }
            }
        }
        return bytes
    }
}
