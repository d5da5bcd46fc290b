// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// What happened on a server or in a simulation, one by one: which requests came, which batches ran where and when, and
/// how each request ended (docs/fidelity.md tells the file).
package struct Recording: Sendable, Hashable {
    /// Who recorded, and what the scheduler was told.
    package var head: Head
    /// Requests in the order in which the scheduler saw them. Others refer to them by their place here.
    package var arrivals: [Arrival] = []
    /// Batches in the order in which they ended. Those that had not ended by then are missing.
    package var batches: [Batch] = []
    /// Answers in their order. Requests that were not answered by then have none.
    package var answers: [Answer] = []
    /// Devices that were taken out of service or came back, in their order.
    package var changes: [DeviceChange] = []
    /// When recording ended; nil if it was cut off.
    package var end: Instant?
    /// Arrivals, batches and answers that were left out because there was no room for them.
    package var dropped = 0

    /// A recording of nothing yet.
    package init(_ head: Head) { self.head = head }

    /// How each request was answered, by its place in `arrivals`; nil for those that were not.
    ///
    /// - Complexity: O(arrivals + answers).
    package var answersByArrival: [Answer?] {
        var found = [Answer?](repeating: nil, count: arrivals.count)
        for answer in answers { found[answer.arrival] = answer }
        return found
    }

    /// Who recorded.
    package enum Source: String, Sendable, Hashable, CaseIterable {
        /// A simulation: times are virtual.
        case simulated
        /// A server: times are of its monotonic clock, from the start of the recording.
        case live
    }

    /// Who recorded, and what the scheduler was told.
    package struct Head: Sendable, Hashable {
        /// A server or a simulation.
        package var source: Source
        /// The policy's name.
        package var policy: String
        /// The scenario's name, or what the server runs on.
        package var origin: String
        /// The seed of a simulation.
        package var seed: UInt64?
        /// When recording began: nothing that ended before is told of.
        package var start: Instant
        /// The time on the calendar then, in milliseconds since 1970; nil for a simulation.
        package var calendarMilliseconds: Int64?
        /// The most requests that might wait.
        package var maximumWaiting: Int
        /// Whether the scheduler knew from the beginning what an earlier one had learned.
        package var hasLearned = false
        /// The devices, in the scheduler's order.
        package var devices: [Device]
        /// The models, in the scheduler's order; those that joined while it was recorded come last.
        package var models: [Model]

        /// A head.
        package init(
            source: Source, policy: String, origin: String, seed: UInt64? = nil, start: Instant,
            calendarMilliseconds: Int64? = nil, maximumWaiting: Int = SchedulerLimits().maximumWaiting,
            devices: [Device], models: [Model]
        ) {
            self.source = source
            self.policy = policy
            self.origin = origin
            self.seed = seed
            self.start = start
            self.calendarMilliseconds = calendarMilliseconds
            self.maximumWaiting = maximumWaiting
            self.devices = devices
            self.models = models
        }
    }

    /// A device.
    package struct Device: Sendable, Hashable {
        /// What people call it.
        package var name: String
        /// Batches that it can run at the same time.
        package var lanes: Int
        /// Whether it copies. The times of a batch on one that does not are what the device measured.
        package var copies: Bool

        /// A device.
        package init(name: String, lanes: Int, copies: Bool) {
            self.name = name
            self.lanes = lanes
            self.copies = copies
        }
    }

    /// A model.
    package struct Model: Sendable, Hashable {
        /// What people call it.
        package var name: String
        /// The most rows in a batch.
        package var maximumBatch: Int
        /// The most requests that might wait for it; nil for no bound of its own.
        package var maximumQueued: Int?
        /// The profile that the scheduler was given; nil if it was given none.
        package var profile: ModelProfile?

        /// A model.
        package init(name: String, maximumBatch: Int, maximumQueued: Int? = nil, profile: ModelProfile? = nil) {
            self.name = name
            self.maximumBatch = maximumBatch
            self.maximumQueued = maximumQueued
            self.profile = profile
        }
    }
}

extension Recording {
    /// A request that came.
    package struct Arrival: Sendable, Hashable {
        /// When the scheduler saw it.
        package var at: Instant
        /// The place of its model.
        package var model: Int
        /// Its class.
        package var requestClass: RequestClass
        /// Its rows.
        package var rows: Int
        /// When it was due; `never` if it was not.
        package var deadline: Instant
        /// The elements of one of its rows, to the power of two above, as a power of two.
        package var bucket: UInt8
        /// Requests of one model share a batch only if they have the same shape.
        package var shape: UInt32
        /// The number that the server knows it by; 0 where there is none. Not in files.
        package var number: UInt64

        /// A request.
        package init(
            at: Instant, model: Int, _ requestClass: RequestClass, rows: Int = 1, deadline: Instant, bucket: UInt8 = 0,
            shape: UInt32 = 0, number: UInt64 = 0
        ) {
            self.at = at
            self.model = model
            self.requestClass = requestClass
            self.rows = rows
            self.deadline = deadline
            self.bucket = bucket
            self.shape = shape
            self.number = number
        }
    }

