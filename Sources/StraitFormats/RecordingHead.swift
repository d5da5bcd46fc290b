// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

extension Recording.Head {
    private static let keys = [
        "strait_recording", "source", "policy", "origin", "seed", "start_ms", "calendar_ms", "maximum_waiting",
        "learned",
        "devices",
        "models",
    ]

    /// Reads the first line of a recording.
    init(_ fields: inout JSONFields) throws(FormatError) {
        try fields.version("strait_recording", Recording.version, otherwise: "record again with this program")
        let source = try fields.choice("source", of: Recording.Source.self)
        let policy = try fields.name("policy")
        let origin = try fields.name("origin")
        let seed = try fields.optionalWhole("seed", in: 0...UInt64(Int64.max))
        let start = Instant(nanoseconds: try fields.milliseconds("start_ms", in: Bounds.instant))
        let calendar = try fields.optionalWhole("calendar_ms", in: 0...Int64(1) << 53)
        let waiting = try fields.whole("maximum_waiting", in: Bounds.waiting)
        let hasLearned = try fields.optionalBool("learned") ?? false
        let devices = try fields.array("devices", atMost: Bounds.devices)
        // None where a server could load none.
        let models = try fields.optionalArray("models", atMost: Bounds.models)
        try fields.finish(known: Self.keys)
        self.init(
            source: source, policy: policy, origin: origin, seed: seed, start: start, calendarMilliseconds: calendar,
            maximumWaiting: waiting, devices: [], models: [])
        self.hasLearned = hasLearned
        for (index, node) in devices.enumerated() {
            self.devices.append(try Recording.Device(node, at: "devices[\(index)]"))
        }
        for (index, node) in models.enumerated() {
            self.models.append(try Recording.Model(node, at: "models[\(index)]"))
        }
    }
}

extension Recording.Device {
    fileprivate init(_ node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(
            name: try fields.name("name"), lanes: try fields.whole("lanes", in: Bounds.lanes),
            copies: try fields.optionalBool("copies") ?? false)
        try fields.finish(known: ["name", "lanes", "copies"])
    }
}

extension Recording.Model {
    /// Reads a model of the head, or one that joins.
    init(_ node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(
            name: try fields.name("name"), maximumBatch: try fields.whole("maximum_batch", in: Bounds.rows),
            maximumQueued: try fields.optionalWhole("maximum_queued", in: 0...Int(Int32.max)))
        if let profile = fields.optional("profile") {
            self.profile = try ModelProfile(json: profile, at: fields.keyPath("profile"))
        }
        try fields.finish(known: ["name", "maximum_batch", "maximum_queued", "profile"])
    }
}

extension Recording.Ending {
    private enum Outcome: String, CaseIterable { case met, late, shed, failed, cancelled }

    private enum Reason: String, CaseIterable {
        case hopelessOnArrival = "hopeless-on-arrival"
        case hopelessInQueue = "hopeless-in-queue"
        case queueFull = "queue-full"
        case modelQueueFull = "model-queue-full"
        case modelUnloaded = "model-unloaded"

        var shedReason: ShedReason {
            switch self {
            case .hopelessOnArrival: .hopelessOnArrival
            case .hopelessInQueue: .hopelessInQueue
            case .queueFull: .queueFull
            case .modelQueueFull: .modelQueueFull
            case .modelUnloaded: .modelUnloaded
            }
        }
    }

    /// Takes a request's outcome, and its reason where it was shed.
    init(_ fields: inout JSONFields) throws(FormatError) {
        switch try fields.choice("outcome", of: Outcome.self) {
        case .met: self = .met
        case .late: self = .late
        case .failed: self = .failed
        case .cancelled: self = .cancelled
        case .shed: self = .shed(try fields.choice("reason", of: Reason.self).shedReason)
        }
    }
}

extension JSONFields {
    private enum Class: String, CaseIterable { case high, low }

    /// Takes a request's or batch's class.
    mutating func requestClass() throws(FormatError) -> RequestClass {
        try choice("class", of: Class.self) == .high ? .high : .low
    }
}
