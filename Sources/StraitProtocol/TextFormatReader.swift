// SPDX-License-Identifier: Apache-2.0

internal import StraitWire
internal import SwiftProtobuf

/// Decodes the text, and finds out where it went wrong when it does.
struct TextFormatReader {
    let text: [UInt8]
    let path: String

    func decode() throws(RepositoryError) -> Inference_ModelConfig {
        do {
            return try Inference_ModelConfig(textFormatString: String(decoding: text, as: UTF8.self))
        } catch {
            throw locate(error)
        }
    }

    /// Whether the text decodes up to `end` once its open brackets have been closed.
    private func isGood(upTo end: Int) -> Bool {
        let prefix = text[..<end]
        let closed = Array(prefix) + TextFormatOutline(prefix).closing
        return (try? Inference_ModelConfig(textFormatString: String(decoding: closed, as: UTF8.self))) != nil
    }

    /// The first field with which the text stops being decodable is the one at fault; bisection finds it.
    private func locate(_ error: any Error) -> RepositoryError {
        let outline = TextFormatOutline(text[...])
        if isGood(upTo: text.count), let bracket = outline.open.first {
            let closing = Character(Unicode.Scalar(bracket.closing))
            return RepositoryError(
                .badConfiguration, "the bracket opened here is never closed; expected '\(closing)'", path: path,
                line: bracket.line)
        }
        var good = 0
        var bad = outline.fields.count
        guard bad > 0, isGood(upTo: outline.fields[0].offset) else {
            return RepositoryError(
                .badConfiguration, "not in protobuf's text format; expected fields such as max_batch_size: 8",
                path: path, line: 1)
        }
        while bad - good > 1 {
            let middle = (good + bad) / 2
            if isGood(upTo: outline.fields[middle].offset) { good = middle } else { bad = middle }
        }
        let field = outline.fields[good]
        return RepositoryError(.badConfiguration, describe(error, in: field), path: path, line: field.line)
    }

    private func describe(_ error: any Error, in field: TextFormatOutline.Field) -> String {
        let value = field.value.map { "\"\(shortened($0))\"" } ?? "what follows"
        let name = "\"\(shortened(field.path))\""
        switch error as? TextFormatDecodingError {
        case .unknownField: return "unknown field \(name); check its spelling and the message it stands in"
        case .unrecognizedEnumValue: return "\(value) is not a value that \(name) can have"
        case .malformedNumber: return "\(value) is not a number that \(name) can hold"
        case .conflictingOneOf: return "\(name) contradicts a field above: only one of them may be set"
        case .invalidUTF8: return "the text of \(name) is not UTF-8"
        case .messageDepthLimit: return "nested too deep"
        default: return "\(name) is not well formed: expected name: value, name { … } or name: [ … ]"
        }
    }
}
