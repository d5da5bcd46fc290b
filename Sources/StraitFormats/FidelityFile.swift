// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// What `strait fidelity` found: recorded runs of a server beside the simulator's of the same requests. JSON with a row a
/// line.
package struct FidelityFile: Sendable, Hashable {
    /// The version of the form that is written; a file of any other is refused.
    package static let version = 1
    /// The longest file that is read: ten thousand rows.
    package static let maximumBytes = 4 << 20

    /// What became of a set of requests.
    package struct Figures: Sendable, Hashable {
        /// The share that was answered in time.
        package var inTime: Double
        /// The median latency of those that were answered, in milliseconds; nil if none was.
        package var p50: Double?
        /// What 95 of 100 of those latencies do not exceed.
        package var p95: Double?

        /// Figures.
        package init(inTime: Double, p50: Double?, p95: Double?) {
            self.inTime = inTime
            self.p50 = p50
            self.p95 = p95
        }
    }

    /// A class of requests in a recording, or those of one model in it.
    package struct Row: Sendable, Hashable {
        /// The recording.
        package var recording: String
        /// Its policy.
        package var policy: String
        /// Where the simulated device's times are from: `profile` or `recorded`.
        package var times: String
        /// The class.
        package var requestClass: RequestClass
        /// The model; nil for all.
        package var model: String?
        /// Requests.
        package var requests: Int
        /// On the server.
        package var live: Figures
        /// In the simulator, on average over its seeds.
        package var simulated: Figures
        /// The least of each figure over the seeds.
        package var lowest: Figures
        /// The most.
        package var highest: Figures

        /// A row.
        package init(
            recording: String, policy: String, times: String, requestClass: RequestClass, model: String?,
            requests: Int, live: Figures, simulated: Figures, lowest: Figures, highest: Figures
        ) {
            self.recording = recording
            self.policy = policy
            self.times = times
            self.requestClass = requestClass
            self.model = model
            self.requests = requests
            self.live = live
            self.simulated = simulated
            self.lowest = lowest
            self.highest = highest
        }

        /// How far the simulated share in time is off, in percentage points.
        package var inTimePoints: Double { 100 * (simulated.inTime - live.inTime) }
        /// How far the simulated median is off, relative to the live one; nil where there is none.
        package var p50Error: Double? { Self.error(simulated.p50, live.p50) }
        /// How far the simulated 95th percentile is off.
        package var p95Error: Double? { Self.error(simulated.p95, live.p95) }

        private static func error(_ simulated: Double?, _ live: Double?) -> Double? {
            guard let simulated, let live, live > 0 else { return nil }
            return simulated / live - 1
        }

        /// Whether the share in time is as close as it should be.
        package var meetsInTime: Bool { abs(inTimePoints) <= FidelityFile.inTimePoints }
        /// Whether the median is; also where nobody was answered on either side.
        package var meetsP50: Bool {
            p50Error.map { abs($0) <= FidelityFile.latencyError } ?? (live.p50 == simulated.p50)
        }
        /// Whether the 95th percentile is.
        package var meetsP95: Bool {
            p95Error.map { abs($0) <= FidelityFile.latencyError } ?? (live.p95 == simulated.p95)
        }
    }

    /// How far the share in time may be off, in percentage points.
    package static let inTimePoints = 2.0
    /// How far percentiles of latency may be off.
    package static let latencyError = 0.1

    /// The rows.
    package var rows: [Row]

    /// A file's content.
    package init(rows: [Row]) { self.rows = rows }

    // -- reading --------------------------------------------------------------------------------------------------

    private static let mostRows = 10_000

    /// Reads a file.
    ///
    /// - Throws: a ``FormatError`` with the file, and for its content the line, the key and what was expected.
    package init(path: String) throws(FormatError) {
        let content = try Files.read(path, limit: Self.maximumBytes)
        self = try content.parsed(file: path) { (text) throws(FormatError) in try FidelityFile(text: text) }
    }

    private init(text: UnsafeBufferPointer<UInt8>) throws(FormatError) {
        var fields = try JSONFields(try JSONReader.read(text))
        try fields.version("strait_fidelity", Self.version, otherwise: "compare again with this program")
        let nodes = try fields.optionalArray("rows", atMost: Self.mostRows)
        try fields.finish(known: ["strait_fidelity", "rows"])
        rows = []
        for (index, node) in nodes.enumerated() { rows.append(try Row(node, at: "rows[\(index)]")) }
    }

    // -- writing --------------------------------------------------------------------------------------------------

    /// Writes a file in one step.
    ///
    /// - Throws: a ``FormatError`` with the file.
    package func write(to path: String) throws(FormatError) { try Files.replace(path, with: json.bytes) }

    private var json: JSONText {
        var text = JSONText()
        text.raw("{\"strait_fidelity\": ")
        text.integer(Self.version)
        text.raw(", \"rows\": [")
        for (index, row) in rows.enumerated() {
            text.raw(index > 0 ? ",\n  " : "\n  ")
            text.fidelityRow(row)
        }
        text.raw("\n]}\n")
        return text
    }
}

