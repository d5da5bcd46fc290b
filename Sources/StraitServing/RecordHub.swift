// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitFormats
internal import StraitPlatform
internal import Synchronization

/// Who is given what happens on a server.
package protocol RecordReader: AnyObject, Sendable {
    /// Whether it wants what happens from now on. Asked ten times a second, from one thread.
    var isInterested: Bool { get }

    /// What comes is of a tape that told of `arrivals` requests before, and whose instants count from `epoch` on the
    /// engine's clock.
    func begin(_ head: Recording.Head, arrivals: Int, epoch: Instant)

    /// What happened since the last time.
    ///
    /// - Parameter dropped: records that had no room since the tape began.
    func take(_ records: [Recording.Record], dropped: Int)

    /// It was not interested any more, and is told nothing until it begins again.
    func end()
}

/// Takes what happens out of the engine ten times a second, and gives it to several readers. The engine notes nothing
/// while none of them is interested, and then nothing wakes up here either.
///
/// The engine notes in memory of bounded length, under its lock; this takes that out by an exchange of two arrays.
package final class RecordHub: Sendable {
    private let engine: Engine
    private let capacity: Int
    private let wakeup = Wakeup()
    private let thread = ThreadSlot()
    private let isStopping = Atomic(false)

    private struct Seat {
        let reader: any RecordReader
        var hasBegun = false
    }

    private struct State {
        var seats: [Seat] = []
        /// The head of the tape, with the models that joined since; nil while there is no tape.
        var head: Recording.Head?
        var epoch = Instant.zero
        var arrivals = 0
        /// Taken out and given away; kept for its memory.
        var records: [Recording.Record] = []
    }

    private let state = Mutex(State())

    /// How often records are taken out.
    private static let interval = StraitCore.Duration.milliseconds(100)
    /// Records between two of those: more than a server answers in a second. Twice as many take 20 MB.
    package static let usualCapacity = 65_536

    /// A hub that nobody reads from yet.
    ///
    /// - Parameter capacity: the most records that the engine keeps until they are taken.
    package init(engine: Engine, capacity: Int = usualCapacity) {
        self.engine = engine
        self.capacity = capacity
    }

    /// Adds a reader, which begins at once if it is interested.
    package func add(_ reader: any RecordReader) {
        state.withLock { state in
            state.seats.append(Seat(reader: reader))
            turn(&state)
        }
        wakeup.signal()
    }

    /// Gives a reader the rest, and nothing more.
    ///
    /// - Returns: when that was, as its records count; nil if it had not begun.
    package func remove(_ reader: any RecordReader) -> Instant? {
        state.withLock { state in
            turn(&state)
            guard let index = state.seats.firstIndex(where: { $0.reader === reader }) else { return nil }
            let seat = state.seats.remove(at: index)
            defer { if !state.seats.contains(where: \.reader.isInterested) { endTape(&state) } }
            return seat.hasBegun ? engine.now() - (state.epoch - .zero) : nil
        }
    }

    /// To be called when a reader has become interested; it does not hold the hub.
    package var wake: @Sendable () -> Void { { [wakeup] in wakeup.signal() } }

    /// Starts to do all that ten times a second.
    package func start() {
        let started = SystemThread(name: "recorder") { [self] in
            while !isStopping.load(ordering: .acquiring) {
                if tick() {
                    _ = wakeup.wait(untilNanoseconds: MonotonicClock.nanoseconds() + Self.interval.nanoseconds)
                } else {
                    wakeup.wait()
                }
            }
        }
        thread.put(started)
    }

    /// Stops; what was not taken yet stays in the engine.
    package func stop() {
        isStopping.store(true, ordering: .releasing)
        wakeup.signal()
        thread.take()?.join()
    }

    /// Gives the readers what happened since the last time.
    ///
    /// - Returns: whether anybody is interested.
    @discardableResult
    package func tick() -> Bool {
        state.withLock { state in
            turn(&state)
            return state.head != nil
        }
    }

    private func turn(_ state: inout State) {
        if state.head != nil { giveAway(&state) }
        var isWanted = false
        for index in state.seats.indices {
            guard state.seats[index].reader.isInterested else {
                if state.seats[index].hasBegun { state.seats[index].reader.end() }
                state.seats[index].hasBegun = false
                continue
            }
            isWanted = true
            guard !state.seats[index].hasBegun else { continue }
            let head = state.head ?? beginTape(&state)
            state.seats[index].hasBegun = true
            state.seats[index].reader.begin(head, arrivals: state.arrivals, epoch: state.epoch)
        }
        if !isWanted { endTape(&state) }
    }

    private func giveAway(_ state: inout State) {
        let dropped = engine.takeRecords(&state.records)
        for record in state.records {
            switch record {
            case .arrival: state.arrivals += 1
            case .model(let model, _): state.head?.models.append(model)
            default: break
            }
        }
        for seat in state.seats where seat.hasBegun { seat.reader.take(state.records, dropped: dropped) }
        state.records.removeAll(keepingCapacity: true)
    }

    private func beginTape(_ state: inout State) -> Recording.Head {
        let (head, epoch) = engine.startRecording(
            capacity: capacity, calendarMilliseconds: Int64(clamping: MonotonicClock.calendarMilliseconds()))
        state.records.reserveCapacity(capacity)
        state.head = head
        state.epoch = epoch
        state.arrivals = 0
        return head
    }

    private func endTape(_ state: inout State) {
        guard state.head != nil else { return }
        engine.stopRecording(&state.records)
        state.head = nil
        state.records = []
    }
}
