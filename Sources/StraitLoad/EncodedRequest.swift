// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import NIOCore
internal import NIOHPACK
internal import NIOHTTP1
internal import StraitTensor
internal import StraitWire
internal import SwiftProtobuf

/// A request as it goes over the wire: encoded once, sent any number of times.
enum EncodedRequest: Sendable {
    case http(HTTPRequestHead, ByteBuffer)
    case grpc(HPACKHeaders, ByteBuffer)

    /// What is asked for.
    var path: String {
        switch self {
        case .http(let head, _): head.uri
        case .grpc(let headers, _): headers.first(name: ":path") ?? ""
        }
    }

    /// Asks whether a server is ready.
    static func readiness(of server: ServerAddress) -> EncodedRequest {
        http(.GET, path: server.pathPrefix + "/v2/health/ready", server: server, body: nil, keepAlive: false)
    }

    /// Asks what a model takes.
    static func metadata(of model: String, _ plan: LoadPlan) throws(LoadError) -> EncodedRequest {
        guard plan.transport == .grpc else {
            return http(.GET, path: plan.server.path(ofModel: model), server: plan.server, body: nil, keepAlive: false)
                .with(token: plan.token)
        }
        var message = Inference_ModelMetadataRequest()
        message.name = model
        return try grpc("ModelMetadata", message, server: plan.server).with(token: plan.token)
    }

    /// Asks a model.
    static func inference(
        _ template: RequestTemplate, of model: String, requestClass: LoadClass, timeout: Int64?, _ plan: LoadPlan,
        keepAlive: Bool
    ) throws(LoadError) -> EncodedRequest {
        guard plan.transport == .grpc else {
            let body = try RequestBody(template, requestClass: requestClass, timeout: timeout, encoding: plan.encoding)
            return http(
                .POST, path: plan.server.path(ofModel: model) + "/infer", server: plan.server, body: body,
                keepAlive: keepAlive
            ).with(token: plan.token)
        }
        var message = Inference_ModelInferRequest()
        message.modelName = model
        message.parameters["priority"] = .with { $0.uint64Param = UInt64(requestClass.priority) }
        if let timeout { message.parameters["timeout"] = .with { $0.int64Param = timeout } }
        message.inputs = template.inputs.map { input in
            .with { tensor in
                tensor.name = input.name
                tensor.datatype = input.type.name
                tensor.shape = input.shape.dimensions.map(Int64.init)
            }
        }
        message.outputs = template.outputs.map { name in .with { $0.name = name } }
        message.rawInputContents = template.inputs.map { .init($0.bytes) }
        return try grpc("ModelInfer", message, server: plan.server).with(token: plan.token)
    }

    /// The same with a token that says whose it is; nil for nobody's.
    private func with(token: String?) -> EncodedRequest {
        guard let token else { return self }
        switch self {
        case .http(var head, let body):
            head.headers.add(name: "Authorization", value: "Bearer \(token)")
            return .http(head, body)
        case .grpc(var headers, let body):
            headers.add(name: "authorization", value: "Bearer \(token)")
            return .grpc(headers, body)
        }
    }

    /// The header that tells the JSON part of a body from the binary tensors behind it.
    private static let jsonLengthHeader = "Inference-Header-Content-Length"

    private static func http(
        _ method: HTTPMethod, path: String, server: ServerAddress, body: RequestBody?, keepAlive: Bool
    ) -> EncodedRequest {
        var headers = HTTPHeaders([("Host", server.authority)])
        if let body {
            headers.add(
                name: "Content-Type", value: body.jsonLength == nil ? "application/json" : "application/octet-stream")
            headers.add(name: "Content-Length", value: "\(body.bytes.count)")
            if let length = body.jsonLength { headers.add(name: jsonLengthHeader, value: "\(length)") }
        }
        if !keepAlive { headers.add(name: "Connection", value: "close") }
        return .http(
            HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: headers),
            ByteBuffer(bytes: body?.bytes ?? []))
    }

    private static func grpc(
        _ method: String, _ message: some SwiftProtobuf.Message, server: ServerAddress
    ) throws(LoadError) -> EncodedRequest {
        let bytes: [UInt8]
        do {
            bytes = try message.serializedBytes()
        } catch {
            throw LoadError(.badInput, "A request cannot be encoded: \(error).")
        }
        let headers: HPACKHeaders = [
            ":method": "POST", ":scheme": server.isSecure ? "https" : "http",
            ":path": "/inference.GRPCInferenceService/\(method)",
            ":authority": server.authority, "content-type": "application/grpc", "te": "trailers",
        ]
        // Uncompressed, and its length.
        var buffer = ByteBuffer()
        buffer.reserveCapacity(bytes.count + 5)
        buffer.writeInteger(UInt8(0))
        buffer.writeInteger(UInt32(clamping: bytes.count))
        buffer.writeBytes(bytes)
        return .grpc(headers, buffer)
    }
}
