// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// What values may be. The bounds are far outside what anyone means, and keep a line with a slip of the finger from
/// taking all memory or from overflowing the scheduler's arithmetic.
enum Bounds {
    /// Instants in nanoseconds: 31 years. Instants plus predicted spans stay inside 64 bits.
    static let instant: ClosedRange<Int64> = 0...1_000_000_000_000_000_000
    /// Spans in nanoseconds: 11 days.
    static let span: ClosedRange<Int64> = 0...1_000_000_000_000_000
    /// Spans that must not be zero.
    static let positiveSpan: ClosedRange<Int64> = 1...1_000_000_000_000_000
    /// Rows in a batch: the scheduler keeps tables by their binary logarithm and adds them up in 32 bits.
    static let rows = 1...4096
    /// Elements in a row: 2^40, a terabyte of bytes.
    static let elements = 1...1 << 40
    /// The binary logarithm of the elements in a row, where it was given out by the scheduler.
    static let elementExponents = 0...62
    /// The binary logarithm of rows that a time is kept for: they are counted in 32 bits.
    static let rowExponents = 0...31
    /// Errors in a row that were too large for noise, to either side: two of them start over.
    static let surprises = -99...99
    /// Bytes copied for a row.
    static let bytes = 0...1 << 40
    /// Bytes a second of a copy: from a byte to far beyond any memory. An exact zero would make every copy endless.
    static let bandwidth = 1.0...1e15
    /// Numbers of uplinks.
    static let uplink = 0...1023
    /// Shares of something.
    static let share = 0.0...1.0
    /// Lanes of a device: the scheduler looks through them one by one.
    static let lanes = 1...256
    /// Requests that may wait: the scheduler's request table ends at four million slots.
    static let waiting = 1...1_000_000
    /// Decisions that can be explained: each is kept with all that was weighed.
    static let explanations = 0...100_000
    /// Requests that have ended and are still known by name, for explanations. More than that end between two decisions
    /// only where nearly all are cancelled.
    static let endedRequests = 65_536
    /// Batches that were taken back and of which a report is still expected; beyond, the oldest are unknown.
    static let takenBack = 4096
    /// Devices.
    static let devices = 256
    /// Models.
    static let models = 4096
    /// Sizes of row in a profile: there are only so many powers of two.
    static let curves = 64
    /// Batch sizes in a curve.
    static let points = 256
    /// Measurements that a profile was made from: some dozens for each model.
    static let measurements = 65_536
    /// Times on the calendar in milliseconds since 1970, as far as a double counts them.
    static let calendar: ClosedRange<Int64> = 0...1 << 53
    /// Bytes of a name.
    static let name = 256
    /// Sorts of rows that are told apart over all models; each is remembered until its model's number is given again.
    static let shapes = 65_536
    /// Requests that wait or run at one time.
    static let requests = RequestTable.maximumSlots
    /// Names of requests that are numbers: integers that a double holds exactly, since other languages read them so.
    static let requestNumber: ClosedRange<Int64> = 0...1 << 53
    /// Numbers of batches.
    static let batchNumber: ClosedRange<Int64> = 0...1 << 53
}
