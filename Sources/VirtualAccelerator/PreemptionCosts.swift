// SPDX-License-Identifier: Apache-2.0

/// What stopping a batch costs on a simulated device.
package struct PreemptionCosts: Sendable, Hashable {
    /// Commands that were launched when a batch is paused and still run: the threshold of XSched's level 1, whose delay is
    /// about 8 commands in 99 of 100 cases (OSDI'25, §7).
    package var commandsInFlight = 8
    /// Nanoseconds from a resume until the kernels go on: eight launches at some 5 µs each, as many as fill the queue.
    package var relaunch: Int64 = 40_000
    /// Nanoseconds from a kill until the batch is off the device: "tens of microseconds" for a reset (REEF, OSDI'22).
    package var reset: Int64 = 40_000

    /// The usual costs.
    package init() {}
}
