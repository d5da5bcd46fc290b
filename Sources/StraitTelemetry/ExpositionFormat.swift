// SPDX-License-Identifier: Apache-2.0

/// The two texts in which numbers are told to Prometheus and its kin.
package enum ExpositionFormat: Sendable, Hashable, CaseIterable {
    /// Prometheus's own text, version 0.0.4.
    case prometheus
    /// OpenMetrics 1.0.
    case openMetrics

    /// What Content-Type says.
    package var contentType: String {
        switch self {
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// The format that a client likes best: Prometheus's text where it does not say, or says nothing that is known.
    ///
    /// - Parameter accept: the header, if there is one.
    /// - Complexity: O(bytes).
    package init(accept: String?) {
        var best = (format: ExpositionFormat.prometheus, quality: 0.0, precision: -1)
        for item in (accept ?? "").split(separator: ",").prefix(Self.mostItems) {
            let parts = item.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let type = parts.first, let (format, precision) = Self.named(type, parts.dropFirst()) else {
                continue
            }
            let quality = parts.first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            guard quality > 0 else { continue }
            if (quality, precision) > (best.quality, best.precision) { best = (format, quality, precision) }
        }
        self = best.format
    }

    /// A header that lists more is no client's.
    private static let mostItems = 32

    /// What a media type stands for here, and how exactly it says so; nil for what is not spoken.
    private static func named(
        _ type: String, _ parameters: ArraySlice<String>
    ) -> (format: ExpositionFormat, precision: Int)? {
        let version = parameters.first { $0.hasPrefix("version=") }.map { $0.dropFirst("version=".count) }
        switch type {
        case "application/openmetrics-text":
            // An older draft is another format.
            guard version == nil || version == "1.0.0" else { return nil }
            return (.openMetrics, 2)
        case "text/plain":
            guard version == nil || version == "0.0.4" else { return nil }
            return (.prometheus, 2)
        case "text/*": return (.prometheus, 1)
        case "*/*": return (.prometheus, 0)
        default: return nil
        }
    }
}
