// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitDevices
internal import StraitProtocol
internal import Synchronization

// Devices: what they report, and how they are taken out of service and brought back (docs/devices.md).

extension Engine: LaneDriver {
    package func copiedIn(_ batch: DeviceBatch) { step(.copiedIn(batch.batch)) }

    package func kernelsDone(_ batch: DeviceBatch) { step(.kernelsDone(batch.batch)) }

    package func laneFinished(_ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>) -> DeviceBatch? {
        var effects = Effects()
        var own: DeviceBatch?
        state.withLock { state in
            state.noteReported(batch)
            // The clock is read only where it counts.
            let isInline =
                state.inline.isBusy
                && state.inline.ended(batch.batch, took: try? result.get().times.total, at: clock.now())
            end(batch, result, &state, into: &effects)
            // A device that copies has given the lane away when the kernels were done, and takes batches by `run` alone.
            if devices[batch.device.index].copying == nil {
                own = state.takeNext(of: batch, isInline: isInline, &effects)
            }
            if state.models[batch.modelID.index].isUnloading || !state.leaving.isEmpty {
                effects.needUpkeep(at: state.scheduler.lastStep)
            }
        }
        carryOut(effects)
        return own
    }

    package func deviceLost(_ device: any Device, _ reason: DeviceError) {
        guard let index = devices.firstIndex(where: { $0 === device }) else { return }
        var effects = Effects()
        state.withLock { state in
            let now = max(state.scheduler.lastStep, clock.now())
            remove(DeviceID(index: index), .lost(reason.message), &state, at: now, into: &effects)
        }
        carryOut(effects)
    }

    /// A batch has ended.
    private func end(
        _ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>, _ state: inout State,
        into effects: inout Effects
    ) {
        let device = batch.device
        let now = max(state.scheduler.lastStep, clock.now())
        guard let record = state.scheduler.state.batches[batch.batch] else {
            // It was taken back: whoever asked has an answer, or gets it from another device.
            if state.devices[device.index].batches == 0, !state.devices[device.index].isServing {
                state.devices[device.index].noteQuiet(at: now)
                effects.needUpkeep(at: now)
            }
            return
        }
        let row = state.models[batch.modelID.index].row
        switch result {
        case .success(let success) where success.wasSplit:
            state.meter?.note(.split, row: row)
            // Nothing is learned from its times, but answers are told them. To the scheduler all of it has failed; replies
            // tell the truth.
            let times = success.times.believed(within: now - record.stagedAt)
            let believed = BatchResult(outputs: success.outputs, times: times, wasSplit: true)
            step(.failed(batch.batch), &state, ended: (batch, .success(believed)), into: &effects)
            // Some of its inputs were to blame, or all.
            if success.outputs.contains(where: { (try? $0.get()) != nil }) {
                state.devices[device.index].noteSuccess()
            } else {
                noteFailure(of: batch, &state, at: now, into: &effects)
            }
        case .success(let success):
            // Nothing a device measures takes longer than the batch was gone, and answers are told it, too.
            let times = success.times.believed(within: now - record.stagedAt)
            state.models[batch.modelID.index].statistics.note(batch, times)
            state.meter?.note(.finished, row: row)
            let calibration = state.scheduler.state.calibrations[record.requestClass.rawValue]
            state.meter?.noteFinished(record, times, calibration, at: now)
            let believed = BatchResult(outputs: success.outputs, times: times)
            state.devices[device.index].noteSuccess()
            step(.finished(batch.batch, times), &state, ended: (batch, .success(believed)), into: &effects)
        case .failure(let error) where error.code == .deviceLost || error.code == .abandoned:
            remove(device, .lost(error.message), &state, at: now, into: &effects)
        case .failure:
            state.meter?.note(.failed, row: row)
            step(.failed(batch.batch), &state, ended: (batch, result), into: &effects)
            noteFailure(of: batch, &state, at: now, into: &effects)
        }
    }

    // -- out of service -------------------------------------------------------------------------------------------

    private func noteFailure(
        of batch: DeviceBatch, _ state: inout State, at now: Instant, into effects: inout Effects
    ) {
        // Where there is no other, its work has nowhere to go.
        let hasOther = state.scheduler.state.devices.presentCount > 1
        guard state.devices[batch.device.index].noteFailure(), hasOther else { return }
        remove(batch.device, .failing, &state, at: now, into: &effects)
    }

    /// Takes a device out of service, with what is on it.
    func remove(
        _ device: DeviceID, _ reason: DeviceHealth.Reason, _ state: inout State, at now: Instant,
        into effects: inout Effects
    ) {
        let wasServing = state.devices[device.index].isServing
        state.devices[device.index].noteRemoval(reason, at: now)
        guard wasServing else { return }
        let taken = state.scheduler.state.devices[device].resident.count
        state.countLost(device)
        take(.deviceRemoved(device), at: now, &state, into: &effects)
        effects.needUpkeep(at: state.devices[device.index].probeAt)
        let name = devices[device.index].name
        effects.lines.append(
            LogLine(
                .deviceLost, "\(name) is out of service: \(reason.words); \(taken) batch(es) taken back",
                kind: .warning,
                ["device": name, "reason": reason.words, "batches": "\(taken)"]))
    }

    // -- back in service ------------------------------------------------------------------------------------------

    /// Does what may take long: probes devices that are out of service, frees models. Called on a thread of its own.
    func maintain() {
        for index in devices.indices {
            let begins = state.withLock { state in
                state.devices[index].beginProbe(at: max(state.scheduler.lastStep, clock.now()))
            }
            guard begins else { continue }
            var complaint: String?
            do throws(DeviceError) { try devices[index].probe() } catch { complaint = error.message }
            endProbe(index, complaint)
        }
        freeModels()
        // Under the lock's order: what changes this later asks for a call itself.
        let next = state.withLock { state in
            state.devices.reduce(Instant.never) { $1.isServing || $1.isProbing ? $0 : min($0, $1.probeAt) }
        }
        if next < .never { upkeep.set(next) }
    }

    private func endProbe(_ index: Int, _ complaint: String?) {
        var effects = Effects()
        state.withLock { state in
            let now = max(state.scheduler.lastStep, clock.now())
            let removedAt = state.devices[index].removedAt
            guard state.devices[index].endProbe(complaint, at: now) else { return }
            step(.deviceReturned(DeviceID(index: index)), &state, into: &effects)
            let away = (now - removedAt).nanoseconds / 1_000_000
            effects.lines.append(
                LogLine(
                    .deviceReturned, "\(devices[index].name) serves again after \(away) ms",
                    ["device": devices[index].name, "away_ms": "\(away)"]))
        }
        carryOut(effects)
    }

    /// The devices and whether they serve.
    package func deviceStatuses() -> [DeviceStatus] {
        let healths = state.withLock { $0.devices }
        return zip(devices, healths).map { device, health in
            let reason = health.reason.map { reason in
                health.complaint.map { "\(reason.words); \($0)" } ?? reason.words
            }
            return DeviceStatus(
                name: device.name, lanes: device.laneCount, reason: reason, removals: health.removals)
        }
    }
}

extension Engine.State {
    /// A device on which a batch hangs while another one serves, to which its work can go. Where there is no other, it is
    /// left to finish what it can.
    var hangingDevice: DeviceID? {
        guard devices.count > 1, scheduler.state.devices.servingLanes > 0 else { return nil }
        for index in devices.indices
        where scheduler.state.devices.all[index].isHung && devices[index].isServing {
            return DeviceID(index: index)
        }
        return nil
    }
}
