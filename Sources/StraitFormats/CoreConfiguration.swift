// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// The first line of `strait core`: what the scheduler is made of, and what it starts with.
struct CoreConfiguration: Sendable {
    /// The policy and what it predicts with, the command line's wishes taken in.
    var policy: PolicyName
    var limits = SchedulerLimits()
    var options = SchedulerOptions()
    /// When it starts, on the driver's clock.
    var start: Instant
    var devices: [CoreDevice] = []
    var models: [CoreModel] = []

    private static let keys = ["at_ms", "policy", "limits", "options", "devices", "models"]

    /// Reads a configuration.
    init(json node: JSONNode, at path: String, overrides: CoreOverrides) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        if let policy = overrides.policy {
            // Still read, so that a wrong name is noticed whatever the command line says.
            _ = try fields.optionalChoice("policy", of: PolicyName.self)
            self.policy = policy
        } else {
            policy = try fields.choice("policy", of: PolicyName.self)
        }
        start = Instant(nanoseconds: try fields.optionalMilliseconds("at_ms", in: Bounds.instant) ?? 0)
        if let node = fields.optional("limits") {
            limits = try SchedulerLimits(json: node, at: fields.keyPath("limits"))
        }
        if let node = fields.optional("options") {
            options = try SchedulerOptions(json: node, at: fields.keyPath("options"))
        }
        if let estimator = overrides.estimator { options.estimator = estimator }
        let deviceNodes = try fields.optionalArray("devices", atMost: Bounds.devices)
        let modelNodes = try fields.optionalArray("models", atMost: Bounds.models)
        try fields.finish(known: Self.keys)
        for (index, node) in deviceNodes.enumerated() {
            devices.append(try CoreDevice(json: node, at: "\(fields.keyPath("devices"))[\(index)]"))
        }
        for (index, node) in modelNodes.enumerated() {
            models.append(try CoreModel(json: node, at: "\(fields.keyPath("models"))[\(index)]"))
        }
    }

    /// The scheduler, without devices and models: the one place where `strait core` makes it.
    func makeScheduler() -> Scheduler { Scheduler(policy: policy, limits: limits, options: options) }
}

/// A device with the name that the driver has for it.
struct CoreDevice: Sendable {
    var name: String
    var description: DeviceDescription

    private static let keys = ["name", "lanes", "copying", "can_pause", "can_kill"]
    private static let copyingKeys = ["overhead_ms", "bytes_per_second", "uplink"]

    /// Reads a device.
    init(json node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        name = try fields.name("name")
        description = DeviceDescription(lanes: try fields.whole("lanes", in: Bounds.lanes))
        if let node = fields.optional("copying") {
            description.copying = try Self.copying(node, at: fields.keyPath("copying"))
        }
        description.canPause = try fields.optionalBool("can_pause") ?? false
        description.canKill = try fields.optionalBool("can_kill") ?? false
        try fields.finish(known: Self.keys)
    }

    private static func copying(_ node: JSONNode, at path: String) throws(FormatError) -> CopyDescription {
        var fields = try JSONFields(node, at: path)
        let description = CopyDescription(
            overhead: Duration(nanoseconds: try fields.milliseconds("overhead_ms", in: Bounds.span)),
            bytesPerSecond: try fields.number("bytes_per_second", in: Bounds.bandwidth),
            uplink: try fields.optionalWhole("uplink", in: Bounds.uplink))
        try fields.finish(known: copyingKeys)
        return description
    }
}

/// A model with the name that the driver has for it.
struct CoreModel: Sendable {
    var name: String
    var description: ModelDescription

    private static let keys = ["name", "maximum_batch", "maximum_queued", "profile"]

    /// Reads a model.
    init(json node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        name = try fields.name("name")
        description = ModelDescription(
            maximumBatch: try fields.whole("maximum_batch", in: Bounds.rows),
            maximumQueued: try fields.optionalWhole("maximum_queued", in: Bounds.waiting))
        if let node = fields.optional("profile") {
            description.profile = try ModelProfile(json: node, at: fields.keyPath("profile"))
        }
        try fields.finish(known: Self.keys)
    }
}
