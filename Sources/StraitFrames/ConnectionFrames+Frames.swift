// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

// What each kind of frame means.

extension ConnectionFrames {
    /// Takes one frame that is complete; of data, its start.
    mutating func take(
        _ head: FrameHead, _ payload: UnsafeRawBufferPointer
    ) throws(ConnectionFault) -> FrameEvent? {
        switch FrameType(rawValue: head.type) {
        case .data: try beginData(head, payload)
        case .headers: return try takeHeaders(head, payload)
        case .continuation: return try takeContinuation(head, payload)
        case .reset: return try takeReset(head, payload)
        case .settings: try takeSettings(head, payload)
        case .ping: return try takePing(head, payload)
        case .windowUpdate: try takeWindowUpdate(head, payload)
        case .goAway:
            guard head.stream == 0 else { throw Self.wrongStream }
            guard payload.count >= 8 else { throw Self.wrongLength }
            // It says that no streams of ours are taken any more, of which there are none.
            try countNuisance()
        case .priority:
            guard head.stream > 0 else { throw Self.wrongStream }
            try countNuisance()
        case .pushPromise: throw ConnectionFault(.violation, "only servers promise")
        case nil: try countNuisance()
        }
        return nil
    }

    static let unknownStream = ConnectionFault(.violation, "a frame names a stream that nobody has begun")
    private static let wrongStream = ConnectionFault(.violation, "a frame does not fit the stream that it names")
    private static let wrongLength = ConnectionFault(.frameSize, "a frame has a length that its kind cannot have")
    private static let wideWindow = ConnectionFault(.flowControl, "a window grows beyond 2147483647 bytes")

    /// Whether a stream is one that the client has begun. Of those that have ended, frames may still be on their way.
    func isKnown(_ stream: Int) -> Bool { stream % 2 == 1 && stream <= lastStream }

    /// Counts what does nothing but cost.
    mutating func countNuisance() throws(ConnectionFault) {
        if now - nuisance.since > .seconds(1) { nuisance = (now, 0) }
        nuisance.count += 1
        guard nuisance.count <= limits.nuisancesPerSecond else {
            throw ConnectionFault(
                .tooMuch, "more than \(limits.nuisancesPerSecond) frames in a second that ask nothing; send fewer")
        }
    }

    // -- headers -------------------------------------------------------------------------------------------------

    private mutating func takeHeaders(
        _ head: FrameHead, _ payload: UnsafeRawBufferPointer
    ) throws(ConnectionFault) -> FrameEvent? {
        guard head.stream % 2 == 1 else { throw Self.wrongStream }
        var (start, end) = (0, payload.count)
        if head.has(FrameFlag.padded) {
            guard end > 0 else { throw Self.wrongLength }
            start = 1
            end -= Int(payload[0])
        }
        if head.has(FrameFlag.priority) { start += Self.priorityBytes }
        guard start <= end else { throw ConnectionFault(.violation, "a frame of headers has more padding than bytes") }
        let block = UnsafeRawBufferPointer(rebasing: payload[start..<end])
        let isLast = head.has(FrameFlag.endStream)
        guard head.has(FrameFlag.endHeaders) else {
            openBlock = (head.stream, isLast, Array(block))
            return nil
        }
        return try takeBlock(head.stream, isLast: isLast, block)
    }

    /// A stream's place among the others, which nobody heeds any more.
    private static var priorityBytes: Int { 5 }

    private mutating func takeContinuation(
        _ head: FrameHead, _ payload: UnsafeRawBufferPointer
    ) throws(ConnectionFault) -> FrameEvent? {
        guard var block = openBlock else {
            throw ConnectionFault(.violation, "a CONTINUATION continues nothing")
        }
        try countNuisance()
        openBlock = nil
        guard block.bytes.count + payload.count <= limits.wholeFrameBytes else {
            throw ConnectionFault(.tooMuch, "a block of headers has more than \(limits.wholeFrameBytes) bytes")
        }
        block.bytes += payload
        guard head.has(FrameFlag.endHeaders) else {
            openBlock = block
            return nil
        }
        let outcome = block.bytes.withUnsafeBytes { bytes in
            Result { () throws(ConnectionFault) in try takeBlock(block.stream, isLast: block.isLast, bytes) }
        }
        return try outcome.get()
    }

