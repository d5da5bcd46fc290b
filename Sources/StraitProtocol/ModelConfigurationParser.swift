// SPDX-License-Identifier: Apache-2.0

internal import StraitWire
internal import SwiftProtobuf

/// Reads config.pbtxt.
package enum ModelConfigurationParser {
    /// The largest config.pbtxt, in bytes. Real ones take a few thousand.
    package static let maximumSize = 256 * 1024
    /// The largest `max_batch_size`. Staging memory is reserved for that many rows.
    package static let maximumBatchSize = 4096
    /// The longest deadline that can be configured, in milliseconds: a day. Longer is surely a mistake in the unit.
    package static let maximumDeadlineMilliseconds = 86_400_000.0
    /// The most warm-up requests of a model, and how often each may be sent: a start should end.
    package static let maximumWarmups = 64
    package static let maximumWarmupCount: UInt32 = 1000
    /// Parameters that start like this are the server's own, so that an unknown one is an error.
    static let ownPrefix = "strait."

    /// A configuration, and warnings (`path:line: message`) about what it sets in vain.
    package struct Outcome: Sendable {
        package var configuration: ModelConfiguration
        package var warnings: [String]
    }

    /// Parses the text of a config.pbtxt; `path` is for messages, `model` the name of the model's folder.
    ///
    /// - Throws: ``RepositoryError`` with path and line: unknown fields, wrong types, values that cannot be.
    package static func parse(_ text: [UInt8], path: String, model: String) throws(RepositoryError) -> Outcome {
        guard text.count <= maximumSize else {
            throw RepositoryError(
                .badConfiguration, "\(text.count) bytes long; at most \(maximumSize) are read", path: path)
        }
        guard text.withUnsafeBytes({ UTF8Check.isValid($0) }) else {
            throw RepositoryError(.badConfiguration, "the file is not UTF-8 text", path: path)
        }
        let message = try TextFormatReader(text: text, path: path).decode()
        let outline = TextFormatOutline(text[...])
        var reader = ConfigurationReader(message: message, outline: outline, path: path)
        try reader.read(model: model)
        return Outcome(
            configuration: reader.configuration,
            warnings: UnsupportedFields.warnings(outline, path: path) + reader.warnings)
    }

    /// Letters that are told of a library's reason, which quotes what it does not know at any length.
    private static let longestReason = 200

    /// Parses a configuration in JSON, as clients send it to load a model with.
    ///
    /// - Throws: ``RepositoryError`` without a line.
    package static func parse(json: String, model: String) throws(RepositoryError) -> Outcome {
        let path = "the given configuration"
        guard json.utf8.count <= maximumSize else {
            throw RepositoryError(
                .badConfiguration, "\(json.utf8.count) bytes long; at most \(maximumSize) are read", path: path)
        }
        let message: Inference_ModelConfig
        do {
            message = try Inference_ModelConfig(jsonString: json)
        } catch {
            // The library quotes what it does not know, however long that is.
            let reason = String("\(error)".unicodeScalars.prefix(longestReason))
            throw RepositoryError(.badConfiguration, "not a model's configuration in JSON: \(reason)", path: path)
        }
        var reader = ConfigurationReader(message: message, outline: TextFormatOutline([]), path: path)
        try reader.read(model: model)
        return Outcome(configuration: reader.configuration, warnings: reader.warnings)
    }
}
