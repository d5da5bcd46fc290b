// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol
internal import StraitTensor
internal import StraitWire
internal import SwiftProtobuf

/// Inference requests in protobuf.
enum WireProperty {
    /// Memory for all tensors: typed numbers take at most eight times their place in the message.
    private static let budget = 1 << 22

    static func flaw(_ bytes: [UInt8]) -> String? {
        let pool = SlabPool(budget: budget)
        let flaw = flaw(bytes, pool)
        return flaw ?? (pool.bytesInUse == 0 ? nil : "\(pool.bytesInUse) bytes of tensors are never given back")
    }

    private static func flaw(_ bytes: [UInt8], _ pool: SlabPool) -> String? {
        do throws(WireFailure) {
            let wire = try decode(bytes, pool)
            for tensor in wire.request.inputs {
                guard tensor.range.lowerBound >= 0, tensor.range.upperBound <= tensor.slab.bytes.count else {
                    return "\(tensor.name) lies outside its memory"
                }
                if let problem = TensorContent.problem(in: tensor.bytes, type: tensor.type, shape: tensor.shape) {
                    return "\(tensor.name): \(problem)"
                }
            }
            return flawBesideGeneratedCode(bytes, wire) ?? flawInReturn(of: wire.request.inputs, pool)
        } catch {
            guard [.invalidArgument, .unsupported].contains(error.error.code) else { return "\(error.error)" }
            return FuzzedDecoder.flaw(inMessage: error.error.message)
        }
    }

    /// The message stands in memory of its own, so that a sanitizer sees every read beyond it.
    private static func decode(_ bytes: [UInt8], _ pool: SlabPool) throws(WireFailure) -> WireRequest {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        return try WireRequestDecoder.decode(UnsafeRawBufferPointer(memory), pool: pool)
    }

    /// What we read, generated code reads too, and the same.
    private static func flawBesideGeneratedCode(_ bytes: [UInt8], _ wire: WireRequest) -> String? {
        let shared = wire.request.sharedInputs.map(\.name)
        guard var message = try? Inference_ModelInferRequest(serializedBytes: bytes) else {
            return "generated code does not take it"
        }
        message.inputs.removeAll { shared.contains($0.name) }
        let inputs = wire.request.inputs
        guard message.modelName == wire.modelName, message.modelVersion == wire.modelVersion ?? "",
            message.id == wire.request.id, message.inputs.map(\.name) == inputs.map(\.name),
            message.inputs.map(\.datatype) == inputs.map(\.type.name),
            message.inputs.map({ $0.shape.map(Int.init) }) == inputs.map(\.shape.dimensions),
            message.outputs.map(\.name) == wire.request.outputs.map(\.name)
        else { return "generated code reads something else" }
        if !message.rawInputContents.isEmpty,
            message.rawInputContents.map(Array.init) != inputs.map({ Array($0.bytes) })
        {
            return "generated code reads other raw tensors"
        }
        let floats = message.inputs.map(\.contents.fp32Contents)
        for (tensor, values) in zip(inputs, floats) where message.rawInputContents.isEmpty && tensor.type == .fp32 {
            let read = stride(from: 0, to: tensor.bytes.count, by: 4).map {
                tensor.bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)
            }
            guard read == values.map(\.bitPattern) else { return "generated code reads other numbers" }
        }
        return nil
    }

    /// A response with a tensor, the field of its bytes renumbered, is a request with the same one.
    private static func flawInReturn(of tensors: [Tensor], _ pool: SlabPool) -> String? {
        for tensor in tensors {
            let encoded = WireResponseEncoder.encode(
                InferenceResponse(modelName: "m", modelVersion: "1", outputs: [tensor]))
            var bytes = [UInt8](repeating: 0, count: encoded.byteCount)
            bytes.withUnsafeMutableBytes { encoded.write(from: 0, to: $0) }
            let field = bytes.count - tensor.range.count - 1 - lengthOfVarint(tensor.range.count)
            guard field > 0, bytes[field] == 6 << 3 | 2 else {
                return "the bytes do not stand at the end of a response"
            }
            bytes[field] = 7 << 3 | 2
            do throws(WireFailure) {
                let again = try decode(bytes, pool).request.inputs
                guard let other = again.first, again.count == 1, other.type == tensor.type,
                    other.shape == tensor.shape, other.name.utf8.elementsEqual(tensor.name.utf8),
                    other.bytes.elementsEqual(tensor.bytes)
                else { return "\(tensor.name) comes back as another tensor" }
            } catch {
                return "cannot be decoded again: \(error.error)"
            }
        }
        return nil
    }

    private static func lengthOfVarint(_ value: Int) -> Int {
        var (length, rest) = (1, value >> 7)
        while rest > 0 { (length, rest) = (length + 1, rest >> 7) }
        return length
    }
}
