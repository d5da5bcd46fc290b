// SPDX-License-Identifier: Apache-2.0

package import StraitTensor

/// An inference request as it came over gRPC: which model is asked, and what.
package struct WireRequest: Sendable {
    /// The model's name.
    package var modelName: String
    /// The version asked for; nil for the latest.
    package var modelVersion: String?
    /// What it is asked. All outputs are wanted as binary.
    package var request: InferenceRequest
}

/// Why a message is no request, and its id, as far as that was read: answers in a stream are told apart by it.
package struct WireFailure: Error, Sendable {
    /// The id; empty where none was read.
    package let id: String
    /// What is wrong.
    package let error: ProtocolError
    /// Whether the message could be read at all; where not, its stream cannot go on.
    package let isOfRequest: Bool

    init(id: String, error: ProtocolError) { (self.id, self.error, isOfRequest) = (id, error, true) }

    /// Of a message that is not as its call says, or that there is no memory for.
    package init(_ error: ProtocolError) { (id, self.error, isOfRequest) = ("", error, false) }
}

/// Reads a `ModelInferRequest`: a protobuf message, with tensors either in `raw_input_contents` or as typed contents.
///
/// Every tensor is copied once, from the message to an aligned place in a slab of the pool; not at all, where the message
/// lies in a slab and the tensor at an aligned place of it. As with JSON, nothing is allocated for what the message merely
/// claims, and what it repeats is bounded.
package enum WireRequestDecoder {
    /// Decodes a message.
    ///
    /// - Parameters:
    ///   - pool: where the memory for the tensors comes from.
    ///   - last: what is remembered of the last request of the same client.
    ///   - home: the slab that the message lies in, and where, if it does; nobody writes to it any more.
    /// - Throws: ``WireFailure``: `invalidArgument` with the path of the field, `unsupported` for parts of the protocol
    ///   that the server does not have, `resourceExhausted` or `payloadTooLarge` where the pool has no memory.
    /// - Complexity: O(bytes).
    package static func decode(
        _ message: UnsafeRawBufferPointer, pool: SlabPool, last: inout LastMessage,
        home: (slab: Slab, offset: Int)? = nil
    ) throws(WireFailure) -> WireRequest {
        var reader = WireRequestReader(message: message)
        do throws(ProtocolError) {
            if let outline = last.outline(of: message) {
                reader.outline = outline
            } else {
                try reader.readRequest()
                last.remember(message, reader.outline)
            }
            let (inputs, shared) = try reader.makeTensors(pool: pool, home: home)
            let request = InferenceRequest(
                id: reader.id, priority: reader.priority, timeoutMicroseconds: reader.timeout, inputs: inputs,
                sharedInputs: shared, outputs: reader.outputs, binaryOutputsByDefault: true)
            return WireRequest(
                modelName: reader.modelName, modelVersion: reader.modelVersion.isEmpty ? nil : reader.modelVersion,
                request: request)
        } catch {
            throw WireFailure(
                id: reader.id, error: ProtocolError(error.code, "\(reader.path): \(error.message)"))
        }
    }
    /// Decodes a message of which nothing like it came before.
    package static func decode(
        _ message: UnsafeRawBufferPointer, pool: SlabPool
    ) throws(WireFailure) -> WireRequest {
        var last = LastMessage()
        return try decode(message, pool: pool, last: &last)
    }

    /// How many bytes of a message are `raw_input_contents`, which decoding copies at most; all others it reads.
    ///
    /// - Parameter limit: of others it passes over so many, and then leaves it at that.
    /// - Complexity: O(fields within the limit).
    package static func rawBytes(of message: UnsafeRawBufferPointer, beside limit: Int) -> Int {
        var scanner = WireScanner(message, 0..<message.count)
        var count = 0
        do throws(ProtocolError) {
            while scanner.offset - count < limit, let field = try scanner.next() {
                if field.number == 7, field.form == .delimited {
                    count += try scanner.delimited().count
                } else {
                    try scanner.skip(field)
                }
            }
        } catch {
            // It is no message, which is told when it is decoded.
        }
        return count
    }

    /// Where the first of `raw_input_contents` begins, in a message of which the start has come; nil where that does not
    /// tell. Whoever collects the message can then put it so that the tensor is aligned.
    ///
    /// - Complexity: O(fields).
    package static func firstTensor(inStart start: UnsafeRawBufferPointer) -> Int? {
        var scanner = WireScanner(start, 0..<start.count)
        do throws(ProtocolError) {
            while let field = try scanner.next() {
                if field.number == 7, field.form == .delimited {
                    _ = try scanner.varint()
                    return scanner.offset
                }
                try scanner.skip(field)
            }
        } catch {
            // It goes on behind what has come, or is no message; that is told when it is complete.
        }
        return nil
    }
}
