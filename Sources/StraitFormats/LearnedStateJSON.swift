// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

// The parts of a learned state, read from JSON.

extension LearnedState.Quantiles {
    private static let keys = ["q50", "q95", "q99"]

    /// Those of each class, by its name.
    static func ofClasses(json node: JSONNode, at path: String) throws(FormatError) -> [LearnedState.Quantiles] {
        var fields = try JSONFields(node, at: path)
        var classes: [LearnedState.Quantiles] = []
        for requestClass in RequestClass.allCases {
            let node = try fields.node("\(requestClass)", "an object with q50, q95 and q99")
            classes.append(try LearnedState.Quantiles(json: node, at: fields.keyPath("\(requestClass)")))
        }
        try fields.finish(known: RequestClass.allCases.map { "\($0)" })
        return classes
    }

    private init(json node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(
            median: try fields.finite("q50"), q95: try fields.finite("q95"), q99: try fields.finite("q99"))
        try fields.finish(known: Self.keys)
        if let broken = brokenInvariant() { throw FormatError(.invalid, broken, key: path, offset: node.offset) }
    }
}

extension LearnedState.Device {
    private static let keys = ["speed", "noise", "copy_in", "copy_out"]

    init(json node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(speed: try fields.finite("speed"), noise: try fields.finite("noise"))
        if let line = fields.optional("copy_in") {
            copyIn = try LearnedState.CopyLine(json: line, at: fields.keyPath("copy_in"))
        }
        if let line = fields.optional("copy_out") {
            copyOut = try LearnedState.CopyLine(json: line, at: fields.keyPath("copy_out"))
        }
        try fields.finish(known: Self.keys)
        if let broken = brokenInvariant() { throw FormatError(.invalid, broken, key: path, offset: node.offset) }
    }
}

extension LearnedState.CopyLine {
    private static let keys = ["weight", "bytes", "ns", "bytes_squared", "bytes_ns"]

    init(json node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(
            weight: try fields.finite("weight"), bytes: try fields.finite("bytes"), time: try fields.finite("ns"),
            bytesSquared: try fields.finite("bytes_squared"), bytesTime: try fields.finite("bytes_ns"))
        try fields.finish(known: Self.keys)
    }
}

extension LearnedState.Model {
    /// Takes what was learned of a model out of its fields.
    init(_ fields: inout JSONFields) throws(FormatError) {
        self.init()
        if let node = fields.optional("interference") {
            interference = try InterferenceState.Model(json: node, at: fields.keyPath("interference"))
        }
        if fields.has("pace") { pace = try fields.finite("pace") }
        for (index, node) in try fields.optionalArray("solo", atMost: Bounds.curves).enumerated() {
            solo.append(try LearnedState.SoloCurve(json: node, at: "\(fields.keyPath("solo"))[\(index)]"))
        }
        let nodes = try fields.optionalArray("corrections", atMost: ProfileCorrections.cellsKept)
        for (index, node) in nodes.enumerated() {
            corrections.append(
                try LearnedState.Correction(json: node, at: "\(fields.keyPath("corrections"))[\(index)]"))
        }
        for (index, node) in try fields.optionalArray("copies", atMost: Bounds.devices).enumerated() {
            copies.append(try LearnedState.CopyFactors(json: node, at: "\(fields.keyPath("copies"))[\(index)]"))
        }
    }
}

extension InterferenceState.Model {
    private static let keys = ["bias", "uncertainty", "slope", "idle", "surprises"]

    init(json node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(bias: try fields.finite("bias"), uncertainty: try fields.finite("uncertainty"))
        if fields.has("slope") { slope = try fields.vector("slope") }
        idle = try fields.optionalWhole("idle", in: LearnedState.counts) ?? 0
        surprises = try fields.optionalWhole("surprises", in: Bounds.surprises) ?? 0
        try fields.finish(known: Self.keys)
    }
}

extension LearnedState.SoloCurve {
    private static let keys = ["elements_per_row", "times"]
    private static let timeKeys = ["rows", "mean_ns", "samples"]

    init(json node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(bucket: try fields.bucket(), cells: [])
        let nodes = try fields.optionalArray("times", atMost: Bounds.rowExponents.count)
        try fields.finish(known: Self.keys)
        for (index, node) in nodes.enumerated() {
            var fields = try JSONFields(node, at: "\(path).times[\(index)]")
            let exponent = Int(try fields.exponent())
            guard exponent >= cells.count else {
                throw fields.failure("rows", "expected more than the time before, which has \(1 << (cells.count - 1))")
            }
            while cells.count < exponent { cells.append(LearnedState.SoloCell()) }
            cells.append(
                LearnedState.SoloCell(
                    mean: try fields.finite("mean_ns"), samples: try fields.whole("samples", in: LearnedState.counts)))
            try fields.finish(known: Self.timeKeys)
        }
    }
}

extension LearnedState.Correction {
    private static let keys = ["elements_per_row", "rows", "factor", "residual", "samples", "believed"]

    init(json node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(
            bucket: try fields.bucket(), exponent: try fields.exponent(), factor: try fields.finite("factor"),
            residual: try fields.finite("residual"), samples: try fields.whole("samples", in: LearnedState.counts),
            isBelieved: try fields.optionalBool("believed") ?? true)
        try fields.finish(known: Self.keys)
    }
}

extension LearnedState.CopyFactors {
    private static let keys = ["in", "out"]

    init(json node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(copyIn: try fields.finite("in"), copyOut: try fields.finite("out"))
        try fields.finish(known: Self.keys)
    }
}

extension JSONFields {
    /// A number; what it may be is checked where it is understood.
    fileprivate mutating func finite(_ key: String) throws(FormatError) -> Double {
        try number(key, in: -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude)
    }

    /// Seven numbers, one for each feature of interference.
    mutating func vector(_ key: String) throws(FormatError) -> SIMD8<Double> {
        try SIMD8(json: try node(key, "an array of \(InterferenceFeatures.count) numbers"), at: keyPath(key))
    }

    /// The size of row, which is a power of two.
    fileprivate mutating func bucket() throws(FormatError) -> UInt8 {
        UInt8(try power("elements_per_row", among: Bounds.elementExponents))
    }

    /// The binary logarithm of the rows of a batch.
    fileprivate mutating func exponent() throws(FormatError) -> UInt8 {
        UInt8(try power("rows", among: Bounds.rowExponents))
    }

    private mutating func power(_ key: String, among exponents: ClosedRange<Int>) throws(FormatError) -> Int {
        let value = try whole(key, in: (1 << exponents.lowerBound)...(1 << exponents.upperBound))
        guard value.nonzeroBitCount == 1 else { throw failure(key, "expected a power of two, found \(value)") }
        return value.trailingZeroBitCount
    }
}

extension SIMD8<Double> {
    /// Seven numbers; the eighth is 0.
    init(json node: JSONNode, at path: String) throws(FormatError) {
        self.init()
        guard case .array(let elements) = node.content, elements.count == InterferenceFeatures.count else {
            throw FormatError(
                .invalid, "expected an array of \(InterferenceFeatures.count) numbers, found \(node.words)", key: path,
                offset: node.offset)
        }
        for (index, element) in elements.enumerated() {
            guard case .number(let decimal) = element.content, let value = decimal.double else {
                throw FormatError(
                    .invalid, "expected a number, found \(element.words)", key: "\(path)[\(index)]",
                    offset: element.offset)
            }
            self[index] = value
        }
    }
}
