// SPDX-License-Identifier: Apache-2.0

/// What a request asks for, and of what.
package struct Route: Sendable, Hashable {
    /// What it asks for.
    package var operation: Operation
    /// The model that the path names.
    package var model: String?
    /// The version that the path names.
    package var version: String?
    /// The shared memory region that the path names.
    package var region: String?
    /// What stands behind the question mark, as it came; nil where nothing does, or nothing of it is looked at.
    package var query: String?
    /// The file of the dashboard that the path names.
    package var file: String?

    /// A route; tests make them up.
    package init(
        _ operation: Operation, model: String? = nil, version: String? = nil, region: String? = nil,
        file: String? = nil
    ) {
        self.file = file
        self.operation = operation
        self.model = model
        self.version = version
        self.region = region
    }

    /// What a method and a path come to.
    package enum Outcome: Sendable, Hashable {
        /// A route.
        case found(Route)
        /// A path that takes other methods.
        case wrongMethod([Endpoint.Verb])
        /// A path that the protocol does not have.
        case unknown
    }

    /// Routes a request.
    ///
    /// - Parameters:
    ///   - method: such as `GET`.
    ///   - target: the path, with or without a query; a slash at its end is forgiven.
    /// - Complexity: O(bytes + endpoints).
    package static func find(method: String, target: String) -> Outcome {
        let path = target.prefix { $0 != "?" }
        let parts = path.split(separator: "/", omittingEmptySubsequences: true)
        var verbs: [Endpoint.Verb] = []
        var first: Endpoint?
        for endpoint in Endpoint.all {
            // Paths that one endpoint's form fits and another's does not are different paths.
            if let first, endpoint.path != first.path { continue }
            guard fits(parts, endpoint) else { continue }
            first = first ?? endpoint
            if endpoint.verb.rawValue == method {
                guard var route = read(parts, endpoint) else { return .unknown }
                if endpoint.operation.isWatching, path.endIndex < target.endIndex {
                    route.query = String(target[target.index(after: path.endIndex)...])
                }
                return .found(route)
            }
            verbs.append(endpoint.verb)
        }
        return verbs.isEmpty ? .unknown : .wrongMethod(verbs)
    }

    private static func fits(_ parts: [Substring], _ endpoint: Endpoint) -> Bool {
        guard parts.count == endpoint.segments.count else { return false }
        return zip(parts, endpoint.segments).allSatisfy { part, segment in
            if case .literal(let text) = segment { text == part } else { true }
        }
    }

    private static func read(_ parts: [Substring], _ endpoint: Endpoint) -> Route? {
        var route = Route(endpoint.operation)
        for (part, segment) in zip(parts, endpoint.segments) {
            if case .literal = segment { continue }
            guard let text = percentDecoded(part) else { return nil }
            switch segment {
            case .model: route.model = text
            case .version: route.version = text
            case .region: route.region = text
            case .file: route.file = text
            case .literal: break
            }
        }
        return route
    }

    /// The text with `%41` made `A`; nil where an escape is broken or the result is no UTF-8.
    static func percentDecoded(_ text: Substring) -> String? {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
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
