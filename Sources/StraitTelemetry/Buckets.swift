// SPDX-License-Identifier: Apache-2.0

/// The fixed buckets of all histograms: the same on every server of every version, so that they add up. They may only
/// ever be added to, never moved.
package enum Buckets {
    /// From arrival to answer, lateness and slack, nanoseconds: 0.2 ms to a minute, four to a decade, so that a quantile
    /// is right to a factor of two at worst.
    package static let latency: [Int64] = [
        200_000, 300_000, 500_000, 1_000_000, 2_000_000, 3_000_000, 5_000_000, 10_000_000, 20_000_000, 30_000_000,
        50_000_000, 100_000_000, 200_000_000, 300_000_000, 500_000_000, 1_000_000_000, 2_000_000_000, 3_000_000_000,
        5_000_000_000, 10_000_000_000, 20_000_000_000, 30_000_000_000, 60_000_000_000,
    ]
    /// What a step of the scheduler takes, nanoseconds.
    package static let decision: [Int64] = [
        200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 10_000_000,
    ]
    /// Rows of a batch.
    package static let rows: [Int64] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    /// Actual over predicted time, in millionths: fine around 1, where predictions should be.
    package static let ratio: [Int64] = [
        500_000, 700_000, 800_000, 900_000, 950_000, 1_000_000, 1_050_000, 1_100_000, 1_200_000, 1_300_000, 1_500_000,
        2_000_000, 3_000_000, 5_000_000, 10_000_000,
    ]
    /// How late the host is with what happens on virtual devices, nanoseconds.
    package static let pacing: [Int64] = [
        10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 100_000_000,
        1_000_000_000,
    ]
}
