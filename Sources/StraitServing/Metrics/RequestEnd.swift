// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitProtocol

/// How a request ended, as it is counted: each ends in exactly one of these ways.
enum RequestEnd: Int, Sendable, Hashable, CaseIterable {
    /// Answered in time.
    case met
    /// Answered late.
    case late
    /// Not run: on arrival it could not have been in time any more.
    case hopelessOnArrival
    /// Not run: while it waited it became hopeless.
    case hopelessInQueue
    /// Not run: the server's queue was full.
    case queueFull
    /// Not run: its model's queue was full.
    case modelQueueFull
    /// Not run: its model was unloaded, or being unloaded.
    case modelUnloaded
    /// Not run: its model was being loaded, or could not be.
    case modelUnavailable
    /// Not run: the server was draining.
    case draining
    /// Not run: there was no memory for its tensors.
    case noMemory
    /// Its client went away.
    case cancelled
    /// It ran and failed, or the server did.
    case failed
    /// It was not what the model or the protocol takes.
    case malformed
    /// It asked for what is not there.
    case unknownModel
    /// It was larger than the server takes.
    case tooLarge
    /// Its client is not known, or may not do that.
    case denied
    /// Not run: its tenant had sent as much as it may.
    case tenantLimit

    /// How it ended, in a word.
    var outcome: String {
        switch self {
        case .met: "met"
        case .late: "late"
        case .hopelessOnArrival, .hopelessInQueue, .queueFull, .modelQueueFull, .modelUnloaded, .modelUnavailable,
            .draining, .noMemory, .tenantLimit:
            "shed"
        case .cancelled: "cancelled"
        case .failed: "failed"
        case .malformed, .unknownModel, .tooLarge, .denied: "invalid"
        }
    }

    /// Why, in a word; empty where the outcome says it all.
    var reason: String {
        switch self {
        case .met, .late, .cancelled, .failed: ""
        case .hopelessOnArrival: "hopeless_on_arrival"
        case .hopelessInQueue: "hopeless_in_queue"
        case .queueFull: "queue_full"
        case .modelQueueFull: "model_queue_full"
        case .modelUnloaded: "model_unloaded"
        case .modelUnavailable: "model_unavailable"
        case .draining: "draining"
        case .noMemory: "no_memory"
        case .malformed: "malformed"
        case .unknownModel: "unknown_model"
        case .tooLarge: "too_large"
        case .denied: "denied"
        case .tenantLimit: "tenant_limit"
        }
    }

    /// Whether only requests that were read end so, whose class is therefore known: these series are there from the start.
    var isUsual: Bool { outcome != "invalid" && self != .tenantLimit }

    /// How a request ended that the scheduler had.
    init(_ outcome: Outcome, _ reply: Reply) {
        switch outcome {
        case .met: self = .met
        case .late: self = .late
        case .failed:
            // Of a batch that was split, the scheduler knows only that it failed; some of it may have results.
            if case .answered(let answer) = reply { self = answer.isLate ? .late : .met } else { self = .failed }
        case .cancelled: self = .cancelled
        case .shed(.hopelessOnArrival, _): self = .hopelessOnArrival
        case .shed(.hopelessInQueue, _): self = .hopelessInQueue
        case .shed(.queueFull, _): self = .queueFull
        case .shed(.modelQueueFull, _): self = .modelQueueFull
        case .shed(.modelUnloaded, _): self = .modelUnloaded
        }
    }

    /// Of a request that the engine did not give to the scheduler.
    init(_ why: RequestEntry.TurnedAway) {
        switch why {
        case .draining: self = .draining
        case .unloading: self = .modelUnloaded
        case .tensorMemoryFull: self = .noMemory
        }
    }

    /// How a request ended that never reached the scheduler.
    ///
    /// - Parameter isDraining: whether it is the server that is not available, rather than a model.
    init(refusedFor error: ProtocolError, isDraining: Bool) {
        switch error.code {
        case .invalidArgument, .unsupported, .alreadyExists: self = .malformed
        case .notFound: self = .unknownModel
        case .payloadTooLarge: self = .tooLarge
        case .resourceExhausted: self = .noMemory
        case .unavailable: self = isDraining ? .draining : .modelUnavailable
        case .cancelled: self = .cancelled
        case .deadlineExceeded: self = .hopelessOnArrival
        case .failedInternally: self = .failed
        case .unauthenticated, .permissionDenied: self = .denied
        }
    }
}

/// The class of a request as it is counted.
enum CountedClass: Int, CaseIterable {
    case high
    case low
    /// The request was refused before its class was known.
    case unknown

    init(_ requestClass: RequestClass?) {
        switch requestClass {
        case .high: self = .high
        case .low: self = .low
        case nil: self = .unknown
        }
    }

    var name: String { "\(self)" }
}
