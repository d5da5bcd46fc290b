// SPDX-License-Identifier: Apache-2.0

// What grpc-swift-2 gives by itself: a server that answers ModelInfer with what it was sent, on the library's own
// transport and threads, with generated code, and nothing of ours. `strait load --protocol grpc` drives it.

internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import StraitWire
internal import SwiftProtobuf

struct Codec<Message: SwiftProtobuf.Message>: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: Message) throws -> Bytes {
        let bytes: [UInt8] = try message.serializedBytes()
        return Bytes(bytes)
    }

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> Message {
        try Message(serializedBytes: bytes.withUnsafeBytes { [UInt8]($0) })
    }
}

struct Echo: RegistrableRPCService {
    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        register("ModelMetadata", &router) { (request: Inference_ModelMetadataRequest) in
            var input = Inference_ModelMetadataResponse.TensorMetadata()
            (input.name, input.datatype, input.shape) = ("INPUT0", "FP32", [-1, -1])
            var response = Inference_ModelMetadataResponse()
            (response.name, response.inputs) = (request.name, [input])
            return response
        }
        register("ModelInfer", &router) { (request: Inference_ModelInferRequest) in
            var response = Inference_ModelInferResponse()
            (response.modelName, response.modelVersion) = (request.modelName, "1")
            response.outputs = request.inputs.map { input in
                var output = Inference_ModelInferResponse.InferOutputTensor()
                (output.name, output.datatype, output.shape) = ("OUTPUT0", input.datatype, input.shape)
                return output
            }
            response.rawOutputContents = request.rawInputContents
            return response
        }
    }

    private func register<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message, Transport>(
        _ method: String, _ router: inout RPCRouter<Transport>, _ answer: @escaping @Sendable (Request) -> Response
    ) {
        router.registerHandler(
            forMethod: MethodDescriptor(
                fullyQualifiedService: "inference.GRPCInferenceService", method: method, type: .unary),
            deserializer: Codec<Request>(), serializer: Codec<Response>()
        ) { call, _ in
            let request = try await ServerRequest(stream: call)
            return StreamingServerResponse(single: ServerResponse(message: answer(request.message)))
        }
    }
}

let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 8001
let server = GRPCServer(
    transport: .http2NIOPosix(
        address: .ipv4(host: "127.0.0.1", port: port), transportSecurity: .plaintext,
        config: .defaults {
            // As ours, so that what differs is not this.
            $0.http2.targetWindowSize = 8 << 20
            $0.http2.maxFrameSize = 1 << 20
            $0.rpc.maxRequestPayloadSize = 256 << 20
            $0.connection.flushCoalescing = nil
        }), services: [Echo()])
// Off the main actor, to which every step of a call would else go back.
try await Task.detached { try await server.serve() }.value
