// SPDX-License-Identifier: Apache-2.0

/// The settings of the trace extension. They count where traces are sent somewhere, and are only kept where not.
package struct TraceSettings: Sendable, Hashable {
    /// What is traced: `OFF`, or some of `TIMESTAMPS` and `TENSORS`.
    package var level = ["OFF"]
    /// Of how many requests one is traced, at least 1.
    package var rate: UInt32 = 1000
    /// How many requests are still to be traced; −1 for no end.
    package var count: Int32 = -1
    /// After how many traces a file of its own is begun; 0 for never.
    package var logFrequency: UInt32 = 0
    /// Who takes the traces: `opentelemetry` where they are sent to a receiver of its protocol.
    package var mode = "triton"

    /// As a server starts.
    package init() {}

    /// The settings as the protocol shows them.
    package var entries: [(name: String, value: SettingValue)] {
        [
            ("trace_level", .strings(level)), ("trace_rate", .string(String(rate))),
            ("trace_count", .string(String(count))), ("log_frequency", .string(String(logFrequency))),
            ("trace_file", .string("")), ("trace_mode", .string(mode)),
        ]
    }

    /// Whether requests are traced at all.
    package var isOn: Bool { level != ["OFF"] && count != 0 }

    /// Changes some settings; `null` (in gRPC an empty list) puts one back to what `usual` has.
    ///
    /// - Throws: ``ProtocolError`` `invalidArgument`, and then nothing has changed.
    package mutating func update(
        _ values: [String: SettingValue], usual: TraceSettings
    ) throws(ProtocolError) {
        var changed = self
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            let isReset = value == .null || value == .strings([])
            switch name {
            case "trace_level": changed.level = isReset ? usual.level : try Self.level(value)
            case "trace_rate":
                changed.rate = isReset ? usual.rate : try Self.number(name, value, 1...UInt32.max)
            case "trace_count":
                changed.count = isReset ? usual.count : try Self.number(name, value, -1...Int32.max)
            case "log_frequency":
                changed.logFrequency = isReset ? usual.logFrequency : try Self.number(name, value, 0...UInt32.max)
            case "trace_file", "trace_mode", "trace_config":
                throw ProtocolError(.invalidArgument, "\(name) cannot be changed over the network")
            default:
                throw ProtocolError(
                    .invalidArgument,
                    "unknown trace setting \"\(shortened(name))\"; there are trace_level, trace_rate, trace_count and "
                        + "log_frequency")
            }
        }
        self = changed
    }

    private static func level(_ value: SettingValue) throws(ProtocolError) -> [String] {
        let texts: [String] =
            switch value {
            case .strings(let texts): texts
            case .string(let text): [text]
            default: []
            }
        let known = ["OFF", "TIMESTAMPS", "TENSORS"]
        guard !texts.isEmpty, texts.allSatisfy(known.contains), !texts.contains("OFF") || Set(texts).count == 1 else {
            throw ControlBody.unexpected("trace_level", value, "OFF, or a list of TIMESTAMPS and TENSORS")
        }
        return known.filter(texts.contains)
    }

    private static func number<Number: FixedWidthInteger>(
        _ name: String, _ value: SettingValue, _ range: ClosedRange<Number>
    ) throws(ProtocolError) -> Number {
        guard let number = value.text.flatMap({ Number($0) }), range.contains(number) else {
            throw ControlBody.unexpected(
                name, value, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}
