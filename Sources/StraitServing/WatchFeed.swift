// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitFormats
internal import StraitPlatform
internal import Synchronization

/// Makes what pages draw from of what happens on the server: five frames a second while somebody watches and something
/// happens, each encoded once however many watch. Nothing is noted or encoded while nobody does.
package final class WatchFeed: RecordReader {
    /// What is sent to whoever watches, as JSON.
    package enum Message: Sendable {
        /// What follows is of another tape: who had something from before forgets it.
        case head([UInt8])
        /// What happened since the last frame.
        case frame([UInt8], isKey: Bool)
        /// Nothing has happened for a while.
        case heartbeat
        /// Nobody watches any more: what was sent before is of no use to who comes next.
        case end
    }

    private let engine: Engine
    private let wake: @Sendable () -> Void
    private let server: String
    /// The instant that times are counted from: that of the server's start.
    private let origin: Instant
    private let interest = Mutex(Interest())

    private struct Interest {
        var viewers = 0
        /// Until when it goes on without any.
        var until = Int64.min
        var deliver: (@Sendable (Message) -> Void)?
    }

    private struct State {
        var frames: WatchFrames?
        /// Records were taken, and no frame made of them yet.
        var isHalfway = false
        var ticksSinceSent = 0
    }

    private let state = Mutex(State())

    /// The time between frames: twice that between two looks at the tape.
    private static let interval = StraitCore.Duration.milliseconds(200)
    /// So long after the last viewer has gone frames are still made, so that a page that is loaded anew finds its past.
    private static let lingering: Int64 = 5_000_000_000
    /// Ticks without a frame after which viewers and what lies between are told that the connection is well.
    private static let heartbeatTicks = 150

    /// A feed that nobody watches yet.
    ///
    /// - Parameter server: the program's name and version.
    package init(engine: Engine, hub: RecordHub, server: String) {
        self.engine = engine
        wake = hub.wake
        self.server = server
        origin = engine.now()
        hub.add(self)
    }

    /// Sets who is given the messages, on the hub's thread. It must not block.
    package func deliver(to body: @escaping @Sendable (Message) -> Void) {
        interest.withLock { $0.deliver = body }
    }

    /// So many watch from now on.
    package func setViewers(_ count: Int) {
        interest.withLock { interest in
            if count == 0, interest.viewers > 0 { interest.until = MonotonicClock.nanoseconds() + Self.lingering }
            interest.viewers = count
        }
        if count > 0 { wake() }
    }

    package var isInterested: Bool {
        interest.withLock { $0.viewers > 0 || MonotonicClock.nanoseconds() < $0.until }
    }

    private func send(_ message: Message) {
        let deliver = interest.withLock(\.deliver)
        deliver?(message)
    }

    package func begin(_ head: Recording.Head, arrivals: Int, epoch: Instant) {
        let message = state.withLock { state in
            // The time on the calendar at the origin.
            var head = head
            let now = engine.now()
            head.calendarMilliseconds = Int64(clamping: MonotonicClock.calendarMilliseconds())
            let frames = WatchFrames(head, arrivals: arrivals, shift: epoch - origin)
            state = State(frames: frames)
            return frames.headMessage(interval: Self.interval, now: now - (origin - .zero), server: server)
        }
        send(.head(message.bytes))
    }

    package func take(_ records: [Recording.Record], dropped: Int) {
        let message = state.withLock { state -> Message? in
            for record in records { state.frames?.take(record) }
            state.isHalfway.toggle()
            state.ticksSinceSent += 1
            guard !state.isHalfway, let frames = state.frames else { return nil }
            let shift = .zero - origin
            var glance = engine.glance()
            glance.at = glance.at + shift
            for index in glance.running.indices {
                glance.running[index].batch = glance.running[index].batch.shifted(by: shift)
            }
            guard !frames.isQuiet(glance) else {
                guard state.ticksSinceSent >= Self.heartbeatTicks else { return nil }
                state.ticksSinceSent = 0
                return .heartbeat
            }
            state.ticksSinceSent = 0
            let isKey = frames.isKeyNext
            // One owner, so that it grows in place.
            state.frames = nil
            var own = frames
            let text = own.frame(glance)
            state.frames = own
            return .frame(text.bytes, isKey: isKey)
        }
        if let message { send(message) }
    }

    package func end() { send(.end) }
}
