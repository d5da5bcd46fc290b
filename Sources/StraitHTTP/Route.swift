// SPDX-License-Identifier: Apache-2.0

internal import NIOHTTP1

/// What a path asks for.
enum Route: Hashable {
    case live, ready, serverMetadata
    case modelReady(name: String, version: String?)
    case modelMetadata(name: String, version: String?)
    case modelConfiguration(name: String, version: String?)
    /// All models where there is no name.
    case statistics(name: String?, version: String?)
    case infer(name: String, version: String?)

    /// The method that goes with it.
    var method: HTTPMethod {
        if case .infer = self { .POST } else { .GET }
    }

    /// The route of a request's target, query included; nil for a path that the protocol does not have.
    ///
    /// - Complexity: O(bytes).
    init?(target: String) {
        let path = target.prefix { $0 != "?" }
        // "/v2/models/a/infer" gives "v2", "models", "a", "infer"; a slash at the end is forgiven.
        let parts = path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        guard parts.first == "v2" else { return nil }
        switch parts.dropFirst().first {
        case nil: self = .serverMetadata
        case "health" where parts.count == 3:
            switch parts[2] {
            case "live": self = .live
            case "ready": self = .ready
            default: return nil
            }
        case "models":
            guard let route = Self.model(Array(parts.dropFirst(2))) else { return nil }
            self = route
        default: return nil
        }
    }

    private static func model(_ parts: [String]) -> Route? {
        if parts == ["stats"] { return .statistics(name: nil, version: nil) }
        guard let first = parts.first, let name = percentDecoded(first) else { return nil }
        var rest = parts.dropFirst()
        var version: String?
        if rest.first == "versions" {
            guard let given = rest.dropFirst().first else { return nil }
            version = given
            rest = rest.dropFirst(2)
        }
        guard rest.count <= 1 else { return nil }
        return switch rest.first {
        case nil: .modelMetadata(name: name, version: version)
        case "infer": .infer(name: name, version: version)
        case "ready": .modelReady(name: name, version: version)
        case "config": .modelConfiguration(name: name, version: version)
        case "stats": .statistics(name: name, version: version)
        default: nil
        }
    }

    /// The text with `%41` made `A`; nil where an escape is broken or the result is no UTF-8.
    private static func percentDecoded(_ text: String) -> String? {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, digits.allSatisfy(\.isHexDigit), let value = UInt8(digits, radix: 16) else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
