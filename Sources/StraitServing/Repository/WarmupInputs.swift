// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitPlatform
internal import StraitProtocol
internal import StraitTensor

/// The inputs of a warm-up request that a model's configuration describes.
struct WarmupInputs {
    /// Why there are none.
    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    /// The most bytes of an input.
    private static let largestInput = 256 << 20
    /// The length of a random string: about that of a word.
    private static let wordLength = 8

    let tensors: [Tensor]

    /// Makes the inputs.
    ///
    /// - Throws: ``Refusal``, ``RepositoryError`` or ``SlabError``.
    init(_ sample: WarmupSample, of model: ModelSpecification, pool: SlabPool) throws {
        tensors = try sample.inputs.map { input in
            var dimensions = input.dimensions
            if model.isBatchable { dimensions.insert(max(1, sample.rows), at: 0) }
            let shape = Shape(dimensions)
            guard let count = shape.elementCount, count <= Self.largestInput / (input.type.byteSize ?? 16) else {
                throw Refusal(description: "input \"\(input.name)\" would have the shape \(shape)")
            }
            let bytes = try Self.content(input, elements: count)
            if let problem = bytes.withUnsafeBytes({
                TensorContent.problem(in: $0, type: input.type, shape: shape)
            }) {
                throw Refusal(description: "input \"\(input.name)\": \(problem), but there are \(bytes.count) bytes")
            }
            let slab = try pool.take(bytes.count)
            slab.bytes.copyBytes(from: bytes)
            return Tensor(name: input.name, type: input.type, shape: shape, slab: slab, range: 0..<bytes.count)
        }
    }

    private static func content(_ input: WarmupSample.Input, elements: Int) throws -> [UInt8] {
        let size = input.type.byteSize
        switch input.content {
        case .zeros: return [UInt8](repeating: 0, count: elements * (size ?? BytesLayout.prefixLength))
        case .file(let path): return try WarmupSample.read(path, limit: largestInput)
        case .random: break
        }
        var random = WarmupNumbers()
        guard let size else {
            var bytes: [UInt8] = []
            for _ in 0..<elements {
                bytes += [UInt8(wordLength), 0, 0, 0]
                for _ in 0..<wordLength { bytes.append(UInt8(ascii: "a") + UInt8(random.next() % 26)) }
            }
            return bytes
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(elements * size)
        for _ in 0..<elements { append(input.type, random.next(), to: &bytes) }
        return bytes
    }

    /// Appends a number: from 0 to 1 where there are fractions, else 0 or 1, which are valid wherever anything is.
    private static func append(_ type: ElementType, _ random: UInt64, to bytes: inout [UInt8]) {
        let fraction = Float(random % 4096) / 4096
        let bit = UInt8(random % 2)
        switch type {
        case .fp32: withUnsafeBytes(of: fraction) { bytes.append(contentsOf: $0) }
        case .fp64: withUnsafeBytes(of: Double(fraction)) { bytes.append(contentsOf: $0) }
        case .bf16: bytes += [0x80 * bit, 0x3F]
        case .fp16: bytes += [0, 0x38 + 4 * bit]
        default:
            bytes.append(bit)
            for _ in 1..<max(1, type.byteSize ?? 1) { bytes.append(0) }
        }
    }
}

/// Numbers that look random and are the same each time.
private struct WarmupNumbers {
    private var state: UInt64 = 1

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }
}

extension ModelLoader {
    /// How long warm-up requests may wait for their turn and run.
    private static let patience = Duration.seconds(600)
    /// Requests that a model without warm-up requests of its own answers: the first is slow, the second tells its time.
    private static let usualCount = 2
    /// What dimensions that vary are taken to be.
    private static let usualSize = 64

    /// Lets a model answer its warm-up requests, as requests of the low class between those of others; and where it has
    /// none, some that are made up.
    ///
    /// - Returns: why it cannot serve; nil where it can.
    func warm(_ model: ServedModel) -> String? {
        let specification = model.specification
        guard !specification.warmups.isEmpty else {
            // A model may have inputs that ones do not fit: it is served all the same.
            let inputs = try? SyntheticInputs(
                specification, model.loaded, rows: 1, size: Self.usualSize, pool: pool)
            guard let inputs else { return nil }
            for _ in 0..<Self.usualCount {
                if send(inputs.tensors, rows: 1, to: model).isLast { break }
            }
            return nil
        }
        for sample in specification.warmups {
            let name = "warm-up request \"\(sample.name)\""
            do {
                let inputs = try WarmupInputs(sample, of: specification, pool: pool)
                let request = InferenceRequest(inputs: inputs.tensors, binaryOutputsByDefault: true)
                let rows = try validate(request: request, against: specification).rows
                let ordered = model.inRuntimeOrder(request.inputs)
                for _ in 0..<sample.count {
                    let outcome = send(ordered, rows: rows, to: model)
                    if let problem = outcome.problem { return "\(name) failed: \(problem)" }
                    if outcome.isLast { return nil }
                }
            } catch {
                return "\(name) cannot be made: \((error as? ProtocolError)?.message ?? "\(error)")"
            }
        }
        return nil
    }

    /// Sends a request and waits for its answer.
    ///
    /// - Returns: what is wrong with the model, and whether another request would not be answered either, because the
    ///   server has other work or is draining: then it stays cold.
    private func send(_ inputs: [Tensor], rows: Int, to model: ServedModel) -> (problem: String?, isLast: Bool) {
        let now = engine.now()
        let submission = Submission(
            model: model, inputs: inputs, rows: rows, requestClass: .low, arrived: now, deadline: now + Self.patience)
        let reply = ReplyPlace()
        let id = engine.submit(submission) { reply.fill($0) }
        guard let answer = reply.wait(Self.patience) else {
            if let id { engine.cancel(id) }
            return (nil, true)
        }
        switch answer {
        case .answered: return (nil, false)
        case .refused(let refusal):
            return refusal.error.code == .failedInternally ? (refusal.error.message, true) : (nil, true)
        }
    }
}
