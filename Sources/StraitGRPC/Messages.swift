// SPDX-License-Identifier: Apache-2.0

internal import GRPCCore
internal import StraitProtocol
internal import StraitTensor
internal import SwiftProtobuf

/// Reads messages that hold no tensor, with generated code.
struct ControlDeserializer<Message: SwiftProtobuf.Message>: MessageDeserializer {
    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> Message {
        guard bytes.count <= GRPCLimits.controlMessageBytes else {
            throw RPCError(
                code: .resourceExhausted,
                message: "the message has \(bytes.count) bytes; this call takes at most "
                    + "\(GRPCLimits.controlMessageBytes)")
        }
        do {
            return try Message(serializedBytes: bytes.withUnsafeBytes { [UInt8]($0) })
        } catch {
            throw RPCError(
                code: .invalidArgument, message: "not a valid \(Message.protoMessageName) in protobuf: \(error)")
        }
    }
}

/// Writes messages that hold no tensor.
struct ControlSerializer<Message: SwiftProtobuf.Message>: MessageSerializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: Message) throws -> Bytes {
        let bytes: [UInt8] = try message.serializedBytes()
        return Bytes(bytes)
    }
}

/// Reads requests for inference, and puts their tensors where the model reads them. What is wrong with one is told by
/// the call, which in a stream goes on.
struct RequestDeserializer: MessageDeserializer {
    let pool: SlabPool

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) -> Result<WireRequest, WireFailure> {
        bytes.withUnsafeBytes { message in
            Result { () throws(WireFailure) in try WireRequestDecoder.decode(message, pool: pool) }
        }
    }
}

/// Writes the answers of inference.
struct ResponseSerializer: MessageSerializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ response: WireResponse) -> Bytes {
        var bytes = Bytes(repeating: 0, count: response.byteCount)
        bytes.withUnsafeMutableBytes { response.write(to: $0) }
        return bytes
    }
}
