// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Synchronization

/// Answers of models that did not run: zeros, empty strings, of the shapes that the models declare.
///
/// All of them are one stretch of zeros that everybody reads.
final class SyntheticAnswers: Sendable {
    private let pool: SlabPool
    private let zeros: Mutex<Slab?> = Mutex(nil)

    /// The most bytes of one output of a batch, so that no shape that a request or a configuration makes up takes all
    /// memory.
    private static let largest = 1 << 28

    init(pool: SlabPool) { self.pool = pool }

    /// Refuses an output of which a single row would be too large.
    static func check(_ output: TensorSignature, _ source: ModelSource) throws(DeviceError) {
        let dimensions = output.dimensions.map { max(1, $0) }
        guard size(of: output.type, Shape(dimensions)) == nil else { return }
        throw DeviceError(
            .cannotLoad,
            "model \(source.name): its output \(output.name) of shape \(Shape(output.dimensions)) is too large")
    }

    /// The answers to the parts of a batch. Dimensions that vary are the rows, or what the inputs have for the same name,
    /// or else 1.
    func answers(to batch: DeviceBatch) -> [Result<[Tensor], DeviceError>] {
        batch.parts.map { part in
            do throws(DeviceError) {
                var tensors: [Tensor] = []
                for output in batch.model.outputs { tensors.append(try tensor(output, for: part, of: batch)) }
                return .success(tensors)
            } catch {
                return .failure(error)
            }
        }
    }

    private func tensor(
        _ output: TensorSignature, for part: DeviceBatch.Part, of batch: DeviceBatch
    ) throws(DeviceError) -> Tensor {
        var dimensions = output.dimensions
        for index in dimensions.indices where dimensions[index] < 0 {
            let symbol = output.symbols.indices.contains(index) ? output.symbols[index] : ""
            let isBatch = index == 0 && batch.isBatchable
            dimensions[index] = isBatch ? part.rows : Self.dimension(named: symbol, in: part, of: batch.model) ?? 1
        }
        let shape = Shape(dimensions)
        guard let count = Self.size(of: output.type, shape) else {
            throw DeviceError(
                .unexpectedOutput,
                "its output \(output.name) would have the shape \(shape), more than the \(Self.largest) bytes that a made-up "
                    + "one may have")
        }
        return Tensor(name: output.name, type: output.type, shape: shape, slab: zeros(count), range: 0..<count)
    }

    /// What a part's inputs have for a dimension's name.
    private static func dimension(named symbol: String, in part: DeviceBatch.Part, of model: LoadedModel) -> Int? {
        guard !symbol.isEmpty else { return nil }
        for (input, tensor) in zip(model.inputs, part.inputs) {
            guard let index = input.symbols.firstIndex(of: symbol), tensor.shape.dimensions.indices.contains(index)
            else {
                continue
            }
            return tensor.shape.dimensions[index]
        }
        return nil
    }

    /// Bytes of a tensor; an empty string is its length, in four of them. Nil where they are too many.
    private static func size(of type: ElementType, _ shape: Shape) -> Int? {
        guard let elements = shape.elementCount, elements <= largest else { return nil }
        let count = elements * (type.byteSize ?? 4)
        return count <= largest ? count : nil
    }

    private func zeros(_ count: Int) -> Slab {
        zeros.withLock { slab in
            if let slab, slab.bytes.count >= count { return slab }
            let larger = pool.takeBeyondBudget(count)
            larger.bytes.initializeMemory(as: UInt8.self, repeating: 0)
            slab = larger
            return larger
        }
    }

    /// Gives the memory back that no answer holds.
    func stop() { zeros.withLock { $0 = nil } }
}