    private mutating func takeBlock(
        _ stream: Int, isLast: Bool, _ block: UnsafeRawBufferPointer
    ) throws(ConnectionFault) -> FrameEvent? {
        guard stream > lastStream else { return try takeTrailers(stream, isLast: isLast, block) }
        lastStream = stream
        let head = try blocks.read(block)
        // The client was told that no more are taken; another server may take it.
        guard streams.count < limits.streams, !isClosed, headerBytes + head.size <= limits.allHeaderBytes else {
            reset(stream, .refused)
            try countNuisance()
            return nil
        }
        var state = StreamState(
            sendWindow: firstSendWindow, receiveWindow: limits.windowBytes, headerBytes: head.size)
        state.isClientOpen = !isLast
        streams[stream] = state
        headerBytes += head.size
        return .opened(stream: stream, head: head, isLast: isLast)
    }

    /// What follows the messages of a call; clients of gRPC say nothing there. Of a call that has ended here, it may have
    /// been on its way.
    private mutating func takeTrailers(
        _ stream: Int, isLast: Bool, _ block: UnsafeRawBufferPointer
    ) throws(ConnectionFault) -> FrameEvent? {
        try blocks.pass(block)
        guard let state = streams[stream] else {
            try countNuisance()
            return nil
        }
        guard state.isClientOpen else { throw Self.afterEnd }
        guard isLast else {
            throw ConnectionFault(.violation, "headers come twice, and the second ones are no trailers")
        }
        streams[stream]?.isClientOpen = false
        return .data(stream: stream, range: 0..<0, isLast: true)
    }

    static let afterEnd = ConnectionFault(.streamClosed, "something comes of a stream behind its end")

    // -- streams -------------------------------------------------------------------------------------------------

    private mutating func takeReset(
        _ head: FrameHead, _ payload: UnsafeRawBufferPointer
    ) throws(ConnectionFault) -> FrameEvent? {
        guard payload.count == 4 else { throw Self.wrongLength }
        guard isKnown(head.stream) else { throw Self.unknownStream }
        try countNuisance()
        return close(head.stream) == nil ? nil : .reset(stream: head.stream)
    }

    private mutating func takeWindowUpdate(
        _ head: FrameHead, _ payload: UnsafeRawBufferPointer
    ) throws(ConnectionFault) {
        guard payload.count == 4 else { throw Self.wrongLength }
        guard head.stream == 0 || isKnown(head.stream) else { throw Self.unknownStream }
        let increment = Int(payload.number(at: 0) & FrameHead.numberMask)
        guard increment > 0 else { throw ConnectionFault(.violation, "a window grows by nothing") }
        if head.stream == 0 {
            sendWindow += increment
            guard sendWindow <= Self.largestWindow else { throw Self.wideWindow }
        } else if var state = streams[head.stream] {
            try widen(&state, by: increment, of: head.stream)
            streams[head.stream] = state
        }
    }

    private mutating func widen(
        _ state: inout StreamState, by bytes: Int, of stream: Int
    ) throws(ConnectionFault) {
        state.sendWindow += bytes
        guard state.sendWindow <= Self.largestWindow else { throw Self.wideWindow }
        if state.isWaiting, state.sendWindow > 0 {
            state.isWaiting = false
            roomy.append(stream)
        }
    }

    /// Counts a frame of data against what the client was allowed to send, and allows it more.
    mutating func receive(_ head: FrameHead, unused: Int, isLast: Bool) throws(ConnectionFault) {
        if head.length == 0, !isLast { try countNuisance() }
        receiveWindow -= head.length
        guard receiveWindow >= 0 else { throw Self.beyondWindow }
        received += head.length
        if received > 0, received >= limits.windowBytes / 2 {
            replies.appendWindowUpdate(0, received)
            receiveWindow += received
            received = 0
        }
        guard let place = streams.index(forKey: head.stream) else { return }
        guard streams.values[place].isClientOpen else { throw Self.afterEnd }
        let left = streams.values[place].receiveWindow - head.length
        guard left >= 0 else { throw Self.beyondWindow }
        streams.values[place].receiveWindow = left
        streams.values[place].used += unused
    }

