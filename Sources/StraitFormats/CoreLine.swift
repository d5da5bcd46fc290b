// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// A line of `strait core`, read and checked by itself; whether it fits what came before is for the ``CoreAdapter``.
enum CoreLine: Sendable {
    case configure(CoreConfiguration)
    case event(CoreEvent, at: Instant)
    /// Not an event, but a question: why became of a request what became of it?
    case why(RequestName)
}

/// What a driver reports.
enum CoreEvent: Sendable {
    case arrival(CoreArrival)
    case cancelled(RequestName)
    case copiedIn(batch: Int64)
    case kernelsDone(batch: Int64)
    case finished(batch: Int64, CoreTimes)
    case failed(batch: Int64)
    case killed(batch: Int64)
    case timer
    case device(CoreDevice)
    case deviceRemoved(String)
    case deviceReturned(String)
    case model(CoreModel)
    case modelRemoved(String)
}

/// A request, in the driver's words.
struct CoreArrival: Sendable {
    var request: RequestName
    var model: String
    var requestClass: RequestClass
    var rows: Int
    var deadline: Instant
    /// The sort of rows; nil where the number of elements tells them apart.
    var shape: String?
    var elementsPerRow: Int
}

/// The measured parts of a batch, nanoseconds; nil where the instants of the events shall tell.
struct CoreTimes: Sendable {
    var copyIn: Int64?
    var kernels: Int64?
    var copyOut: Int64?
}

/// A request's name: whatever the driver likes to call it, text or a number, and gets back in the same form.
enum RequestName: Sendable, Hashable {
    case number(Int64)
    case text(String)

    /// For messages.
    var words: String {
        switch self {
        case .number(let number): String(number)
        case .text(let text): JSONNode.quoted(text)
        }
    }
}

extension CoreLine {
    private enum Kind: String, CaseIterable {
        case arrival
        case cancelled
        case copiedIn = "copied_in"
        case kernelsDone = "kernels_done"
        case finished
        case failed
        case killed
        case timer
        case device
        case deviceRemoved = "device_removed"
        case deviceReturned = "device_returned"
        case model
        case modelRemoved = "model_removed"
        case why
    }

    private enum ClassName: String, CaseIterable { case high, low }

    private static let configureKeys = ["configure"]
    private static let arrivalKeys = [
        "event", "at_ms", "request", "model", "class", "rows", "deadline_at_ms", "shape", "elements_per_row",
    ]
    private static let cancelledKeys = ["event", "at_ms", "request"]
    private static let batchKeys = ["event", "at_ms", "batch"]
    private static let finishedKeys = ["event", "at_ms", "batch", "copy_in_ms", "kernels_ms", "copy_out_ms"]
    private static let timerKeys = ["event", "at_ms"]
    private static let deviceKeys = ["event", "at_ms", "device"]
    private static let modelKeys = ["event", "at_ms", "model"]
    private static let whyKeys = ["event", "request"]

    /// Reads a line.
    ///
    /// - Complexity: O(bytes).
    init(_ text: UnsafeBufferPointer<UInt8>, overrides: CoreOverrides) throws(FormatError) {
        var fields = try JSONFields(try JSONReader.read(text))
        if let node = fields.take("configure") {
            try fields.finish(known: Self.configureKeys)
            self = .configure(try CoreConfiguration(json: node, at: "configure", overrides: overrides))
            return
        }
        let kind = try fields.choice("event", of: Kind.self)
        if kind == .why {
            let request = try fields.requestName("request")
            try fields.finish(known: Self.whyKeys)
            self = .why(request)
            return
        }
        let now = Instant(nanoseconds: try fields.milliseconds("at_ms", in: Bounds.instant))
        self = .event(try Self.event(kind, &fields), at: now)
    }

    private static func event(_ kind: Kind, _ fields: inout JSONFields) throws(FormatError) -> CoreEvent {
        switch kind {
        case .why: preconditionFailure("a question is no event")
        case .arrival: return .arrival(try arrival(&fields))
        case .cancelled:
            let request = try fields.requestName("request")
            try fields.finish(known: cancelledKeys)
            return .cancelled(request)
        case .copiedIn: return .copiedIn(batch: try batch(&fields))
        case .kernelsDone: return .kernelsDone(batch: try batch(&fields))
        case .failed: return .failed(batch: try batch(&fields))
        case .killed: return .killed(batch: try batch(&fields))
        case .finished:
            let batch = try fields.whole("batch", in: Bounds.batchNumber)
            let times = CoreTimes(
                copyIn: try fields.optionalMilliseconds("copy_in_ms", in: Bounds.span),
                kernels: try fields.optionalMilliseconds("kernels_ms", in: Bounds.span),
                copyOut: try fields.optionalMilliseconds("copy_out_ms", in: Bounds.span))
            try fields.finish(known: finishedKeys)
            return .finished(batch: batch, times)
        case .timer:
            try fields.finish(known: timerKeys)
            return .timer
        case .device:
            guard let node = fields.optional("device") else {
                throw fields.failure("device", "missing; expected an object with name and lanes")
            }
            try fields.finish(known: deviceKeys)
            return .device(try CoreDevice(json: node, at: "device"))
        case .deviceRemoved: return .deviceRemoved(try name("device", &fields))
        case .deviceReturned: return .deviceReturned(try name("device", &fields))
        case .modelRemoved: return .modelRemoved(try name("model", &fields))
        case .model:
            guard let node = fields.optional("model") else {
                throw fields.failure("model", "missing; expected an object with name and maximum_batch")
            }
            try fields.finish(known: modelKeys)
            return .model(try CoreModel(json: node, at: "model"))
        }
    }

    private static func name(_ key: String, _ fields: inout JSONFields) throws(FormatError) -> String {
        let name = try fields.name(key)
        try fields.finish(known: ["event", "at_ms", key])
        return name
    }

    private static func batch(_ fields: inout JSONFields) throws(FormatError) -> Int64 {
        let batch = try fields.whole("batch", in: Bounds.batchNumber)
        try fields.finish(known: batchKeys)
        return batch
    }

    private static func arrival(_ fields: inout JSONFields) throws(FormatError) -> CoreArrival {
        let request = try fields.requestName("request")
        let model = try fields.name("model")
        let requestClass = try fields.choice("class", of: ClassName.self)
        let rows = try fields.optionalWhole("rows", in: Bounds.rows) ?? 1
        let arrival = CoreArrival(
            request: request, model: model, requestClass: requestClass == .high ? .high : .low, rows: rows,
            deadline: try fields.deadline("deadline_at_ms"), shape: try fields.optionalName("shape"),
            elementsPerRow: try fields.optionalWhole("elements_per_row", in: Bounds.elements) ?? 1)
        try fields.finish(known: arrivalKeys)
        return arrival
    }
}

extension JSONFields {
    /// A request's name.
    fileprivate mutating func requestName(_ key: String) throws(FormatError) -> RequestName {
        if case .number? = optional(key)?.content {
            return .number(try whole(key, in: Bounds.requestNumber))
        }
        return .text(try name(key))
    }

    /// An instant, or null for never. Not optional: a deadline that was forgotten would be met for ever.
    fileprivate mutating func deadline(_ key: String) throws(FormatError) -> Instant {
        if let node = take(key), node.isNull { return .never }
        return Instant(nanoseconds: try milliseconds(key, in: Bounds.instant))
    }
}
