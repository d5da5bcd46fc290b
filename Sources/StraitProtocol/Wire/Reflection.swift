// SPDX-License-Identifier: Apache-2.0

internal import StraitWire
internal import SwiftProtobuf

/// gRPC's server reflection: tells a client without the schema what can be called, and how the messages look.
package enum Reflection {
    /// The service's full names; the messages of both are the same.
    package static let services = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]

    private static let index = Result { try SchemaIndex.ofThisServer() }

    /// Answers one request of a stream. What is not there is told in the answer, and the stream goes on.
    ///
    /// - Parameter message: a `ServerReflectionRequest`.
    /// - Returns: a `ServerReflectionResponse`: the request and at most all schemas, 30 kB.
    /// - Throws: `invalidArgument` if the message cannot be read.
    package static func answer(_ message: UnsafeRawBufferPointer) throws(ProtocolError) -> [UInt8] {
        let request: Grpc_Reflection_V1_ServerReflectionRequest
        do {
            request = try Grpc_Reflection_V1_ServerReflectionRequest(serializedBytes: [UInt8](message))
        } catch {
            throw ProtocolError(.invalidArgument, "not a valid ServerReflectionRequest in protobuf: \(error)")
        }
        var response = Grpc_Reflection_V1_ServerReflectionResponse()
        response.validHost = request.host
        response.originalRequest = request
        do {
            response.messageResponse = try Self.answer(request, try index.get())
            return try response.serializedBytes()
        } catch {
            throw ProtocolError(.failedInternally, "the schemas cannot be told: \(error)")
        }
    }

    private typealias Answer = Grpc_Reflection_V1_ServerReflectionResponse.OneOf_MessageResponse

    private static func answer(
        _ request: Grpc_Reflection_V1_ServerReflectionRequest, _ index: SchemaIndex
    ) throws -> Answer {
        switch request.messageRequest {
        case .listServices:
            .listServicesResponse(.with { $0.service = index.services.map { name in .with { $0.name = name } } })
        case .fileByFilename(let name):
            try files(index.filesFor(name), "no file of the schema is named '\(shortened(name))'")
        case .fileContainingSymbol(let name):
            try files(
                index.file(defining: name).flatMap(index.filesFor),
                "nothing in the schema is named '\(shortened(name))'")
        case .fileContainingExtension(let asked):
            missing("'\(shortened(asked.containingType))' has no extensions here")
        case .allExtensionNumbersOfType(let name):
            index.hasMessage(name)
                ? .allExtensionNumbersResponse(.with { $0.baseTypeName = name })
                : missing("no message is named '\(shortened(name))' in the schema")
        case nil:
            .errorResponse(error(ProtocolError(.invalidArgument, "the request asks for nothing that is known here")))
        }
    }

    private static func files(_ found: [[UInt8]]?, _ otherwise: String) throws -> Answer {
        guard let found else { return missing(otherwise) }
        // Written by hand, since generated code would have them in a type of Foundation's.
        var writer = WireWriter()
        for file in found {
            writer.delimited(1, count: file.count)
            writer.append(file)
        }
        return .fileDescriptorResponse(try .init(serializedBytes: writer.bytes))
    }

    private static func missing(_ text: String) -> Answer { .errorResponse(error(ProtocolError(.notFound, text))) }

    private static func error(_ error: ProtocolError) -> Grpc_Reflection_V1_ErrorResponse {
        .with {
            $0.errorCode = Int32(error.grpcStatus)
            $0.errorMessage = error.message
        }
    }
}
