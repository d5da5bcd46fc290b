// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

/// A `ModelInferResponse`, or one in its stream's envelope, ready to be written where it is sent from.
package struct WireResponse: Sendable {
    /// Everything before the tensors.
    private var head: [UInt8]
    /// What follows as `raw_output_contents`: an element for each output, nil for one that is in shared memory and has
    /// an empty one here, because clients count them.
    private let tensors: [Tensor?]

    fileprivate init(head: [UInt8], tensors: [Tensor?]) {
        self.head = head
        self.tensors = tensors
    }

    /// Bytes of the whole message.
    package var byteCount: Int {
        tensors.reduce(head.count) { sum, tensor in
            let count = tensor?.range.count ?? 0
            return sum + Self.tagLength + WireWriter.length(ofVarint: UInt64(count)) + count
        }
    }

    /// Bytes of the tag of `raw_output_contents`.
    private static let tagLength = 1

    /// A message that is there already.
    package init(message: [UInt8]) { self.init(head: message, tensors: []) }

    /// Writes a part of the message: the only copy of the results on their way to the transport.
    ///
    /// - Parameters:
    ///   - start: where in the message the part begins.
    ///   - target: as long as the part.
    package func write(from start: Int, to target: UnsafeMutableRawBufferPointer) {
        // Where the piece that is looked at begins in the message, and how much of the target is written.
        var (place, written) = (0, 0)
        func put(_ piece: UnsafeRawBufferPointer) {
            let skipped = max(0, start - place)
            place += piece.count
            guard skipped < piece.count, written < target.count else { return }
            let count = min(piece.count - skipped, target.count - written)
            UnsafeMutableRawBufferPointer(rebasing: target[written...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: piece[skipped..<skipped + count]))
            written += count
        }
        head.withUnsafeBytes(put)
        for tensor in tensors {
            let lead = Self.lead(tensor?.range.count ?? 0)
            withUnsafeBytes(of: lead.bytes) { put(UnsafeRawBufferPointer(rebasing: $0[..<lead.count])) }
            if let tensor { put(tensor.bytes) }
        }
    }

    /// The tag and the length that stand before a tensor, as the first bytes of a number.
    private static func lead(_ length: Int) -> (bytes: UInt64, count: Int) {
        var bytes = UInt64(6 << 3 | WireScanner.Form.delimited.rawValue)
        var count = 1
        var rest = UInt64(length)
        repeat {
            bytes |= (rest & 0x7F | (rest >= 0x80 ? 0x80 : 0)) << UInt64(8 * count)
            rest >>= 7
            count += 1
        } while rest > 0
        return (bytes.littleEndian, count)
    }

    /// The same in the envelope of `ModelStreamInferResponse`.
    package var streamed: WireResponse {
        var writer = WireWriter(capacity: head.count + 16)
        writer.delimited(2, count: byteCount)
        return WireResponse(head: writer.bytes + head, tensors: tensors)
    }
}

/// Writes the answers of gRPC's inference calls.
package enum WireResponseEncoder {
    /// Bytes to expect for all but the tensors; only a guess for the first allocation.
    private static let typicalHead = 256
    /// Triton's mark of a request's last answer in a stream.
    private static let finalResponse = Parameter("triton_final_response", .bool(true))

    /// Encodes a response; every output goes out raw, as Triton sends them. One that is in shared memory has a name, a type
    /// and a shape.
    ///
    /// - Parameter isStreamed: whether it is one of a stream, where clients of decoupled models look at a parameter for
    ///   the last answer to a request; each of ours is.
    /// - Complexity: O(outputs); the tensors are not touched yet.
    package static func encode(_ response: InferenceResponse, isStreamed: Bool = false) -> WireResponse {
        var writer = WireWriter(capacity: typicalHead)
        writer.text(1, response.modelName)
        writer.text(2, response.modelVersion)
        writer.text(3, response.id)
        for parameter in response.parameters { write(parameter, 4, to: &writer) }
        if isStreamed { write(finalResponse, 4, to: &writer) }
        for output in response.outputs {
            writer.message(5) { tensor in
                tensor.text(1, output.name)
                tensor.text(2, output.type.name)
                tensor.packed(3, output.shape.dimensions)
            }
        }
        return WireResponse(
            head: writer.bytes, tensors: response.outputs.map { response.inSharedMemory.contains($0.name) ? nil : $0 })
    }

    /// Writes an entry of a map of parameters.
    private static func write(_ parameter: Parameter, _ field: Int, to writer: inout WireWriter) {
        writer.message(field) { entry in
            entry.text(1, parameter.name)
            entry.message(2) { write(parameter.value, to: &$0) }
        }
    }

    private static func write(_ value: Parameter.Value, to writer: inout WireWriter) {
        switch value {
        case .bool(let value): writer.number(1, value ? 1 : 0)
        case .int(let value): writer.number(2, UInt64(bitPattern: value))
        case .string(let value):
            // Chosen by being there, so an empty one is written too.
            writer.delimited(3, count: value.utf8.count)
            writer.append(value.utf8)
        case .double(let value): writer.fixed64(4, value.bitPattern)
        }
    }

    /// The answer in a stream to a request that has no results; its id tells which.
    package static func streamedError(_ message: String, id: String) -> WireResponse {
        var writer = WireWriter(capacity: message.utf8.count + id.utf8.count + 16)
        writer.text(1, message)
        writer.message(2) {
            $0.text(3, id)
            write(finalResponse, 4, to: &$0)
        }
        return WireResponse(head: writer.bytes, tensors: [])
    }
}
