// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitDevices
package import StraitFormats
internal import StraitProtocol
internal import Synchronization

// What happens on the server, for a recording: noted under the engine's lock, taken out and written elsewhere.

extension Engine {
    /// Starts to record. Models that are added afterwards are not in the head but join on the way.
    ///
    /// - Parameters:
    ///   - capacity: the most records that are kept until they are taken; what comes beyond is left out and counted.
    ///   - calendarMilliseconds: the time on the calendar, since 1970.
    /// - Returns: the head, and the instant that recorded ones count from.
    package func startRecording(
        capacity: Int, calendarMilliseconds: Int64?
    ) -> (head: Recording.Head, epoch: Instant) {
        state.withLock { state in
            let epoch = clock.now()
            state.tape = RecordingTape(capacity: capacity, epoch: epoch, models: state.models.count)
            let models = state.models.map { state.recorded($0.model) }
            var head = Recording.Head(
                source: .live, policy: policy.rawValue, origin: DeviceIdentity(of: devices).name, start: .zero,
                calendarMilliseconds: calendarMilliseconds, maximumWaiting: limits.maximumWaiting,
                devices: devices.map {
                    Recording.Device(name: $0.name, lanes: $0.laneCount, copies: $0.copying != nil)
                }, models: models)
            head.hasLearned = state.hasLearned
            return (head, epoch)
        }
    }

    /// Takes out what was recorded.
    ///
    /// - Parameter records: empty; its memory is used from now on.
    /// - Returns: how many records were left out since the beginning.
    package func takeRecords(_ records: inout [Recording.Record]) -> Int {
        state.withLock { state in
            state.tape?.exchange(&records)
            return state.tape?.dropped ?? 0
        }
    }

    /// Stops to record.
    ///
    /// - Parameter records: empty; then holds what was not taken out yet.
    /// - Returns: when that was, counted from the beginning of the recording.
    @discardableResult
    package func stopRecording(_ records: inout [Recording.Record]) -> (end: Instant, dropped: Int) {
        state.withLock { state in
            guard var tape = state.tape else { return (.zero, 0) }
            state.tape = nil
            tape.exchange(&records)
            return (tape.relative(clock.now()), tape.dropped)
        }
    }
}

extension Engine.State {
    /// A model as a recording tells it.
    func recorded(_ model: ServedModel) -> Recording.Model {
        let (name, version) = (model.specification.name, model.specification.version)
        return Recording.Model(
            name: models.count { $0.model.specification.name == name } > 1 ? "\(name):\(version)" : name,
            maximumBatch: max(1, model.specification.maxBatchSize), maximumQueued: model.specification.maxQueueSize,
            profile: model.profile)
    }

    /// Notes an event before the scheduler takes it.
    mutating func record(_ event: Event, at now: Instant) {
        switch event {
        case .arrival(let request): tape?.arrived(request, number: numbered, at: now)
        case .finished(let batch, let times): tape?.ended(batch, .finished, times, at: now)
        case .failed(let batch): tape?.ended(batch, .failed, at: now)
        case .copiedIn(let batch) where scheduler.state.batches.isLive(batch): tape?.copiedIn(batch, at: now)
        case .kernelsDone(let batch) where scheduler.state.batches.isLive(batch): tape?.kernelsDone(batch, at: now)
        case .deviceRemoved(let device):
            for batch in scheduler.state.devices[device].resident { tape?.ended(batch, .withdrawn, at: now) }
            tape?.stepEnded()
            tape?.changed(device, serves: false, at: now)
        case .deviceReturned(let device): tape?.changed(device, serves: true, at: now)
        default: break
        }
    }

    /// Notes a batch that the scheduler has staged.
    mutating func record(_ staged: StagedBatch, _ requestClass: RequestClass, at now: Instant) {
        tape?.staged(staged, requestClass, scheduler.state.calibrations[requestClass.rawValue], at: now)
    }
}
