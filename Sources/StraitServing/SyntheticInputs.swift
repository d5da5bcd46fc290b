// SPDX-License-Identifier: Apache-2.0

internal import StraitDevices
internal import StraitProtocol
internal import StraitTensor

/// Inputs made up for a model, to see how long it takes: ones, and empty strings.
///
/// Ones are valid as truth values, masks, lengths and indices into all but the smallest tables; and a model that divides
/// whole numbers by a zero takes the process with it.
struct SyntheticInputs {
    /// The inputs in the order of the loaded model's.
    let tensors: [Tensor]
    /// The rows they make.
    let rows: Int
    /// The elements in one of the rows, as requests count them.
    let elementsPerRow: Int

    /// The most bytes of one input: a dimension that varies may stand four times in it.
    private static let largestInput = 64 << 20

    /// Why there are no inputs of a size.
    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    /// Whether anything in a model's inputs besides the batch may vary in size.
    static func vary(_ specification: ModelSpecification, _ loaded: LoadedModel) -> Bool {
        let ones = countingSymbols(specification)
        return loaded.inputs.contains { input in
            let shape = Self.shape(of: input, specification)
            return shape.indices.contains { shape[$0] < 0 && !counts($0, input, specification, ones) }
        }
    }

    /// What dimensions that vary are taken to be, besides the batch.
    enum Size: Sendable, Hashable {
        /// All of them this.
        case all(Int)
        /// Those of inputs as they are named, whose outermost dimension counts rows in a batchable model; those of others
        /// as `otherwise`.
        case shapes([String: [Int]], otherwise: Int)

        /// Whether an input's shape is given by name.
        fileprivate func names(_ input: String) -> Bool {
            if case .shapes(let shapes, _) = self { shapes[input] != nil } else { false }
        }

        /// What an input's dimension is.
        fileprivate func dimension(_ index: Int, of input: String) -> Int {
            switch self {
            case .all(let size): size
            case .shapes(let shapes, let otherwise): shapes[input].map { $0[index] } ?? otherwise
            }
        }
    }

    /// Inputs of so many rows, with every other dimension that varies at `size`.
    ///
    /// - Throws: ``Refusal`` where they would be too large.
    init(
        _ specification: ModelSpecification, _ loaded: LoadedModel, rows: Int, size: Int, pool: SlabPool
    ) throws {
        try self.init(specification, loaded, rows: rows, size: .all(size), pool: pool)
    }

    /// Inputs of so many rows and of a size.
    ///
    /// - Throws: ``Refusal`` where they would be too large, or a shape does not fit the model.
    init(
        _ specification: ModelSpecification, _ loaded: LoadedModel, rows: Int, size: Size, pool: SlabPool
    ) throws {
        let ones = Self.countingSymbols(specification)
        try Self.check(size, specification, loaded)
        var tensors: [Tensor] = []
        for input in loaded.inputs {
            var shape = Self.shape(of: input, specification)
            for index in shape.indices where shape[index] < 0 {
                let counts = Self.counts(index, input, specification, ones)
                let isBatch = counts && (specification.isBatchable || !size.names(input.name))
                shape[index] = isBatch ? rows : size.dimension(index, of: input.name)
            }
            let element = Self.element(of: input.type)
            guard let elements = Shape(shape).elementCount, elements <= Self.largestInput / element.count else {
                throw Refusal(description: "its input \(input.name) would have the shape \(Shape(shape))")
            }
            let count = elements * element.count
            let slab = try pool.take(count)
            for index in 0..<count { slab.bytes[index] = element[index % element.count] }
            tensors.append(
                Tensor(name: input.name, type: input.type, shape: Shape(shape), slab: slab, range: 0..<count))
        }
        self.tensors = tensors
        self.rows = rows
        elementsPerRow = Submission.elementsPerRow(of: tensors, rows: rows)
    }

    /// Whether declared shapes are of inputs that there are, and could be theirs.
    private static func check(_ size: Size, _ specification: ModelSpecification, _ loaded: LoadedModel) throws {
        guard case .shapes(let shapes, _) = size else { return }
        for (name, shape) in shapes {
            guard let input = loaded.inputs.first(where: { $0.name == name }) else {
                let known = loaded.inputs.map(\.name).joined(separator: ", ")
                throw Refusal(description: "it has no input \(name); its inputs are \(known)")
            }
            let served = Self.shape(of: input, specification)
            let fits =
                served.count == shape.count && zip(served, shape).allSatisfy { $0 == $1 || ($0 < 0 && $1 > 0) }
            guard fits else {
                throw Refusal(description: "its input \(name) is of shape \(Shape(served)), not \(Shape(shape))")
            }
        }
    }

    /// A one, in the bytes of its type; of strings an empty one, which is its length.
    private static func element(of type: ElementType) -> [UInt8] {
        switch type {
        case .bool, .uint8, .int8: [1]
        case .uint16, .int16: [1, 0]
        case .uint32, .int32: [1, 0, 0, 0]
        case .uint64, .int64: [1, 0, 0, 0, 0, 0, 0, 0]
        case .fp16: [0, 0x3C]
        case .bf16: [0x80, 0x3F]
        case .fp32: [0, 0, 0x80, 0x3F]
        case .fp64: [0, 0, 0, 0, 0, 0, 0xF0, 0x3F]
        case .bytes: [0, 0, 0, 0]
        }
    }

    /// An input's shape as it is served, which may say more than the model's file does.
    private static func shape(of input: TensorSignature, _ specification: ModelSpecification) -> [Int] {
        let served = specification.inputs.first { $0.name == input.name }?.shape.dimensions ?? []
        guard served.count == input.dimensions.count else { return input.dimensions }
        return zip(input.dimensions, served).map { $0 < 0 ? $1 : $0 }
    }

    /// The names of dimensions that count rows in a model that cannot be batched: an outermost dimension that varies does,
    /// and whatever has its name. One row of those is all that a request brings as a rule.
    private static func countingSymbols(_ specification: ModelSpecification) -> Set<String> {
        guard !specification.isBatchable else { return [] }
        return Set(
            specification.inputs.compactMap { input in
                guard let first = input.shape.dimensions.first, first < 0, !input.symbols[0].isEmpty else { return nil }
                return input.symbols[0]
            })
    }

    /// Whether a dimension that varies counts rows.
    private static func counts(
        _ index: Int, _ input: TensorSignature, _ specification: ModelSpecification, _ ones: Set<String>
    ) -> Bool {
        if index == 0 { return true }
        return index < input.symbols.count && ones.contains(input.symbols[index])
    }
}