extension FidelityFile.Row {
    private static let keys = [
        "recording", "policy", "times", "class", "model", "requests", "live", "simulated", "lowest", "highest",
    ]

    fileprivate init(_ node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(
            recording: try fields.name("recording"), policy: try fields.name("policy"),
            times: try fields.name("times"), requestClass: try fields.requestClass(),
            model: try fields.optionalName("model"), requests: try fields.whole("requests", in: 0...Int(Int32.max)),
            live: try FidelityFile.Figures(&fields, "live"), simulated: try FidelityFile.Figures(&fields, "simulated"),
            lowest: try FidelityFile.Figures(&fields, "lowest"), highest: try FidelityFile.Figures(&fields, "highest"))
        try fields.finish(known: Self.keys)
    }
}

extension FidelityFile.Figures {
    private static let latencies = 0.0...1e12

    fileprivate init(_ row: inout JSONFields, _ key: String) throws(FormatError) {
        var fields = try JSONFields(try row.node(key, "an object with in_time, p50_ms, p95_ms"), at: row.keyPath(key))
        self.init(
            inTime: try fields.number("in_time", in: Bounds.share),
            p50: try fields.optionalNumber("p50_ms", in: Self.latencies),
            p95: try fields.optionalNumber("p95_ms", in: Self.latencies))
        try fields.finish(known: ["in_time", "p50_ms", "p95_ms"])
    }
}

extension JSONText {
    fileprivate mutating func fidelityRow(_ row: FidelityFile.Row) {
        raw("{\"recording\": ")
        string(row.recording)
        raw(", \"policy\": ")
        string(row.policy)
        raw(", \"times\": ")
        string(row.times)
        raw(", \"class\": ")
        string(row.requestClass == .high ? "high" : "low")
        if let model = row.model {
            raw(", \"model\": ")
            string(model)
        }
        raw(", \"requests\": ")
        integer(row.requests)
        raw(", \"live\": ")
        figures(row.live)
        raw(", \"simulated\": ")
        figures(row.simulated)
        raw(", \"lowest\": ")
        figures(row.lowest)
        raw(", \"highest\": ")
        figures(row.highest)
        raw("}")
    }

    private mutating func figures(_ figures: FidelityFile.Figures) {
        raw("{\"in_time\": ")
        rounded(figures.inTime, to: 1e-6)
        if let p50 = figures.p50 {
            raw(", \"p50_ms\": ")
            rounded(p50, to: 1e-4)
        }
        if let p95 = figures.p95 {
            raw(", \"p95_ms\": ")
            rounded(p95, to: 1e-4)
        }
        raw("}")
    }

    /// A number with no more digits than mean something.
    private mutating func rounded(_ value: Double, to step: Double) {
        number((value / step).rounded() / (1 / step).rounded())
    }
}