    private static let beyondWindow = ConnectionFault(.flowControl, "more data comes than was allowed")

    // -- the connection ------------------------------------------------------------------------------------------

    private mutating func takeSettings(
        _ head: FrameHead, _ payload: UnsafeRawBufferPointer
    ) throws(ConnectionFault) {
        guard head.stream == 0 else { throw Self.wrongStream }
        guard payload.count % Self.settingBytes == 0 else { throw Self.wrongLength }
        guard payload.count <= Self.mostSettings * Self.settingBytes else {
            throw ConnectionFault(.tooMuch, "more than \(Self.mostSettings) settings in a frame")
        }
        try countNuisance()
        if head.has(FrameFlag.acknowledged) {
            guard payload.isEmpty, hasSettings else { throw Self.wrongLength }
            return
        }
        hasSettings = true
        var window = firstSendWindow
        for place in stride(from: 0, to: payload.count, by: Self.settingBytes) {
            let value = Int(payload.number(at: place + 2))
            switch UInt16(payload.number(at: place) >> 16) {
            case Setting.firstWindow:
                guard value <= Self.largestWindow else { throw Self.wideWindow }
                window = value
            case Setting.frameBytes:
                guard (Self.defaultFrame...Self.longestFrame).contains(value) else {
                    throw ConnectionFault(.violation, "SETTINGS allow frames of \(value) bytes; that cannot be")
                }
                largestFrame = value
            default: break
            }
        }
        try setFirstWindow(window)
        replies.appendFrameHead(.settings, flags: FrameFlag.acknowledged, length: 0)
    }

    /// Changes the windows of all streams, once a frame: it may name the setting often.
    private mutating func setFirstWindow(_ bytes: Int) throws(ConnectionFault) {
        let change = bytes - firstSendWindow
        guard change != 0 else { return }
        firstSendWindow = bytes
        for (stream, old) in streams {
            var state = old
            try widen(&state, by: change, of: stream)
            streams[stream] = state
        }
    }

    private static var settingBytes: Int { 6 }
    /// Settings in one frame. There are nine kinds, and room for those to come.
    private static var mostSettings: Int { 32 }
    private static var longestFrame: Int { 0xFF_FFFF }

    private mutating func takePing(
        _ head: FrameHead, _ payload: UnsafeRawBufferPointer
    ) throws(ConnectionFault) -> FrameEvent? {
        guard payload.count == 8 else { throw Self.wrongLength }
        guard head.stream == 0 else { throw Self.wrongStream }
        try countNuisance()
        if head.has(FrameFlag.acknowledged) { return .pingAnswered }
        replies.appendFrameHead(.ping, flags: FrameFlag.acknowledged, length: payload.count)
        replies.append(contentsOf: payload)
        return nil
    }

    /// What a server says first: how much it takes at a time.
    mutating func greet() {
        let settings: [(UInt16, Int)] = [
            (Setting.streams, limits.streams), (Setting.firstWindow, limits.windowBytes),
            (Setting.frameBytes, limits.frameBytes), (Setting.headerBytes, limits.headerBytes),
        ]
        replies.appendFrameHead(.settings, length: settings.count * Self.settingBytes)
        for (name, value) in settings {
            replies.appendNumber(name)
            replies.appendNumber(UInt32(truncatingIfNeeded: value))
        }
        if receiveWindow > Self.defaultWindow { replies.appendWindowUpdate(0, receiveWindow - Self.defaultWindow) }
    }

    private enum Setting {
        static let streams: UInt16 = 3
        static let firstWindow: UInt16 = 4
        static let frameBytes: UInt16 = 5
        static let headerBytes: UInt16 = 6
    }
}
