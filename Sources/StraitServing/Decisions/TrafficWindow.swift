// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// What happened in the last seconds, counted second by second: for who watches.
///
/// Counts only; its memory is one row for each model and lane and second, taken when a model joins.
struct TrafficWindow: Sendable {
    /// How requests of one model and class, and its batches, fared.
    struct Counts: Sendable, Hashable {
        var arrived: UInt32 = 0
        var met: UInt32 = 0
        var late: UInt32 = 0
        var hopelessOnArrival: UInt32 = 0
        var hopelessInQueue: UInt32 = 0
        var queueFull: UInt32 = 0
        var modelQueueFull: UInt32 = 0
        var unloaded: UInt32 = 0
        var turnedAway: UInt32 = 0
        var failed: UInt32 = 0
        var cancelled: UInt32 = 0
        var batches: UInt32 = 0
        var rows: UInt32 = 0

        /// Requests that got nothing because of their deadline or for lack of room.
        var shed: UInt32 {
            hopelessOnArrival &+ hopelessInQueue &+ queueFull &+ modelQueueFull &+ unloaded &+ turnedAway
        }

        /// Adds others.
        static func += (left: inout Counts, right: Counts) {
            left.arrived &+= right.arrived
            left.met &+= right.met
            left.late &+= right.late
            left.hopelessOnArrival &+= right.hopelessOnArrival
            left.hopelessInQueue &+= right.hopelessInQueue
            left.queueFull &+= right.queueFull
            left.modelQueueFull &+= right.modelQueueFull
            left.unloaded &+= right.unloaded
            left.turnedAway &+= right.turnedAway
            left.failed &+= right.failed
            left.cancelled &+= right.cancelled
            left.batches &+= right.batches
            left.rows &+= right.rows
        }
    }

    private struct Second: Sendable {
        /// By model and class.
        var counts: [Counts] = []
        /// Nanoseconds for which each lane was held.
        var busy: [Int64]
    }

    private var seconds: [Second]
    /// The second that is being counted, since the clock's epoch.
    private var current: Int64
    /// Its place in the ring, and when the next one begins: most events come before that.
    private var place: Int
    private var next: Int64
    /// When counting began.
    private let start: Instant
    private let laneOffsets: [Int]

    /// Seconds that are kept, the one that is being counted included.
    static let kept = 16
    /// The longest window that can be asked for, in whole seconds.
    static let longest = kept - 1
    private static let second: Int64 = 1_000_000_000

    /// An empty window for devices with so many lanes each.
    init(lanes: [Int], at now: Instant) {
        var offsets: [Int] = []
        var sum = 0
        for count in lanes {
            offsets.append(sum)
            sum += count
        }
        laneOffsets = offsets
        seconds = Array(repeating: Second(busy: Array(repeating: 0, count: sum)), count: Self.kept)
        current = Self.number(of: now)
        place = Self.place(current)
        next = (current + 1) * Self.second
        start = now
    }

    private static func number(of instant: Instant) -> Int64 {
        let (quotient, remainder) = instant.nanoseconds.quotientAndRemainder(dividingBy: second)
        return remainder < 0 ? quotient - 1 : quotient
    }

    private static func place(_ second: Int64) -> Int {
        let rest = Int(second % Int64(kept))
        return rest < 0 ? rest + kept : rest
    }

    /// A model joins, under its number, which another may have had.
    mutating func add(_ model: ModelID) {
        for index in seconds.indices {
            while seconds[index].counts.count <= model.index * 2 + 1 { seconds[index].counts.append(Counts()) }
            seconds[index].counts[model.index * 2] = Counts()
            seconds[index].counts[model.index * 2 + 1] = Counts()
        }
    }

    /// Counts something that happens now.
    @inline(__always)
    mutating func count(
        _ model: ModelID, _ requestClass: RequestClass, at now: Instant, _ body: (inout Counts) -> Void
    ) {
        advance(to: now)
        body(&seconds[place].counts[model.index * 2 + requestClass.rawValue])
    }

    /// A lane was held from one instant to another, which is now.
    mutating func noteBusy(_ device: DeviceID, _ lane: LaneID, from begin: Instant, to end: Instant) {
        advance(to: end)
        let lane = laneOffsets[device.index] + lane.index
        // What lies before the window is of no interest.
        var second = max(Self.number(of: begin), current - Int64(Self.longest))
        while second <= current {
            let from = max(begin.nanoseconds, second * Self.second)
            let to = min(end.nanoseconds, (second + 1) * Self.second)
            seconds[Self.place(second)].busy[lane] += max(0, to - from)
            second += 1
        }
    }

    @inline(__always)
    private mutating func advance(to now: Instant) {
        if now.nanoseconds >= next { advance(toSecond: Self.number(of: now)) }
    }

    private mutating func advance(toSecond second: Int64) {
        for passed in (max(current, second - Int64(Self.kept)) + 1)...second { clear(Self.place(passed)) }
        current = second
        place = Self.place(second)
        next = (second + 1) * Self.second
    }

    private mutating func clear(_ place: Int) {
        for index in seconds[place].counts.indices { seconds[place].counts[index] = Counts() }
        for index in seconds[place].busy.indices { seconds[place].busy[index] = 0 }
    }

    // -- reading --------------------------------------------------------------------------------------------------

    /// The counts of the last whole seconds and of the one that has begun, by model and class; the time that each lane was
    /// held; and since when that is.
    mutating func sums(
        ofLast wanted: Int, at now: Instant
    ) -> (counts: [Counts], busy: [Int64], since: Instant) {
        advance(to: now)
        var counts = seconds[place].counts
        var busy = seconds[place].busy
        let first = current - Int64(min(max(wanted, 1), Self.longest))
        for second in first..<current {
            let other = seconds[Self.place(second)]
            for index in counts.indices { counts[index] += other.counts[index] }
            for index in busy.indices { busy[index] += other.busy[index] }
        }
        return (counts, busy, max(start, Instant(nanoseconds: first * Self.second)))
    }

    /// The place of a lane among those of all devices.
    func place(of device: DeviceID, _ lane: LaneID) -> Int { laneOffsets[device.index] + lane.index }
}
