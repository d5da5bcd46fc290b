// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitPlatform
internal import Synchronization

/// What shall go wrong on a device, for tests and drills: asked for by `--device …,fault=lost`, and never otherwise.
package struct FaultPlan: Sendable, Hashable {
    /// The ways in which a device can be out of order.
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        /// It is gone: it says so, and what is on it or comes to it is lost.
        case lost
        /// What is on it or comes to it ends only when the fault is over.
        case hang
        /// All that ends on it has failed.
        case fail
    }

    /// What goes wrong.
    package let kind: Kind
    /// After how many batches that went well.
    package let afterBatches: Int
    /// For how long.
    package let milliseconds: Int

    /// A plan.
    package init(kind: Kind, afterBatches: Int, milliseconds: Int) {
        self.kind = kind
        self.afterBatches = afterBatches
        self.milliseconds = milliseconds
    }

    /// How long a fault lasts that does not say.
    package static let usualMilliseconds = 3000
}

/// A device on which something goes wrong once, as planned; otherwise it is the device that it stands for.
package final class FaultyDevice: Device {
    private let device: any Device
    private let plan: FaultPlan

    private struct State {
        var driver: (any LaneDriver)?
        var batches = 0
        /// When the fault began, and whether it is over; nanoseconds of the monotonic clock.
        var since: Int64?
        var isOver = false
        /// Batches that hang, with what became of them.
        var held: [(DeviceBatch, Result<BatchResult, DeviceError>)] = []
        var waker: SystemThread?
    }

    private let state = Mutex(State())
    /// Ends the wait for the end of the fault.
    private let stopping = Wakeup()

    /// A device that stands for another.
    package init(_ device: any Device, plan: FaultPlan) {
        self.device = device
        self.plan = plan
    }

    package var name: String { device.name }
    package var identity: DeviceIdentity { device.identity }
    package var laneCount: Int { device.laneCount }
    package var copying: CopyDescription? { device.copying }
    package var isSynthetic: Bool { device.isSynthetic }
    package var needsModelFiles: Bool { device.needsModelFiles }

    package func load(path: String, name: String) throws(DeviceError) -> LoadedModel {
        try device.load(path: path, name: name)
    }

    package func load(_ source: ModelSource) throws(DeviceError) -> LoadedModel { try device.load(source) }

    package func knownProfile(of model: LoadedModel) -> ModelProfile? { device.knownProfile(of: model) }

    package func prepare(_ batch: DeviceBatch) throws(DeviceError) { try device.prepare(batch) }

    package func unload(_ model: LoadedModel) { device.unload(model) }

    package func rehearse(_ batch: DeviceBatch) throws(DeviceError) -> MeasuredTimes { try device.rehearse(batch) }

    package func start(driver: any LaneDriver) {
        state.withLock { $0.driver = driver }
        device.start(driver: self)
    }

    package func run(_ batch: DeviceBatch, on lane: LaneID) { device.run(batch, on: lane) }

    package func probe() throws(DeviceError) {
        guard !isFaulty() else { throw DeviceError(.deviceLost, "\(name): the injected fault lasts") }
        try device.probe()
    }

    package func stop() {
        stopping.signal()
        let waker = state.withLock { state in
            defer { state.waker = nil }
            return state.waker
        }
        waker?.join()
        device.stop()
    }

    // -- the fault ------------------------------------------------------------------------------------------------

    /// Whether the fault has begun and is not over.
    private func isFaulty() -> Bool { state.withLock { $0.since != nil && !$0.isOver } }

    /// Counts a batch, and begins the fault when its time has come.
    ///
    /// - Returns: whether something goes wrong with it, and whether with it first.
    private func count() -> (isFaulty: Bool, isFirst: Bool) {
        state.withLock { state in
            state.batches += 1
            guard state.batches > plan.afterBatches, !state.isOver else { return (false, false) }
            guard state.since == nil else { return (true, false) }
            state.since = MonotonicClock.nanoseconds()
            let end = MonotonicClock.nanoseconds() + Int64(plan.milliseconds) * 1_000_000
            state.waker = SystemThread(name: "fault") { [self] in
                _ = stopping.wait(untilNanoseconds: end)
                self.end()
            }
            return (true, true)
        }
    }

    /// The fault is over: what hung ends now.
    private func end() {
        let (held, driver) = state.withLock { state in
            defer { state.held = [] }
            state.isOver = true
            return (state.held, state.driver)
        }
        for (batch, result) in held {
            if let next = driver?.laneFinished(batch, result) { device.run(next, on: next.lane) }
        }
    }
}

extension FaultyDevice: LaneDriver {
    package func copiedIn(_ batch: DeviceBatch) { state.withLock { $0.driver }?.copiedIn(batch) }

    package func kernelsDone(_ batch: DeviceBatch) { state.withLock { $0.driver }?.kernelsDone(batch) }

    package func laneFinished(_ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>) -> DeviceBatch? {
        guard let driver = state.withLock({ $0.driver }) else { return nil }
        let (isFaulty, isFirst) = count()
        guard isFaulty else { return driver.laneFinished(batch, result) }
        switch plan.kind {
        case .lost:
            let error = DeviceError(.deviceLost, "\(name): lost, by an injected fault")
            if isFirst { driver.deviceLost(self, error) }
            return driver.laneFinished(batch, .failure(error))
        case .fail:
            return driver.laneFinished(batch, .failure(DeviceError(.runFailed, "\(name): an injected fault")))
        case .hang:
            // Over just now: then it is told as it is.
            let isHeld = state.withLock { state in
                guard !state.isOver else { return false }
                state.held.append((batch, result))
                return true
            }
            return isHeld ? nil : driver.laneFinished(batch, result)
        }
    }

    package func deviceLost(_ device: any Device, _ reason: DeviceError) {
        state.withLock { $0.driver }?.deviceLost(self, reason)
    }
}
