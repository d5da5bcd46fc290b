// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitDevices
package import StraitFormats
internal import StraitProtocol
internal import Synchronization

// What happens on the server, for a recording: noted under the engine's lock, taken out and written elsewhere.

extension Engine {
    /// Starts to record. Models that are added afterwards are not in the head.
    ///
    /// - Parameters:
    ///   - capacity: the most records that are kept until they are taken; what comes beyond is left out and counted.
    ///   - calendarMilliseconds: the time on the calendar, since 1970.
    package func startRecording(capacity: Int, calendarMilliseconds: Int64?) -> Recording.Head {
        state.withLock { state in
            state.tape = RecordingTape(capacity: capacity, epoch: clock.now())
            let names = state.models.map(\.specification.name)
            let models = state.models.map { model in
                let (name, version) = (model.specification.name, model.specification.version)
                return Recording.Model(
                    name: names.count { $0 == name } > 1 ? "\(name):\(version)" : name,
                    maximumBatch: max(1, model.specification.maxBatchSize),
                    maximumQueued: model.specification.maxQueueSize, profile: model.profile)
            }
            var head = Recording.Head(
                source: .live, policy: policy.rawValue, origin: device.identity.name, start: .zero,
                calendarMilliseconds: calendarMilliseconds, maximumWaiting: limits.maximumWaiting,
                devices: [Recording.Device(name: device.name, lanes: device.laneCount, copies: false)], models: models)
            head.hasLearned = state.hasLearned
            return head
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
    /// - Returns: when that was, counted from the beginning of the recording.
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
    /// Notes an event before the scheduler takes it.
    mutating func record(_ event: Event, at now: Instant) {
        switch event {
        case .arrival(let request): tape?.arrived(request, at: now)
        case .finished(let batch, let times): tape?.ended(batch, .finished, times, at: now)
        case .failed(let batch): tape?.ended(batch, .failed, at: now)
        default: break
        }
    }

    /// Notes a batch that the scheduler has staged.
    mutating func record(_ staged: StagedBatch, at now: Instant) {
        let requestClass = scheduler.state.batches[staged.batch]?.requestClass ?? .low
        tape?.staged(staged, requestClass, scheduler.state.calibrations[requestClass.rawValue], at: now)
    }
}
