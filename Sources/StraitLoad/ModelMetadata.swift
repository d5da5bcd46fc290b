// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import StraitWire
internal import SwiftProtobuf

/// What a server says about a model: of its metadata, the part that input can be made from.
package struct ModelMetadata: Sendable, Equatable, Decodable {
    /// One declared input.
    package struct Input: Sendable, Equatable, Decodable {
        /// The input's name.
        package let name: String
        /// The protocol's name of the element type.
        package let datatype: String
        /// The declared dimensions; −1 for one that varies.
        package let shape: [Int]

        /// A declared input.
        package init(name: String, datatype: String, shape: [Int]) {
            self.name = name
            self.datatype = datatype
            self.shape = shape
        }
    }

    /// The model's name.
    package let name: String
    /// Its inputs.
    package let inputs: [Input]

    /// Metadata with the given inputs.
    package init(name: String, inputs: [Input]) {
        self.name = name
        self.inputs = inputs
    }

    /// Reads the answer to a question for metadata, whichever way it came.
    ///
    /// - Throws: ``LoadError`` of code `badAnswer`.
    init(_ body: [UInt8], _ transport: LoadPlan.Transport, model: String) throws(LoadError) {
        guard transport == .grpc else {
            try self.init(json: body, model: model)
            return
        }
        guard let message = try? Inference_ModelMetadataResponse(serializedBytes: body) else {
            throw LoadError(.badAnswer, "The server's metadata of model \(model) is no ModelMetadataResponse.")
        }
        self.init(
            name: message.name,
            inputs: message.inputs.map { Input(name: $0.name, datatype: $0.datatype, shape: $0.shape.map(Int.init)) })
    }

    /// Reads the answer to `GET /v2/models/NAME`.
    ///
    /// - Throws: ``LoadError`` of code `badAnswer`.
    package init(json: [UInt8], model: String) throws(LoadError) {
        do {
            self = try JSONDecoder().decode(ModelMetadata.self, from: Data(json))
        } catch {
            throw LoadError(
                .badAnswer,
                "The server's metadata of model \(model) cannot be read (\(error)): expected name and inputs with "
                    + "name, datatype and shape.")
        }
    }
}

/// The `error` of an answer that is not 200; nil where the body is not the protocol's.
func errorMessage(in body: [UInt8]) -> String? {
    struct Answer: Decodable { let error: String }
    return try? JSONDecoder().decode(Answer.self, from: Data(body)).error
}
