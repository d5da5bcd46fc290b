// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitProtocol
internal import StraitServing

// What each kind of frame means, but for those of data.

extension GRPCConnection {
    /// Takes one frame that is complete.
    func take(_ head: FrameHead, _ payload: UnsafeRawBufferPointer) throws(ConnectionFault) {
        switch FrameType(rawValue: head.type) {
        case .headers: try takeHeaders(head, payload)
        case .continuation: try takeContinuation(head, payload)
        case .reset: try takeReset(head, payload)
        case .settings: try takeSettings(head, payload)
        case .ping: try takePing(head, payload)
        case .windowUpdate: try takeWindowUpdate(head, payload)
        case .goAway:
            guard head.stream == 0, payload.count >= 8 else { throw ConnectionFault(.violation) }
        case .priority:
            guard head.stream > 0 else { throw ConnectionFault(.violation) }
            try countNuisance()
        // Only servers promise; and data is not read here.
        case .pushPromise, .data: throw ConnectionFault(.violation)
        case nil: try countNuisance()
        }
    }

    // -- headers -------------------------------------------------------------------------------------------------

    private func takeHeaders(_ head: FrameHead, _ payload: UnsafeRawBufferPointer) throws(ConnectionFault) {
        guard head.stream % 2 == 1 else { throw ConnectionFault(.violation) }
        var (start, end) = (0, payload.count)
        if head.has(FrameFlag.padded) {
            guard end > 0 else { throw ConnectionFault(.frameSize) }
            start = 1
            end -= Int(payload[0])
        }
        if head.has(FrameFlag.priority) { start += Self.priorityBytes }
        guard start <= end else { throw ConnectionFault(.violation) }
        let block = UnsafeRawBufferPointer(rebasing: payload[start..<end])
        let isLast = head.has(FrameFlag.endStream)
        guard head.has(FrameFlag.endHeaders) else { return openBlock = (head.stream, isLast, Array(block)) }
        try takeBlock(head.stream, isLast: isLast, block)
    }

    /// A stream's place among the others, which nobody heeds any more.
    private static let priorityBytes = 5

    private func takeContinuation(_ head: FrameHead, _ payload: UnsafeRawBufferPointer) throws(ConnectionFault) {
        guard var block = openBlock, block.stream == head.stream else { throw ConnectionFault(.violation) }
        try countNuisance()
        openBlock = nil
        guard block.bytes.count + payload.count <= Self.blockBytes else { throw ConnectionFault(.tooMuch) }
        block.bytes += payload
        guard head.has(FrameFlag.endHeaders) else { return openBlock = block }
        let outcome = block.bytes.withUnsafeBytes { bytes in
            Result { () throws(ConnectionFault) in try takeBlock(block.stream, isLast: block.isLast, bytes) }
        }
        try outcome.get()
    }

    /// Bytes of the headers of a call, compressed: as many as a single frame may bring.
    private static let blockBytes = 64 << 10

    private func takeBlock(
        _ stream: Int, isLast: Bool, _ block: UnsafeRawBufferPointer
    ) throws(ConnectionFault) {
        guard stream > lastStream else {
            // What follows the messages of a call; clients of gRPC say nothing there. Of a call that has ended here, it
            // may have been on its way.
            try blocks.pass(block)
            guard let call = calls[stream] else { return try countNuisance() }
            guard isLast, call.isClientOpen else { throw ConnectionFault(.violation) }
            return clientEnded(call)
        }
        lastStream = stream
        let head = try blocks.read(block)
        // The client was told that no more are taken; another server may take it.
        guard calls.count < GRPCLimits.streams, !hasQuiesced else {
            output.writeReset(stream, .refused)
            return try countNuisance()
        }
        let call = Call(
            stream: stream, head: head, arrived: service.engine.now(), sendWindow: firstSendWindow,
            messageLimit: messageLimit(of: head.method))
        calls[stream] = call
        begin(call)
        if isLast { clientEnded(call) }
    }

    private func messageLimit(of method: Method?) -> Int {
        switch method {
        case .infer, .streamInfer: limits.messageBytes
        case .control, .watch, nil: min(limits.messageBytes, GRPCLimits.controlMessageBytes)
        }
    }

    // -- streams -------------------------------------------------------------------------------------------------

    private func takeReset(_ head: FrameHead, _ payload: UnsafeRawBufferPointer) throws(ConnectionFault) {
        guard payload.count == 4 else { throw ConnectionFault(.frameSize) }
        guard head.stream > 0, head.stream <= lastStream else { throw ConnectionFault(.violation) }
        try countNuisance()
        if let call = calls[head.stream] { forget(call) }
    }

