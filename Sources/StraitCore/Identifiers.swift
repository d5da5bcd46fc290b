// SPDX-License-Identifier: Apache-2.0

// StraitCore: the scheduler as a pure value. Events and the time go in, actions come out; there is no clock, no thread,
// no lock and no input or output in here, so that the live engine and the simulator can drive the very same code.

/// A request, as its driver knows it.
///
/// The driver owns the numbers: it keeps slots dense (the scheduler's tables are as long as the highest slot) and raises
/// the generation whenever it uses a slot again, so that a stale identifier is recognised.
public struct RequestID: Sendable, Hashable {
    /// The place in the driver's and the scheduler's tables.
    public var slot: UInt32
    /// How often the slot has been used before.
    public var generation: UInt32

    /// The request in `slot`, in its `generation`.
    public init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}

/// A batch, as the scheduler numbers it; slots are used again with a higher generation.
public struct BatchID: Sendable, Hashable {
    /// The place in the scheduler's table.
    public var slot: UInt32
    /// How often the slot has been used before.
    public var generation: UInt32

    /// A batch's number; for those who run batches of which no scheduler knows.
    package init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}

/// A model in one version, numbered from 0 in the order of the `modelAdded` events; the number of one that was removed is
/// given to another.
public struct ModelID: Sendable, Hashable {
    /// The position in the scheduler's tables.
    public var index: Int
    /// The model at a position.
    public init(index: Int) { self.index = index }
}

/// The exact non-batch dimensions of a request's inputs, as a number that the driver gives out per model.
/// Only requests of one model and one shape can share a batch.
public struct ShapeID: Sendable, Hashable {
    /// The driver's number for it.
    public var number: UInt32
    /// The shape with the driver's number for it.
    public init(number: UInt32) { self.number = number }
}

/// A device, numbered from 0 in the order of the `deviceAdded` events.
public struct DeviceID: Sendable, Hashable {
    /// The position in the order of addition.
    public var index: Int
    /// The device at a position.
    public init(index: Int) { self.index = index }
}

/// One of a device's places for a running batch, from 0.
public struct LaneID: Sendable, Hashable {
    /// The position within the device.
    public var index: Int
    /// The lane at a position.
    public init(index: Int) { self.index = index }
}
