// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitSimulation

/// A run in the store: its record under the key that says what decided it, as one line of JSON.
struct RecordLine: Sendable, Hashable {
    /// The digest of all that decides the run.
    var key: String
    /// What came of it. The axis is not kept: it is the matrix that knows which axes a run is part of.
    var record: RunRecord

    /// The line, without its end. Reading it gives the same record, bit for bit.
    var text: String {
        var json = JSONText()
        json.raw("{\"key\":")
        json.string(key)
        json.member(",\"variant\":", record.variant)
        json.member(",\"policy\":", record.policy)
        json.member(",\"lanes\":", record.lanes)
        json.member(",\"seed\":", record.seed)
        json.member(",\"scenario\":", record.cell.scenario)
        json.member(",\"load\":", record.cell.load)
        json.member(",\"arrivals\":", record.cell.arrivals)
        json.member(",\"physics\":", record.cell.physics)
        json.member(",\"change\":", record.cell.change)
        json.member(",\"devices\":", record.cell.devices)
        json.member(",\"high_share\":", record.cell.highShare)
        json.member(",\"seconds\":", record.cell.seconds)
        json.member(",\"mean_batch\":", record.meanBatch)
        json.raw(",\"high\":")
        json.add(record.high)
        json.raw(",\"low\":")
        json.add(record.low)
        json.raw("}")
        return String(decoding: json.bytes, as: UTF8.self)
    }

    init(key: String, record: RunRecord) {
        self.key = key
        self.record = record
    }

    /// Reads a line.
    ///
    /// - Throws: what is wrong with it.
    init(_ text: UnsafeBufferPointer<UInt8>) throws(FormatError) {
        var fields = try JSONFields(try JSONReader.read(text))
        key = try fields.name("key")
        record = RunRecord(
            axis: .core,
            cell: Cell(
                scenario: try fields.name("scenario"), load: try fields.number("load", in: anyNumber),
                arrivals: try fields.name("arrivals"), physics: try fields.name("physics"),
                change: try fields.name("change"), devices: try fields.whole("devices", in: 1...Int.max),
                highShare: try fields.number("high_share", in: 0...1),
                seconds: try fields.number("seconds", in: anyNumber)),
            variant: try fields.name("variant"), policy: try fields.name("policy"),
            lanes: try fields.whole("lanes", in: 1...Int.max), seed: try fields.whole("seed", in: 0...UInt64.max),
            high: try ClassFigures(try fields.node("high", "an object")),
            low: try ClassFigures(try fields.node("low", "an object")),
            meanBatch: try fields.optionalNumber("mean_batch", in: anyNumber))
    }
}

/// Whatever a double holds.
private let anyNumber = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude

extension JSONText {
    fileprivate mutating func member(_ key: StaticString, _ value: String) {
        raw(key)
        string(value)
    }

    fileprivate mutating func member(_ key: StaticString, _ value: Int) {
        raw(key)
        integer(value)
    }

    fileprivate mutating func member(_ key: StaticString, _ value: UInt64) {
        raw(key)
        integer(value)
    }

    fileprivate mutating func member(_ key: StaticString, _ value: Double?) {
        raw(key)
        if let value, value.isFinite { number(value) } else { raw("null") }
    }

    fileprivate mutating func add(_ record: ClassFigures) {
        member("{\"p50_ms\":", record.latency.p50)
        member(",\"p95_ms\":", record.latency.p95)
        member(",\"p99_ms\":", record.latency.p99)
        member(",\"lateness_p50_ms\":", record.lateness.p50)
        member(",\"lateness_p95_ms\":", record.lateness.p95)
        member(",\"lateness_p99_ms\":", record.lateness.p99)
        member(",\"waste\":", record.waste)
        add(record.prediction)
        raw(",\"models\":[")
        for (index, model) in record.models.enumerated() {
            if index > 0 { raw(",") }
            member("{\"model\":", model.name)
            member(",\"late\":", model.late)
            member(",\"shed\":", model.shed)
            member(",\"longest_starvation_ms\":", model.longestStarvation)
            add(model.prediction)
            raw(",\"blocks\":[")
            for (index, block) in model.blocks.enumerated() {
                if index > 0 { raw(",") }
                integer(block.arrivals)
                raw(",")
                integer(block.met)
            }
            raw("]}")
        }
        raw("]}")
    }

    private mutating func add(_ prediction: PredictionFigures) {
        member(",\"batches\":", prediction.batches)
        member(",\"prediction_error\":", prediction.error)
        member(",\"prediction_bias\":", prediction.bias)
        member(",\"coverage_p95\":", prediction.p95)
        member(",\"coverage_p99\":", prediction.p99)
        member(",\"width\":", prediction.width)
    }
}

extension ClassFigures {
    fileprivate init(_ node: JSONNode) throws(FormatError) {
        var fields = try JSONFields(node)
        var models: [ModelFigures] = []
        for node in try fields.optionalArray("models", atMost: 4096) { models.append(try ModelFigures(node)) }
        self.init(
            models: models,
            latency: TimeFigures(
                p50: try fields.optionalNumber("p50_ms", in: anyNumber),
                p95: try fields.optionalNumber("p95_ms", in: anyNumber),
                p99: try fields.optionalNumber("p99_ms", in: anyNumber)),
            lateness: TimeFigures(
                p50: try fields.optionalNumber("lateness_p50_ms", in: anyNumber),
                p95: try fields.optionalNumber("lateness_p95_ms", in: anyNumber),
                p99: try fields.optionalNumber("lateness_p99_ms", in: anyNumber)),
            waste: try fields.number("waste", in: anyNumber), prediction: try PredictionFigures(&fields))
    }
}

extension ModelFigures {
    fileprivate init(_ node: JSONNode) throws(FormatError) {
        var fields = try JSONFields(node)
        let counts = try fields.optionalArray("blocks", atMost: 1 << 20).compactMap(\.count)
        self.init(
            name: try fields.name("model"), late: try fields.whole("late", in: 0...Int.max),
            shed: try fields.whole("shed", in: 0...Int.max),
            longestStarvation: try fields.number("longest_starvation_ms", in: anyNumber),
            prediction: try PredictionFigures(&fields),
            blocks: stride(from: 0, to: counts.count - 1, by: 2).map { index in
                var block = BlockCount()
                block.arrivals = counts[index]
                block.met = counts[index + 1]
                return block
            })
    }
}

extension PredictionFigures {
    fileprivate init(_ fields: inout JSONFields) throws(FormatError) {
        self.init(
            batches: try fields.whole("batches", in: 0...Int.max),
            error: try fields.optionalNumber("prediction_error", in: anyNumber),
            bias: try fields.optionalNumber("prediction_bias", in: anyNumber),
            p95: try fields.optionalNumber("coverage_p95", in: anyNumber),
            p99: try fields.optionalNumber("coverage_p99", in: anyNumber),
            width: try fields.optionalNumber("width", in: anyNumber))
    }
}

extension JSONNode {
    /// A count; nil if it is something else.
    fileprivate var count: Int? {
        guard case .number(let decimal) = content else { return nil }
        return decimal.scaled(by: 0, rounding: false).map(Int.init)
    }
}
