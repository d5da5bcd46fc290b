// SPDX-License-Identifier: Apache-2.0

internal import StraitWire
internal import SwiftProtobuf
internal import Testing

@testable internal import StraitProtocol

/// What gRPC's reflection tells of the schemas.
@Suite struct ReflectionTests {
    private typealias Request = Grpc_Reflection_V1_ServerReflectionRequest
    private typealias Response = Grpc_Reflection_V1_ServerReflectionResponse

    private func ask(_ change: (inout Request) -> Void) throws -> Response {
        let request = Request.with(change)
        let bytes: [UInt8] = try request.serializedBytes()
        let response = try Response(serializedBytes: bytes.withUnsafeBytes { try Reflection.answer($0) })
        #expect(response.originalRequest == request && response.validHost == request.host)
        return response
    }

    private func files(_ change: (inout Request) -> Void) throws -> [Google_Protobuf_FileDescriptorProto] {
        try ask(change).fileDescriptorResponse.fileDescriptorProto.map { try .init(serializedBytes: $0) }
    }

    @Test func allServicesAreListed() throws {
        let found = try ask {
            $0.host = "here"
            $0.listServices = "*"
        }
        #expect(
            found.listServicesResponse.service.map(\.name) == [
                "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection", "inference.GRPCInferenceService",
            ])
    }

    @Test(arguments: [
        "inference.GRPCInferenceService", "inference.GRPCInferenceService.ModelInfer", "inference.ModelInferRequest",
        "inference.ModelInferRequest.InferInputTensor", "inference.ModelInferRequest.model_name",
    ])
    func aFileComesWithWhatItImports(symbol: String) throws {
        let found = try files { $0.fileContainingSymbol = symbol }
        #expect(found.map(\.name) == ["inference.proto", "model_config.proto"])
        #expect(found.first?.dependency == ["model_config.proto"])
    }

    @Test func eachServiceIsFoundByItsNameAndFile() throws {
        for service in try ask({ $0.listServices = "" }).listServicesResponse.service {
            let found = try files { $0.fileContainingSymbol = service.name }
            let file = try #require(found.first)
            #expect(file.service.contains { "\(file.package).\($0.name)" == service.name })
            #expect(try files { $0.fileByFilename = file.name } == found)
        }
        // Values stand beside their enumeration.
        #expect(
            try files { $0.fileContainingSymbol = "grpc.health.v1.HealthCheckResponse.NOT_SERVING" }.map(\.name)
                == ["health.proto"])
    }

    @Test func extensionsAreNone() throws {
        let none = try ask { $0.allExtensionNumbersOfType = "inference.ModelInferRequest" }
        #expect(none.allExtensionNumbersResponse.baseTypeName == "inference.ModelInferRequest")
        #expect(none.allExtensionNumbersResponse.extensionNumber.isEmpty)
    }

    @Test func whatIsNotThereIsAnAnswer() throws {
        let notFound: Int32 = 5
        let long = String(repeating: "x", count: 4000)
        for change: (inout Request) -> Void in [
            { $0.fileByFilename = "nothing.proto" }, { $0.fileContainingSymbol = "inference.Nothing" },
            { $0.fileContainingSymbol = "" }, { $0.fileContainingSymbol = long },
            { $0.allExtensionNumbersOfType = "inference.GRPCInferenceService" },
            { $0.fileContainingExtension = .with { $0.containingType = "inference.ModelInferRequest" } },
        ] {
            let error = try ask(change).errorResponse
            #expect(error.errorCode == notFound)
            #expect(!error.errorMessage.isEmpty && error.errorMessage.count < 200)
        }
        let invalid: Int32 = 3
        #expect(try ask { _ in }.errorResponse.errorCode == invalid)
    }

    @Test func whatCannotBeReadIsRefused() {
        let bytes: [UInt8] = [0x22, 0x7F, 0x01]
        let error = #expect(throws: ProtocolError.self) { try bytes.withUnsafeBytes { try Reflection.answer($0) } }
        #expect(error?.code == .invalidArgument)
    }
}
