// SPDX-License-Identifier: Apache-2.0

/// A text of metrics as it is written: family after family, each with its samples. Pure; what is valid in one format is
/// in the other.
package struct Exposition {
    /// What a family's numbers are.
    package enum Kind: Sendable {
        /// Only ever grows. The names of its samples end in `_total`.
        case counter
        /// Goes up and down.
        case gauge
        /// Counts of values by their size.
        case histogram
        /// A constant whose labels say something. The names of its samples end in `_info`.
        case info
        /// A counter by a name of others, which does not end in `_total`.
        case foreignCounter
    }

    /// A label with its value.
    package typealias Label = (name: String, value: String)

    private let format: ExpositionFormat
    private var text: [UInt8] = []
    private var name = ""
    private var suffix = ""

    /// An empty text.
    package init(_ format: ExpositionFormat) {
        self.format = format
        text.reserveCapacity(64 << 10)
    }

    /// Begins a family: all its samples follow before the next begins.
    ///
    /// - Parameters:
    ///   - name: without the ending that its kind brings.
    ///   - unit: what its name ends in, such as seconds; nil for none.
    ///   - help: what it means, one sentence.
    package mutating func family(_ name: String, _ kind: Kind, unit: String? = nil, _ help: String) {
        self.name = name
        suffix =
            switch kind {
            case .counter: "_total"
            case .info: "_info"
            case .gauge, .histogram, .foreignCounter: ""
            }
        // OpenMetrics names the family, Prometheus its samples.
        let described = format == .openMetrics ? name : name + suffix
        let type =
            switch (kind, format) {
            case (.counter, _), (.foreignCounter, .prometheus): "counter"
            // A counter there ends in _total.
            case (.foreignCounter, .openMetrics): "unknown"
            case (.gauge, _), (.info, .prometheus): "gauge"
            case (.histogram, _): "histogram"
            case (.info, .openMetrics): "info"
            }
        append("# HELP \(described) ")
        appendEscaped(help, quotes: format == .openMetrics)
        append("\n# TYPE \(described) \(type)\n")
        if format == .openMetrics, let unit { append("# UNIT \(described) \(unit)\n") }
    }

    /// A sample of the present family.
    package mutating func sample(_ labels: [Label], _ value: UInt64) { sample(labels, text: String(value)) }

    /// A sample of the present family.
    package mutating func sample(_ labels: [Label], _ value: Double) {
        sample(labels, text: Self.number(value))
    }

    private mutating func sample(_ labels: [Label], text value: String) {
        append(name)
        append(suffix)
        append(labels)
        append(" \(value)\n")
    }

    /// A histogram of the present family.
    ///
    /// - Parameter scale: of one unit of the histogram in units of the family, such as 1e-9 for nanoseconds in seconds.
    package mutating func histogram(_ labels: [Label], _ histograms: Histograms, row: Int = 0, scale: Scale) {
        histogram(
            labels, bounds: histograms.bounds, cumulative: histograms.cumulative(row), sum: histograms.sum(row),
            scale: scale)
    }

    /// The same of counts that were cumulated elsewhere.
    ///
    /// - Parameter cumulative: one more than bounds: the last are all.
    package mutating func histogram(
        _ labels: [Label], bounds: [Int64], cumulative: [UInt64], sum: Int64, scale: Scale
    ) {
        for (index, count) in cumulative.enumerated() {
            let bound = index < bounds.count ? Self.number(scale.value(bounds[index])) : "+Inf"
            append("\(name)_bucket")
            append(labels + [("le", bound)])
            append(" \(count)\n")
        }
        append("\(name)_sum")
        append(labels)
        append(" \(Self.number(scale.value(sum)))\n\(name)_count")
        append(labels)
        append(" \(cumulative.last ?? 0)\n")
    }

    /// What one unit of a histogram is in the text.
    package enum Scale: Double, Sendable {
        /// Nanoseconds, told in seconds.
        case nanoseconds = 1e9
        /// Millionths.
        case millionths = 1e6
        /// As it is.
        case one = 1

        /// A division, since that rounds to the decimal that is meant: 3 · 1e-9 is not 3e-9.
        package func value(_ units: Int64) -> Double { Double(units) / rawValue }
    }

    /// The whole text.
    package consuming func finish() -> [UInt8] {
        if format == .openMetrics { append("# EOF\n") }
        return text
    }

    // -- the parts of a line --------------------------------------------------------------------------------------

    /// A number as both formats read it: the shortest that means the same, always with a point or an exponent.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        guard value.isFinite else { return value < 0 ? "-Inf" : "+Inf" }
        return value.description
    }

    private mutating func append(_ string: String) { text.append(contentsOf: string.utf8) }

    private mutating func append(_ labels: [Label]) {
        // An empty value is the same as none.
        var separator = "{"
        for label in labels where !label.value.isEmpty {
            append("\(separator)\(label.name)=\"")
            appendEscaped(label.value, quotes: true)
            append("\"")
            separator = ","
        }
        if separator == "," { append("}") }
    }

    private mutating func appendEscaped(_ string: String, quotes: Bool) {
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\n"): append("\\n")
            case UInt8(ascii: "\"") where quotes: append("\\\"")
            default: text.append(byte)
            }
        }
    }
}
