// SPDX-License-Identifier: Apache-2.0

/// What a driver tells the scheduler.
public enum Event: Sendable, Hashable {
    /// A device joins with its lanes idle. It gets the next ``DeviceID``.
    case deviceAdded(DeviceDescription)
    /// A device can run nothing for now. What is on it is taken back: its requests wait again where they stood, and are
    /// shed there if they cannot be in time any more; one that was taken back before is answered as failed, since it may
    /// be what breaks devices. Nothing is staged there until the device returns, and what is still reported of batches
    /// that were taken back is of no consequence. Harmless for a device that is removed already.
    case deviceRemoved(DeviceID)
    /// A device that was removed works again, with its lanes idle. Harmless for one that was not removed.
    case deviceReturned(DeviceID)
    /// A model is loaded on every device and ready to run. It gets ``Scheduler/nextModel``.
    case modelAdded(ModelDescription)
    /// A model is to be unloaded: what waits for it is shed, what runs of it runs on and is answered. No request may name
    /// it from now on. (Who wants what waits to be served first refuses arrivals and sends this later.) When nothing of it
    /// runs any more, all that was learned of it is forgotten, and its number is free for another. Harmless for a model
    /// that is removed already.
    case modelRemoved(ModelID)
    /// A request arrives. Its slot must be free.
    case arrival(Request)
    /// The client of a request went away. A waiting request leaves its queue; a running one runs on, unanswered.
    case cancelled(RequestID)
    /// The inputs of a batch are on its device: its kernels start now, and the next batch may be copied. Only from
    /// devices that copy.
    case copiedIn(BatchID)
    /// The kernels of a batch are done: its lane is free, its results are being copied back. Only from devices that
    /// copy.
    case kernelsDone(BatchID)
    /// A batch is done and its results are on the host.
    case finished(BatchID, MeasuredTimes)
    /// A batch failed on its device; its lane is usable again.
    case failed(BatchID)
    /// A batch was aborted as `Action.kill` asked for: its lane is free, and its requests wait again where they stood.
    case killed(BatchID)
    /// The instant of the last `setTimer` action has come. Harmless when early, late or unasked for.
    case timer
}

extension Event {
    /// The batch that a device reports of; nil for any other event.
    var batch: BatchID? {
        switch self {
        case .copiedIn(let batch), .kernelsDone(let batch), .finished(let batch, _), .failed(let batch),
            .killed(let batch):
            batch
        default: nil
        }
    }
}

/// A device, as far as the scheduler cares.
public struct DeviceDescription: Sendable, Hashable {
    /// Batches whose kernels it can run at the same time, at least 1.
    public var lanes: Int
    /// How it copies; nil for a device that works on host memory and sends neither `copiedIn` nor `kernelsDone`.
    public var copying: CopyDescription?
    /// Whether it can stop a batch on its lane and let it go on later.
    public var canPause: Bool
    /// Whether it can abort a batch on its lane, with all progress lost.
    public var canKill: Bool

    /// A device with a number of lanes.
    public init(lanes: Int, copying: CopyDescription? = nil, canPause: Bool = false, canKill: Bool = false) {
        self.lanes = lanes
        self.copying = copying
        self.canPause = canPause
        self.canKill = canKill
    }
}

/// How a device copies between the host and itself: one copy engine per direction, each first in first out. What is
/// given here is where learning starts.
public struct CopyDescription: Sendable, Hashable {
    /// The time that a copy takes besides its bytes.
    public var overhead: Duration
    /// Bytes per second of a copy that has the link to itself.
    public var bytesPerSecond: Double
    /// The uplink that it shares with the other devices that name the same number; nil for one of its own.
    public var uplink: Int?

    /// A way to copy.
    public init(overhead: Duration, bytesPerSecond: Double, uplink: Int? = nil) {
        self.overhead = overhead
        self.bytesPerSecond = bytesPerSecond
        self.uplink = uplink
    }
}

/// A model, as far as the scheduler cares.
public struct ModelDescription: Sendable, Hashable {
    /// The most rows in one batch, at least 1.
    public var maximumBatch: Int
    /// The most requests that may wait for it, or nil for no bound of its own.
    public var maximumQueued: Int?
    /// What was measured of it beforehand, or nil if nothing was.
    public var profile: ModelProfile?

    /// A model that takes batches of up to `maximumBatch` rows.
    public init(maximumBatch: Int, maximumQueued: Int? = nil, profile: ModelProfile? = nil) {
        self.maximumBatch = maximumBatch
        self.maximumQueued = maximumQueued
        self.profile = profile
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

    /// What of it may be true of a batch that was done within `longest`: no part is longer than that, or shorter than
    /// nothing. A device whose clock goes wrong would otherwise teach a time that nothing unlearns.
    package func believed(within longest: Duration) -> MeasuredTimes {
        MeasuredTimes(
            copyIn: min(max(.zero, copyIn), longest), kernels: min(max(.zero, kernels), longest),
            copyOut: min(max(.zero, copyOut), longest))
    }
}
