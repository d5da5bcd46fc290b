// SPDX-License-Identifier: Apache-2.0

/// The two kinds of traffic that share the devices.
public enum RequestClass: Int, Sendable, Hashable, CaseIterable, Comparable {
    /// Must be answered before its deadline even when the devices are full.
    case high = 0
    /// Has a deadline too, and should lose as little as the high class allows.
    case low = 1

    /// `high` before `low`: the order in which classes are served.
    public static func < (left: RequestClass, right: RequestClass) -> Bool { left.rawValue < right.rawValue }
}

/// What a batch's time depends on besides its rows: the model and roughly how large one row is.
public struct WorkShape: Sendable, Hashable {
    /// The model.
    public var model: ModelID
    /// The binary logarithm, rounded up, of the elements in one row of all inputs.
    public var bucket: UInt8

    /// The work of a model on rows of `elementsPerRow` elements.
    public init(model: ModelID, elementsPerRow: Int) {
        self.model = model
        let elements = max(1, elementsPerRow)
        self.bucket = UInt8(Int.bitWidth - (elements - 1).leadingZeroBitCount)
    }

    /// The work of a model on rows of a size that is given as its bucket.
    public init(model: ModelID, bucket: UInt8) {
        self.model = model
        self.bucket = min(bucket, 63)
    }

    /// The elements in one row, to the power of two above.
    public var elementsPerRow: Double { Double(sign: .plus, exponent: Int(bucket), significand: 1) }
}

/// A request as the scheduler sees it: no tensors, only what decides when and where it runs.
public struct Request: Sendable, Hashable {
    /// The driver's name for it.
    public var id: RequestID
    /// The work that one row of it is.
    public var work: WorkShape
    /// Its exact shape: what it may share a batch with.
    public var shape: ShapeID
    /// The class it competes in.
    public var requestClass: RequestClass
    /// Rows it adds to a batch, at least 1. A request is never split.
    public var rows: Int
    /// When its answer is due.
    public var deadline: Instant

    /// A request; `rows` of at least 1 and at most the model's largest batch.
    public init(
        id: RequestID, work: WorkShape, shape: ShapeID, requestClass: RequestClass, rows: Int, deadline: Instant
    ) {
        self.id = id
        self.work = work
        self.shape = shape
        self.requestClass = requestClass
        self.rows = rows
        self.deadline = deadline
    }
}
