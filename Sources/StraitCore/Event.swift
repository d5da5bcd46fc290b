// SPDX-License-Identifier: Apache-2.0

/// What a driver tells the scheduler.
public enum Event: Sendable, Hashable {
    /// A device joins with its lanes idle. It gets the next ``DeviceID``.
    case deviceAdded(DeviceDescription)
    /// A model is loaded on every device and ready to run. It gets the next ``ModelID``.
    case modelAdded(ModelDescription)
    /// A request arrives. Its slot must be free.
    case arrival(Request)
    /// The client of a request went away. A waiting request leaves its queue; a running one runs on, unanswered.
    case cancelled(RequestID)
    /// A batch is done and its results are on the host.
    case finished(BatchID, MeasuredTimes)
    /// A batch failed on its device; its lane is usable again.
    case failed(BatchID)
    /// The instant of the last `setTimer` action has come. Harmless when early, late or unasked for.
    case timer
}

/// A device, as far as the scheduler cares.
public struct DeviceDescription: Sendable, Hashable {
    /// Batches that it can run at the same time, at least 1.
    public var lanes: Int

    /// A device with a number of lanes.
    public init(lanes: Int) { self.lanes = lanes }
}

/// A model, as far as the scheduler cares.
public struct ModelDescription: Sendable, Hashable {
    /// The most rows in one batch, at least 1.
    public var maximumBatch: Int
    /// The most requests that may wait for it, or nil for no bound of its own.
    public var maximumQueued: Int?

    /// A model that takes batches of up to `maximumBatch` rows.
    public init(maximumBatch: Int, maximumQueued: Int? = nil) {
        self.maximumBatch = maximumBatch
        self.maximumQueued = maximumQueued
    }
}

/// How long the parts of a batch took, as its device measured them.
public struct MeasuredTimes: Sendable, Hashable {
    /// Gathering the rows and copying them to the device.
    public var copyIn: Duration
    /// The model itself.
    public var kernels: Duration
    /// Copying the results back.
    public var copyOut: Duration

    /// The measured parts of one batch.
    public init(copyIn: Duration, kernels: Duration, copyOut: Duration) {
        self.copyIn = copyIn
        self.kernels = kernels
        self.copyOut = copyOut
    }

    /// The time that the batch held its lane.
    public var total: Duration { copyIn + kernels + copyOut }
}
