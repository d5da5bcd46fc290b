// SPDX-License-Identifier: Apache-2.0

/// A number from several seeds, with how far luck may have moved it.
package struct Estimate: Sendable, Hashable {
    /// The mean over the seeds.
    package var value: Double
    /// Half the width of the 95 % interval around it.
    package var halfWidth: Double

    /// An estimate.
    package init(value: Double, halfWidth: Double) {
        self.value = value
        self.halfWidth = halfWidth
    }

    /// The interval's lower end.
    package var lower: Double { value - halfWidth }
    /// The interval's upper end.
    package var upper: Double { value + halfWidth }
}
