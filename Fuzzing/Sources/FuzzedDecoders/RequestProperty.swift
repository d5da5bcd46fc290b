// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol
internal import StraitTensor

/// Bodies of inference requests.
enum RequestProperty {
    /// Memory for all tensors: an input of a few thousand bytes must not get near it.
    private static let budget = 1 << 22
    /// First byte of an input whose next eight are the header's length, whatever the body's is: lengths that lie.
    private static let lyingHeader: UInt8 = 1

    static func flaw(_ bytes: [UInt8]) -> String? {
        let pool = SlabPool(budget: budget)
        let flaw = flaw(bytes, pool)
        return flaw ?? (pool.bytesInUse == 0 ? nil : "\(pool.bytesInUse) bytes of tensors are never given back")
    }

    private static func flaw(_ bytes: [UInt8], _ pool: SlabPool) -> String? {
        var body = bytes
        var jsonLength: Int?
        if bytes.first == lyingHeader, bytes.count >= 9 {
            jsonLength = Int(bitPattern: UInt(bytes[1..<9].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }))
            body.removeFirst(9)
        } else if let end = bytes.firstIndex(of: 0) {
            jsonLength = end
            body.remove(at: end)
        }
        do throws(ProtocolError) {
            let request = try decode(body, jsonLength: jsonLength, pool)
            for tensor in request.inputs {
                guard tensor.range.lowerBound >= 0, tensor.range.upperBound <= tensor.slab.bytes.count else {
                    return "\(tensor.name) lies outside its memory"
                }
                if let problem = TensorContent.problem(in: tensor.bytes, type: tensor.type, shape: tensor.shape) {
                    return "\(tensor.name): \(problem)"
                }
            }
            for input in request.sharedInputs {
                let place = input.place
                guard place.offset >= 0, place.byteCount >= 0, place.offset <= Int.max - place.byteCount else {
                    return "\(input.name) lies outside all memory"
                }
            }
            return flawInReturn(of: request.inputs, pool)
        } catch {
            guard [.invalidArgument, .unsupported].contains(error.code) else { return "\(error)" }
            return FuzzedDecoder.flaw(inMessage: error.message)
        }
    }

    /// The body stands at the very end of its memory, so that a sanitizer sees every read beyond it.
    private static func decode(
        _ body: [UInt8], jsonLength: Int?, _ pool: SlabPool
    ) throws(ProtocolError) -> InferenceRequest {
        guard let slab = try? pool.take(max(1, body.count)) else {
            throw ProtocolError(.failedInternally, "no memory for a body of \(body.count) bytes")
        }
        let start = slab.bytes.count - body.count
        for (index, byte) in body.enumerated() { slab.bytes[start + index] = byte }
        return try InferenceRequestDecoder.decode(
            body: slab, range: start..<slab.bytes.count, jsonLength: jsonLength, model: model, pool: pool)
    }

    /// What raw requests, which begin with a NUL byte, are read for.
    private static let model = ModelSpecification(
        name: "m", version: 1, modelFile: "", maxBatchSize: 4,
        inputs: [TensorSpecification(name: "x", type: .bool, shape: [-1, -1, 2])], outputs: [])

    /// A response with these tensors, its first words replaced, is a request with the same ones.
    private static func flawInReturn(of tensors: [Tensor], _ pool: SlabPool) -> String? {
        for tensor in tensors {
            for asBinary in [true, false] {
                let response = InferenceResponse(modelName: "m", modelVersion: "1", outputs: [tensor])
                let encoded: EncodedResponse
                do throws(ProtocolError) {
                    encoded = try InferenceResponseEncoder.encode(response) { _ in asBinary }
                } catch {
                    if !asBinary, error.code == .invalidArgument { continue }
                    return "cannot be encoded again: \(error)"
                }
                if !asBinary, !isFinite(tensor) { continue }
                let opening = Array(#"{"model_name":"m","model_version":"1","outputs":"#.utf8)
                guard encoded.json.starts(with: opening) else { return "a response begins otherwise" }
                let json = Array(#"{"inputs":"#.utf8) + encoded.json.dropFirst(opening.count)
                let binary = encoded.binaryTensors.flatMap { Array($0.bytes) }
                do throws(ProtocolError) {
                    let again = try decode(json + binary, jsonLength: asBinary ? json.count : nil, pool)
                    guard let other = again.inputs.first, again.inputs.count == 1, other.type == tensor.type,
                        other.shape == tensor.shape, other.name.utf8.elementsEqual(tensor.name.utf8),
                        other.bytes.elementsEqual(tensor.bytes)
                    else { return "\(tensor.name) is another once encoded and decoded" }
                } catch {
                    return "what was encoded is refused: \(error)"
                }
            }
        }
        return nil
    }

    /// Whether all numbers have a JSON form; binary ones may be NaN.
    private static func isFinite(_ tensor: Tensor) -> Bool {
        func all<Number: BinaryFloatingPoint & BitwiseCopyable>(_ type: Number.Type) -> Bool {
            stride(from: 0, to: tensor.bytes.count, by: MemoryLayout<Number>.stride).allSatisfy {
                tensor.bytes.loadUnaligned(fromByteOffset: $0, as: type).isFinite
            }
        }
        return switch tensor.type {
        case .fp32: all(Float.self)
        case .fp64: all(Double.self)
        default: true
        }
    }
}