    /// A batch that has ended.
    package struct Batch: Sendable, Hashable {
        /// How a batch can end.
        package enum End: String, Sendable, Hashable, CaseIterable {
            /// Its results were there.
            case finished
            /// Its device failed.
            case failed
            /// The scheduler stopped it; its requests waited again.
            case killed
            /// Its device was taken out of service; its requests waited again, or had failed.
            case withdrawn
        }

        /// The place of its device.
        package var device: Int
        /// The lane that it held.
        package var lane: Int
        /// The place of its model.
        package var model: Int
        /// High if any of its requests was.
        package var requestClass: RequestClass
        /// Its rows.
        package var rows: Int
        /// When it was handed to the device.
        package var stagedAt: Instant
        /// When its inputs were there; nil if it ended before.
        package var copiedInAt: Instant?
        /// When its kernels were done; nil if it ended before.
        package var kernelsDoneAt: Instant?
        /// When it ended.
        package var endedAt: Instant
        /// How it ended.
        package var end = End.finished
        /// When it was predicted to finish, as of its staging.
        package var predictedFinish: Instant
        /// By when half of such batches were expected to be done, as of its staging.
        package var medianBound: Instant
        /// By when 95 of 100 such batches were expected to be done, as of its staging.
        package var bound95: Instant
        /// Its requests that were answered in time.
        package var met = 0
        /// Its requests that were answered too late.
        package var late = 0

        /// A batch, with no end yet but the prediction.
        package init(
            device: Int, lane: Int, model: Int, _ requestClass: RequestClass, rows: Int, stagedAt: Instant,
            predictedFinish: Instant, medianBound: Instant, bound95: Instant
        ) {
            self.device = device
            self.lane = lane
            self.model = model
            self.requestClass = requestClass
            self.rows = rows
            self.stagedAt = stagedAt
            self.endedAt = stagedAt
            self.predictedFinish = predictedFinish
            self.medianBound = medianBound
            self.bound95 = bound95
        }
    }

    /// How a request ended.
    package struct Answer: Sendable, Hashable {
        /// The place of its arrival.
        package var arrival: Int
        /// How it ended.
        package var ending: Ending
        /// When.
        package var at: Instant

        /// An answer.
        package init(arrival: Int, _ ending: Ending, at: Instant) {
            self.arrival = arrival
            self.ending = ending
            self.at = at
        }
    }

    /// How a request can end.
    package enum Ending: Sendable, Hashable {
        /// Answered in time.
        case met
        /// Answered too late.
        case late
        /// Not run.
        case shed(ShedReason)
        /// Its batch failed.
        case failed
        /// Its client had gone.
        case cancelled

        /// What the scheduler said of it.
        package init(_ outcome: Outcome) {
            switch outcome {
            case .met: self = .met
            case .late: self = .late
            case .shed(let reason, _): self = .shed(reason)
            case .failed: self = .failed
            case .cancelled: self = .cancelled
            }
        }
    }

    /// A device that was taken out of service or came back.
    package struct DeviceChange: Sendable, Hashable {
        /// When.
        package var at: Instant
        /// The place of the device.
        package var device: Int
        /// Whether it serves from then on.
        package var serves: Bool

        /// A change.
        package init(at: Instant, device: Int, serves: Bool) {
            self.at = at
            self.device = device
            self.serves = serves
        }
    }

    /// One line of a recording.
    package enum Record: Sendable, Hashable {
        /// A request came.
        case arrival(Arrival)
        /// A batch has ended.
        case batch(Batch)
        /// A request was answered.
        case answer(Answer)
        /// A model joined. It gets the next place among the models.
        case model(Model, at: Instant)
        /// A device went or came back.
        case device(DeviceChange)
    }

    /// Takes up a record, which comes no earlier than those before it.
    package mutating func append(_ record: Record) {
        switch record {
        case .arrival(let arrival): arrivals.append(arrival)
        case .batch(let batch): batches.append(batch)
        case .answer(let answer): answers.append(answer)
        case .model(let model, _): head.models.append(model)
        case .device(let change): changes.append(change)
        }
    }
}
