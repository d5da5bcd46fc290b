// SPDX-License-Identifier: Apache-2.0

internal import StraitTracing

/// What a request says of its trace, and where traces go: `traceparent`, `tracestate`, an address and attributes, with
/// NUL bytes between.
enum ContextProperty {
    static func flaw(_ bytes: [UInt8]) -> String? {
        let parts = bytes.split(separator: 0, maxSplits: 3, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        func part(_ index: Int) -> String { index < parts.count ? parts[index] : "" }
        return flawInContext(part(0)) ?? flawInState(part(1)) ?? flawInSettings(part(2), attributes: part(3))
    }

    /// What is read is the same once written and read again.
    private static func flawInContext(_ text: String) -> String? {
        guard let context = TraceContext(parsing: text) else { return nil }
        guard context.header.utf8.count == 55 else { return "a traceparent of \(context.header.utf8.count) bytes" }
        return TraceContext(parsing: context.header) == context ? nil : "another trace once written"
    }

    /// What is passed on is short, is no more than a line, and would be passed on again.
    private static func flawInState(_ text: String) -> String? {
        let passedOn = TraceState.passedOn([text])
        guard passedOn.utf8.count <= 512 else { return "a tracestate of \(passedOn.utf8.count) bytes" }
        guard passedOn.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else { return "a tracestate with controls" }
        return TraceState.passedOn([passedOn]) == passedOn ? nil : "a tracestate that is not passed on again"
    }

    private static func flawInSettings(_ address: String, attributes: String) -> String? {
        let environment = [
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": address, "OTEL_RESOURCE_ATTRIBUTES": attributes,
            "OTEL_EXPORTER_OTLP_HEADERS": attributes,
        ]
        do throws(ExportAddress.Problem) {
            let found = try ExportSettings(endpoint: nil, share: nil, environment: environment, version: "1")
            guard let found else { return nil }
            guard try ExportAddress("\(found.address)", isWhole: true) == found.address else {
                return "another address once written"
            }
            // What goes into the head of a request must not end its line.
            let words = [found.address.path, found.address.authority] + found.headers.flatMap { [$0.name, $0.value] }
            guard words.allSatisfy({ $0.utf8.allSatisfy { (0x20...0x7E).contains($0) } }) else {
                return "a line end in the head of a request"
            }
            return found.resource.count { $0.key == "service.name" } == 1 ? nil : "not one service.name"
        } catch {
            return FuzzedDecoder.flaw(inMessage: error.description)
        }
    }
}
