// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// What is known of a request: as it came, and what has become of it so far.
struct RequestEntry: Sendable {
    /// The server's number for it, counted from 1.
    var number: UInt64
    /// The scheduler's name for it, by which its log of decisions knows it; nil where it never came so far.
    var id: RequestID?
    /// What its client calls it, cut to ``RequestHistory/longestClientID`` bytes; empty where it does not.
    var clientID: String
    /// The model and its version.
    var model: String
    var version: Int
    /// The scheduler's number for the model, which another may have by now.
    var modelID: ModelID
    var requestClass: RequestClass
    var rows: Int
    /// When it arrived, and when it was due.
    var arrived: Instant
    var deadline: Instant
    /// When the scheduler saw it: its tensors had to come in and be read.
    var seenAt = Instant.zero
    /// Requests that waited when it came, by class.
    var waitingHigh = 0
    var waitingLow = 0
    /// The test on arrival, which it passed or failed; nil where there was none.
    var arrivalTest: ArrivalTest?
    /// The server's number for its last batch, counted from 1; 0 before the first.
    var batch: UInt64 = 0
    /// The next request of the same batch; 0 for none.
    var nextInBatch: UInt64 = 0
    /// How often it was put into a batch: more than once where a device was lost.
    var stagings = 0
    /// When it was put into its batch, and what was expected then.
    var stagedAt = Instant.zero
    var predicted = PredictedEnd.none
    /// When it ended.
    var endedAt = Instant.zero
    var fate = Fate.waiting

    /// What has become of a request.
    enum Fate: Sendable {
        case waiting
        case running
        case answered(isLate: Bool)
        /// The scheduler gave it up, for a test that it failed where that is known.
        case shed(ShedReason, predictedFinish: Instant, test: ShedTest?)
        /// It never came to the scheduler.
        case turnedAway(TurnedAway)
        /// With what was told to its client.
        case failed(String)
        case cancelled
    }

    /// Why a request never came to the scheduler.
    package enum TurnedAway: String, Sendable, Hashable, CaseIterable {
        case draining
        case unloading
        case tensorMemoryFull = "tensor memory full"
    }

    /// Whether it had a promise that was not kept: shed, late or failed.
    var isViolation: Bool {
        switch fate {
        case .answered(let isLate): isLate
        case .shed, .turnedAway, .failed: true
        case .waiting, .running, .cancelled: false
        }
    }
}

/// When something was expected to be done, with bounds.
struct PredictedEnd: Sendable, Hashable {
    var expected: Instant
    var bound95: Instant
    var bound99: Instant

    static let none = PredictedEnd(expected: .never, bound95: .never, bound99: .never)

    init(expected: Instant, bound95: Instant, bound99: Instant) {
        self.expected = expected
        self.bound95 = bound95
        self.bound99 = bound99
    }

    /// What a batch that is staged is expected to do, by the calibration of that moment.
    init(_ finish: Instant, from now: Instant, _ calibration: Calibration) {
        guard finish < .never else {
            self = .none
            return
        }
        let bounded = BoundedFinish(finish - now, from: now, calibration)
        self.init(expected: finish, bound95: bounded.bound95, bound99: bounded.bound99)
    }
}

/// The last requests, by their numbers: what is older than its length is forgotten, whether it has ended or not. Its memory
/// is taken as it fills, once.
struct RequestHistory: Sendable {
    private var ring: NumberedRing<PackedRequest>
    /// What clients call them.
    private var clientIDs: TextLog

    /// Bytes of a client's id that are kept, and compared.
    static let longestClientID = 128

    init(capacity: Int) {
        ring = NumberedRing(capacity: capacity)
        clientIDs = TextLog(keeping: capacity * Self.longestClientID)
    }

    var capacity: Int { ring.capacity }

    /// The number of the newest request; 0 before the first.
    var newest: UInt64 { ring.newest }

    /// The number of the oldest request that is kept; 0 while there is none.
    var oldest: UInt64 { ring.oldest }

    /// The requests that are kept.
    var count: Int { ring.count }

    /// All that is kept, in no order.
    var all: [PackedRequest] { ring.all }

    /// What is kept of a request; nil for one that is forgotten or has not come yet.
    subscript(number: UInt64) -> PackedRequest? { ring[number] }

    /// Changes what is known of a request, unless it is forgotten.
    @inline(__always)
    mutating func change(_ number: UInt64, _ body: (inout PackedRequest) -> Void) { ring.change(number, body) }

    /// Takes up a request, whose number is the next.
    mutating func append(_ request: PackedRequest, clientID: String) {
        var request = request
        let id = clientIDs.append(
            clientID, atMost: Self.longestClientID, forgettingBefore: ring[ring.oldest]?.clientID ?? 0)
        request.clientID = id.place
        request.clientIDBytes = UInt8(truncatingIfNeeded: id.count)
        ring.append(request)
    }

    /// What its client calls a request.
    func clientID(of request: PackedRequest) -> String {
        clientIDs.text(at: request.clientID, Int(request.clientIDBytes)) ?? ""
    }

    /// Whether its client calls a request so.
    ///
    /// - Parameter id: as it is ``kept(_:)``.
    func isCalled(_ request: PackedRequest, _ id: String) -> Bool {
        let count = Int(request.clientIDBytes)
        // One that was cut may have been cut within a character, and reads otherwise.
        guard count < Self.longestClientID else { return clientID(of: request) == id }
        return count == id.utf8.count && clientIDs.has(id.utf8, at: request.clientID, count)
    }

    /// A client's id as it is kept.
    static func kept(_ id: String) -> String {
        guard id.utf8.count > longestClientID else { return id }
        return String(decoding: id.utf8.prefix(longestClientID), as: UTF8.self)
    }
}