    private func takeWindowUpdate(_ head: FrameHead, _ payload: UnsafeRawBufferPointer) throws(ConnectionFault) {
        guard payload.count == 4 else { throw ConnectionFault(.frameSize) }
        let increment = Int(payload.number(at: 0) & FrameHead.numberMask)
        guard increment > 0, head.stream <= lastStream else { throw ConnectionFault(.violation) }
        if head.stream == 0 {
            sendWindow += increment
            guard sendWindow <= Self.largestWindow else { throw ConnectionFault(.flowControl) }
        } else if let call = calls[head.stream] {
            call.sendWindow += increment
            guard call.sendWindow <= Self.largestWindow else { throw ConnectionFault(.flowControl) }
        }
    }

    private static let largestWindow = Int(FrameHead.numberMask)

    // -- the connection ------------------------------------------------------------------------------------------

    private func takeSettings(_ head: FrameHead, _ payload: UnsafeRawBufferPointer) throws(ConnectionFault) {
        guard head.stream == 0 else { throw ConnectionFault(.violation) }
        if head.has(FrameFlag.acknowledged) {
            guard payload.isEmpty, hasSettings else { throw ConnectionFault(.frameSize) }
            return
        }
        guard payload.count % Self.settingBytes == 0 else { throw ConnectionFault(.frameSize) }
        // Each may change the windows of all calls, so a frame that repeats them by the thousand would cost milliseconds.
        guard payload.count <= Self.mostSettings * Self.settingBytes else { throw ConnectionFault(.tooMuch) }
        try countNuisance()
        hasSettings = true
        for place in stride(from: 0, to: payload.count, by: Self.settingBytes) {
            let value = Int(payload.number(at: place + 2))
            switch UInt16(payload.number(at: place) >> 16) {
            case Setting.firstWindow:
                guard value <= Self.largestWindow else { throw ConnectionFault(.flowControl) }
                let change = value - firstSendWindow
                firstSendWindow = value
                for call in calls.values {
                    call.sendWindow += change
                    guard call.sendWindow <= Self.largestWindow else { throw ConnectionFault(.flowControl) }
                }
            case Setting.frameBytes:
                guard (Self.defaultFrame...0xFF_FFFF).contains(value) else { throw ConnectionFault(.violation) }
                largestFrame = value
            default: break
            }
        }
        output.writeFrameHead(.settings, flags: FrameFlag.acknowledged, length: 0)
    }

    private static let settingBytes = 6
    /// Settings in one frame. There are nine kinds, and room for those to come.
    private static let mostSettings = 32

    private func takePing(_ head: FrameHead, _ payload: UnsafeRawBufferPointer) throws(ConnectionFault) {
        guard payload.count == 8 else { throw ConnectionFault(.frameSize) }
        guard head.stream == 0 else { throw ConnectionFault(.violation) }
        if head.has(FrameFlag.acknowledged) {
            // Whatever the client had sent before it heard that we are going has come.
            if isQuiescing { quiesced() }
            return
        }
        try countNuisance()
        output.writePing(UInt64(bigEndian: payload.loadUnaligned(as: UInt64.self)), isAnswer: true)
    }

    /// The beginning of what we send: how much we take at a time.
    func begin() {
        let settings: [(UInt16, Int)] = [
            (Setting.streams, GRPCLimits.streams), (Setting.firstWindow, GRPCLimits.windowBytes),
            (Setting.frameBytes, GRPCLimits.frameBytes), (Setting.headerBytes, GRPCLimits.headerBytes),
        ]
        output.writeFrameHead(.settings, length: settings.count * Self.settingBytes)
        for (name, value) in settings {
            output.writeInteger(name)
            output.writeInteger(UInt32(truncatingIfNeeded: value))
        }
        output.writeWindowUpdate(0, GRPCLimits.windowBytes - Self.defaultWindow)
        flush()
        startTicking()
    }

    private enum Setting {
        static let streams: UInt16 = 3
        static let firstWindow: UInt16 = 4
        static let frameBytes: UInt16 = 5
        static let headerBytes: UInt16 = 6
    }

    /// Counts a frame of data against what the client was allowed to send, and allows it more.
    func receive(_ count: Int, on call: Call?, isLast: Bool) throws(ConnectionFault) {
        guard count > 0 else {
            if !isLast { try countNuisance() }
            return
        }
        receiveWindow -= count
        guard receiveWindow >= 0 else { throw ConnectionFault(.flowControl) }
        received += count
        if received >= GRPCLimits.windowBytes / 2 {
            output.writeWindowUpdate(0, received)
            receiveWindow += received
            received = 0
        }
        guard let call else { return }
        guard call.isClientOpen else { throw ConnectionFault(.streamClosed) }
        call.receiveWindow -= count
        guard call.receiveWindow >= 0 else { throw ConnectionFault(.flowControl) }
    }
}
