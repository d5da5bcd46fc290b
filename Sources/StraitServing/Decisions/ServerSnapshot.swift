// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// What the server does now, and how requests fared in the last seconds: what `GET /v2/strait/state` tells.
struct ServerSnapshot: Sendable {
    /// The seconds that counts are of.
    var window: Duration
    /// How the classes fare, high first.
    var classes: [ClassState]
    /// The models that take requests.
    var models: [ModelState]
    /// The devices.
    var devices: [DeviceState]
    /// Whether bounds hold so badly that one batch runs at a time.
    var isAlert = false
    /// Requests that are remembered, and the most that are; 0 where none are.
    var remembered = 0
    var capacity = 0

    /// A class.
    struct ClassState: Sendable {
        var requestClass: RequestClass
        var counts: TrafficWindow.Counts
        var totals: ClassCounters
        /// Requests that wait, the device time that they are expected to take, and since when the oldest does.
        var waiting: Int
        var queuedTime: Duration
        var oldest: Instant?
        /// Requests on devices.
        var running: Int
        /// How the bounds of predictions held since the start.
        var coverage: Coverage
    }

    /// A model.
    struct ModelState: Sendable {
        var name: String
        var version: Int
        /// By class.
        var counts: [TrafficWindow.Counts]
        var waiting: Int
        /// The latencies of its answers in the window, as far as they are remembered.
        var latencies: [Duration] = []
    }

    /// A device.
    struct DeviceState: Sendable {
        var lanes: [LaneState]
        /// Batches whose results are being copied back: they hold no lane.
        var copyingOut = 0
    }

    /// A lane.
    struct LaneState: Sendable {
        /// The share of the window for which it was held.
        var busy: Double
        /// What holds it.
        var batch: RunningBatch?
    }

    /// A batch on a lane.
    struct RunningBatch: Sendable {
        var number: UInt64
        var model: ModelID
        var requestClass: RequestClass
        var rows: Int
        var requests: Int
        var phase: BatchPhase
        var stagedAt: Instant
        var predictedFinish: Instant
        var bound95: Instant
    }
}
