// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

/// A model of the repository on a device, and inputs for it.
struct CheckedModel: Sendable {
    let specification: ModelSpecification
    let loaded: LoadedModel

    var name: String { specification.name }

    /// Batch sizes that are looked at.
    var sizes: [Int] {
        guard specification.isBatchable else { return [1] }
        return [1, 2, 4, 8, 16].filter { $0 <= specification.maxBatchSize }
    }

    /// All models of a repository, loaded and prepared on a device.
    ///
    /// - Parameter only: those named, in that order; nil for all.
    /// - Throws: what cannot be loaded.
    static func all(
        _ context: CheckContext, on device: any Device, prepared: Bool = true
    ) throws -> [CheckedModel] {
        try ModelRepository.scan(path: context.settings.repository).map { entry in
            guard let version = entry.chosenVersions.last else {
                throw CheckFailure("model \(entry.name) has no version")
            }
            let loaded = try device.load(path: entry.modelFile(version: version), name: entry.name)
            let specification = try ModelSpecification.resolve(
                entry: entry, version: version, interface: ModelInterface(loaded))
            let model = CheckedModel(specification: specification, loaded: loaded)
            if prepared {
                for rows in model.sizes { try device.prepare(try model.batch(rows: rows, seed: 0, pool: context.pool)) }
            }
            return model
        }
    }

    /// A batch of one request with random inputs.
    func batch(
        rows: Int, seed: UInt64, lane: Int = 0, as requestClass: RequestClass = .low, pool: SlabPool
    ) throws -> DeviceBatch {
        DeviceBatch(
            batch: BatchID(slot: 0, generation: 0), lane: LaneID(index: lane), modelID: ModelID(index: 0),
            model: loaded,
            isBatchable: specification.isBatchable, requestClass: requestClass,
            parts: [
                DeviceBatch.Part(
                    request: RequestID(slot: 0, generation: 0), rows: rows,
                    inputs: try inputs(rows: rows, seed: seed, pool: pool))
            ])
    }

    /// What dimensions that vary are taken to be, besides rows: a sentence of 64 words.
    private static let varying = 64
    /// Inputs that only some values suit: masks keep all, and speech is sampled so often a second.
    private static let fixed: [(part: String, value: Int)] = [("mask", 1), ("sr", 16_000)]

    /// Random inputs: floats from 0 to 1, whole numbers from 1 to 100.
    ///
    /// - Throws: where they do not fit the memory, or are strings.
    func inputs(rows: Int, seed: UInt64, pool: SlabPool) throws -> [Tensor] {
        // Whatever has the name of an outermost dimension counts rows too.
        let rowSymbols = Set(
            loaded.inputs.compactMap { $0.dimensions.first.map { $0 < 0 } == true ? $0.symbols.first : nil })
        var random = CheckRandom(seed: seed)
        return try loaded.inputs.map { input in
            let served = specification.inputs.first { $0.name == input.name }?.shape.dimensions ?? []
            let shape = input.dimensions.indices.map { index -> Int in
                if input.dimensions[index] >= 0 { return input.dimensions[index] }
                let symbol = index < input.symbols.count ? input.symbols[index] : ""
                if index == 0 || !symbol.isEmpty && rowSymbols.contains(symbol) { return rows }
                if served.indices.contains(index), served.count == input.dimensions.count, served[index] > 0 {
                    return served[index]
                }
                return Self.varying
            }
            guard let size = input.type.byteSize, let count = Shape(shape).elementCount else {
                throw CheckFailure("model \(name): its input \(input.name) of \(input.type) cannot be made up")
            }
            let slab = try pool.take(count * size)
            let value = Self.fixed.first { input.name.hasSuffix($0.part) }?.value
            for index in 0..<count { Self.store(input.type, value, &random, slab.bytes, at: index * size) }
            return Tensor(
                name: input.name, type: input.type, shape: Shape(shape), slab: slab, range: 0..<(count * size))
        }
    }

    private static func store(
        _ type: ElementType, _ value: Int?, _ random: inout CheckRandom, _ bytes: UnsafeMutableRawBufferPointer,
        at offset: Int
    ) {
        let whole = value ?? 1 + Int(random.next() % 100)
        switch type {
        case .fp32:
            bytes.storeBytes(of: value.map { Float($0) } ?? Float(random.unit()), toByteOffset: offset, as: Float.self)
        case .fp64:
            bytes.storeBytes(of: value.map { Double($0) } ?? random.unit(), toByteOffset: offset, as: Double.self)
        case .int64, .uint64: bytes.storeBytes(of: Int64(whole), toByteOffset: offset, as: Int64.self)
        case .int32, .uint32: bytes.storeBytes(of: Int32(whole), toByteOffset: offset, as: Int32.self)
        case .int16, .uint16: bytes.storeBytes(of: Int16(whole), toByteOffset: offset, as: Int16.self)
        case .fp16: bytes.storeBytes(of: 0x3800, toByteOffset: offset, as: UInt16.self)  // a half
        case .bf16: bytes.storeBytes(of: 0x3F00, toByteOffset: offset, as: UInt16.self)  // a half
        default: bytes.storeBytes(of: UInt8(type == .bool ? 1 : whole), toByteOffset: offset, as: UInt8.self)
        }
    }
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
struct CheckRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// From 0 up to, but not, 1.
    mutating func unit() -> Double { Double(next() >> 11) / Double(1 << 53) }
}

/// How far results are from those that they should be.
struct CheckDifference {
    /// The largest distance of two numbers, and the largest magnitude among those expected.
    private(set) var largest = 0.0
    private(set) var scale = 0.0

    /// Of the largest magnitude the part by which a device may differ from the processor: it rounds products to TF32's ten
    /// bits, and adds in another order.
    static let tolerance = 0.02

    var relative: Double { scale > 0 ? largest / scale : largest }
    var isAcceptable: Bool { relative <= Self.tolerance }

    /// - Throws: ``CheckFailure`` where they cannot be compared.
    init(_ found: [Tensor], _ expected: [Tensor]) throws {
        guard found.count == expected.count else { throw CheckFailure("\(found.count) outputs, not \(expected.count)") }
        for (found, expected) in zip(found, expected) {
            guard found.shape == expected.shape, found.type == expected.type, found.range.count == expected.range.count
            else {
                throw CheckFailure("output \(found.name) has the shape \(found.shape), not \(expected.shape)")
            }
            let count = found.range.count / max(1, found.type.byteSize ?? 1)
            for index in 0..<count {
                let (one, other) = (try Self.number(found, index), try Self.number(expected, index))
                guard one.isFinite else { throw CheckFailure("output \(found.name) holds \(one)") }
                largest = max(largest, (one - other).magnitude)
                scale = max(scale, other.magnitude)
            }
        }
    }

    private static func number(_ tensor: Tensor, _ index: Int) throws -> Double {
        let bytes = tensor.bytes
        return switch tensor.type {
        case .fp32: Double(bytes.loadUnaligned(fromByteOffset: index * 4, as: Float.self))
        case .fp64: bytes.loadUnaligned(fromByteOffset: index * 8, as: Double.self)
        case .int64: Double(bytes.loadUnaligned(fromByteOffset: index * 8, as: Int64.self))
        case .int32: Double(bytes.loadUnaligned(fromByteOffset: index * 4, as: Int32.self))
        case .uint8, .bool: Double(bytes[index])
        default: throw CheckFailure("output \(tensor.name) of \(tensor.type) is not compared")
        }
    }
}
