// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitDevices
internal import StraitPlatform
package import StraitProtocol
internal import Synchronization

// What is counted for the metrics: noted under the engine's lock, copied under it, told elsewhere.

/// An engine's numbers at one moment.
package struct EngineMetrics: Sendable {
    let at: Instant
    let meter: EngineMeter
    let models: [Model]
    let classes: [Class]
    let devices: [Device]
    let coverage: Double
    let isAlert: Bool
    let isDraining: Bool

    /// A model that is loaded.
    struct Model: Sendable {
        let row: Int
        let totals: ModelTotals
        /// Its requests that wait, and those that were accepted and not answered.
        let waiting: Int
        let open: Int
    }

    struct Class: Sendable {
        let counters: ClassCounters
        let waiting: Int
        let oldest: Duration
        let calibration: Calibration
    }

    struct Device: Sendable {
        let name: String
        let lanes: Int
        let busy: Int
        let isServing: Bool
        let removals: Int
    }
}

extension Engine {
    /// What was counted so far; nil for an engine that counts nothing.
    ///
    /// - Complexity: O(models) under the engine's lock, and O(requests that wait or run) in pieces: some microseconds each.
    package func metrics() -> EngineMetrics? {
        let oldest = oldestWaiting()
        return state.withLock { state in
            guard let meter = state.meter else { return nil }
            let now = max(state.scheduler.lastStep, clock.now())
            let scheduler = state.scheduler.state
            let entries = (state.models + state.leaving).filter { !$0.isFreed }
            let models = entries.map { entry in
                let isCurrent = state.models[entry.model.id.index].model.serial == entry.model.serial
                return EngineMetrics.Model(
                    row: entry.row, totals: ModelTotals(entry.statistics),
                    waiting: isCurrent ? scheduler.models[entry.model.id.index].waiting : 0, open: entry.unanswered)
            }
            let classes = RequestClass.allCases.map { requestClass in
                let index = requestClass.rawValue
                let waiting = scheduler.queues.waiting[index]
                let age = waiting > 0 ? oldest[index].map { now - $0 } : nil
                return EngineMetrics.Class(
                    counters: scheduler.counters[index], waiting: waiting, oldest: age ?? .zero,
                    calibration: scheduler.calibrations[index])
            }
            let used = devices.indices.map { index in
                EngineMetrics.Device(
                    name: devices[index].name, lanes: devices[index].laneCount,
                    busy: scheduler.devices.busyLanes(of: index), isServing: state.devices[index].isServing,
                    removals: state.devices[index].removals)
            }
            return EngineMetrics(
                at: now, meter: meter.copied(), models: models, classes: classes, devices: used,
                coverage: scheduler.watchdog.coverage, isAlert: scheduler.watchdog.isAlert,
                isDraining: isDraining.load(ordering: .relaxed))
        }
    }

    /// Steps the scheduler, and takes note of which lanes are held by it, and now and then of how long that took.
    func decide(_ event: Event, at now: Instant, _ state: inout State) {
        guard state.meter != nil else { return state.scheduler.step(event, at: now, into: &state.actions) }
        if state.meter?.beginStep() == true {
            // Not the engine's clock: tests turn that, and this is about the processor. Two readings, 25 ns each.
            let began = MonotonicClock.nanoseconds()
            state.scheduler.step(event, at: now, into: &state.actions)
            state.meter?.noteDecision(nanoseconds: MonotonicClock.nanoseconds() - began)
        } else {
            state.scheduler.step(event, at: now, into: &state.actions)
        }
        // An arrival that only waits holds no lane.
        if case .arrival = event, state.actions.members.isEmpty { return }
        state.meter?.noteLanes(state.scheduler.state.devices, at: now)
    }

    /// Counts a request that was refused before it came to the engine, because of what it asked for or for want of
    /// memory.
    ///
    /// - Parameters:
    ///   - requestClass: nil where it was not read so far.
    ///   - model: nil where there is no such model.
    package func noteRefused(_ error: ProtocolError, _ requestClass: RequestClass?, model: ServedModel?) {
        let end = RequestEnd(refusedFor: error, isDraining: isDraining.load(ordering: .relaxed))
        state.withLock { $0.countRefused(end, requestClass, model) }
    }
}

extension Engine.State {
    /// Counts a request that the scheduler never had.
    mutating func countRefused(_ end: RequestEnd, _ requestClass: RequestClass?, _ model: ServedModel?) {
        guard meter != nil else { return }
        let row = model.flatMap { change($0) { $0.row } } ?? ModelRows.other
        meter?.note(end, CountedClass(requestClass), row: row)
    }

    /// Counts what is taken back from a device.
    mutating func countLost(_ device: DeviceID) {
        guard meter != nil else { return }
        for batch in scheduler.state.devices[device].resident {
            guard let record = scheduler.state.batches[batch] else { continue }
            meter?.note(.lost, row: models[record.work.model.index].row)
        }
    }
}
