// SPDX-License-Identifier: Apache-2.0

/// Where traces go, and of whom they tell: from flags, and from the variables that OpenTelemetry names.
package struct ExportSettings: Sendable {
    /// Where they are sent.
    package let address: ExportAddress
    /// Headers that the receiver wants, a key for instance.
    package let headers: [(name: String, value: String)]
    /// What is known of this server.
    package let resource: SpanAttributes
    /// The share of the requests without a trace of their own that are traced.
    package let ratio: TraceRatio

    /// Attributes and headers beyond these are a slip of the finger.
    private static let mostPairs = 64

    /// The settings; nil where nothing is to be traced.
    ///
    /// - Parameters:
    ///   - endpoint: of the flag `--otlp-endpoint`, which counts more than variables.
    ///   - share: of the flag `--trace-sample`, likewise.
    ///   - environment: the process's variables.
    ///   - version: Strait's.
    ///   - warn: told of variables that are left alone.
    package init?(
        endpoint: String?, share: Double?, environment: [String: String], version: String,
        warn: (String) -> Void = { _ in }
    ) throws(ExportAddress.Problem) {
        // An empty variable is one that is not there, says OpenTelemetry.
        func variable(_ names: String...) -> (name: String, value: String)? {
            for name in names { if let value = environment[name], !value.isEmpty { return (name, value) } }
            return nil
        }
        if let endpoint {
            address = try ExportAddress(endpoint)
        } else {
            let isOff =
                variable("OTEL_SDK_DISABLED")?.value.lowercased() == "true"
                || variable("OTEL_TRACES_EXPORTER")?.value == "none"
            let whole = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            guard !isOff, let named = whole ?? variable("OTEL_EXPORTER_OTLP_ENDPOINT") else { return nil }
            if let spoken = variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
                spoken.value != "http/protobuf"
            {
                warn("\(spoken.name) is '\(spoken.value)': traces are sent as http/protobuf all the same")
            }
            do throws(ExportAddress.Problem) {
                address = try ExportAddress(named.value, isWhole: whole != nil)
            } catch {
                throw ExportAddress.Problem(description: "\(named.name): \(error)")
            }
        }
        headers =
            variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS").map { named in
                Self.pairs(named.value).filter { pair in
                    let isGood = Self.isHeader(pair.key) && pair.value.utf8.allSatisfy { (0x20...0x7E).contains($0) }
                    if !isGood { warn("\(named.name) has a header that cannot be sent; it is left out") }
                    return isGood
                }.map { ($0.key, $0.value) }
            } ?? []
        var resource: SpanAttributes = []
        for pair in variable("OTEL_RESOURCE_ATTRIBUTES").map({ Self.pairs($0.value) }) ?? [] {
            resource.removeAll { $0.key == pair.key }
            resource.append((pair.key, .text(pair.value)))
        }
        if let name = variable("OTEL_SERVICE_NAME")?.value {
            resource.removeAll { $0.key == "service.name" }
            resource.append(("service.name", .text(name)))
        }
        let usual: SpanAttributes = [
            ("service.name", .text("strait")), ("service.version", .text(version)),
            ("telemetry.sdk.name", .text("strait")), ("telemetry.sdk.language", .text("swift")),
            ("telemetry.sdk.version", .text(version)),
        ]
        for pair in usual where !resource.contains(where: { $0.key == pair.key }) { resource.append(pair) }
        self.resource = resource
        ratio = TraceRatio(share ?? Self.share(variable("OTEL_TRACES_SAMPLER")?.value, environment, warn))
    }

    private static func share(_ sampler: String?, _ environment: [String: String], _ warn: (String) -> Void) -> Double {
        switch sampler {
        case nil, "parentbased_always_on", "always_on": return 1
        case "parentbased_always_off", "always_off": return 0
        case "parentbased_traceidratio", "traceidratio":
            let text = environment["OTEL_TRACES_SAMPLER_ARG"] ?? "1"
            if let share = Double(text), (0...1).contains(share) { return share }
            warn("OTEL_TRACES_SAMPLER_ARG is '\(text.prefix(40))', which is no share from 0 to 1; all is traced")
            return 1
        case let other?:
            warn("OTEL_TRACES_SAMPLER is '\(other.prefix(40))', which is not known; all is traced")
            return 1
        }
    }

    /// `key=value,…`, the values with their percent signs decoded; what is no pair is left out.
    private static func pairs(_ text: String) -> [(key: String, value: String)] {
        text.split(separator: ",").prefix(mostPairs).compactMap { part in
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2 else { return nil }
            let key = trimmed(sides[0])
            return key.isEmpty ? nil : (decoded(key), decoded(trimmed(sides[1])))
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let start = text.drop { $0 == " " }
        guard let last = start.lastIndex(where: { $0 != " " }) else { return "" }
        return start[...last]
    }

    /// Whether text can be the name of a header.
    private static func isHeader(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "-_.".utf8.contains(byte)
            }
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                rest.removeFirst(2)
                bytes.append(value)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
