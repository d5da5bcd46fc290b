// SPDX-License-Identifier: Apache-2.0

package import StraitCore

// Watching: what a page draws of a server or of a recorded run, as JSON (docs/dashboard.md tells the form). Values; who
// drives them has the clock, the records, and the viewers.

/// How a server stands at a moment: what records of what has ended do not tell.
package struct WatchGlance: Sendable {
    /// Requests of one model and class that wait.
    package struct Queue: Sendable, Hashable {
        /// The place of the model.
        package var model: Int
        /// Their class.
        package var requestClass: RequestClass
        /// How many.
        package var waiting: Int

        /// A queue.
        package init(model: Int, _ requestClass: RequestClass, waiting: Int) {
            self.model = model
            self.requestClass = requestClass
            self.waiting = waiting
        }
    }

    /// A batch that has not ended.
    package struct Running: Sendable, Hashable {
        /// What it is and what was predicted of it, as it would be recorded if it ended now.
        package var batch: Recording.Batch
        /// Whether it holds its lane no longer, since its results are being copied back.
        package var isCopyingOut: Bool

        /// A batch.
        package init(_ batch: Recording.Batch, isCopyingOut: Bool) {
            self.batch = batch
            self.isCopyingOut = isCopyingOut
        }
    }

    /// A device.
    package struct Device: Sendable, Hashable {
        /// Why it does not serve; nil while it does.
        package var reason: String?
        /// How much longer than the others it takes, as a factor.
        package var speed: Double

        /// A device.
        package init(reason: String?, speed: Double) {
            self.reason = reason
            self.speed = speed
        }
    }

    /// When it was.
    package var at = Instant.zero
    /// The policy's name.
    package var policy = ""
    /// All requests so far, by class; empty where nobody counts them.
    package var counters: [ClassCounters] = []
    /// Where something waits.
    package var queues: [Queue] = []
    /// What runs.
    package var running: [Running] = []
    /// The devices; empty where nothing is known of them.
    package var devices: [Device] = []
    /// Whether predictions are so bad that one batch runs at a time.
    package var isAlert = false

    /// A glance at nothing.
    package init() {}

    /// Whether a page that has seen another glance would look the same with this one.
    func looksLike(_ other: WatchGlance) -> Bool {
        policy == other.policy && counters == other.counters && queues == other.queues && running == other.running
            && isAlert == other.isAlert && devices.map(\.reason) == other.devices.map(\.reason)
    }
}
