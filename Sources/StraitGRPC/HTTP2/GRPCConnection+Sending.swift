// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitFrames
internal import StraitProtocol
internal import StraitServing

// What goes out: answers as far as the client's windows and the socket let them, and the ends of calls.

extension GRPCConnection {
    /// Sends an answer, or as much of it as there is room for.
    func send(_ response: WireResponse, on call: Call) {
        guard !call.isOver else { return }
        call.outgoing.append(response)
        if !call.isQueued { sendMore(of: call) }
    }

    /// Ends a call behind the answers that it has.
    func finish(_ call: Call, _ ending: Ending) {
        guard !call.isOver, call.ending == nil else { return }
        call.ending = ending
        if !call.isQueued || call.outgoing.isEmpty { sendMore(of: call) }
    }

    func finish(_ call: Call, _ error: ProtocolError) {
        finish(call, Ending(status: error.grpcStatus, message: error.message))
    }

    /// Writes what waited, call by call, as far as there is room again.
    func sendQueued() {
        for stream in frames.takeRoomy() { if let call = calls[stream] { queued.append(call) } }
        guard !queued.isEmpty, hasRoom else { return }
        let waiting = queued
        queued = []
        for call in waiting { call.isQueued = false }
        for call in waiting where !call.isOver { sendMore(of: call) }
    }

    /// Whether anything at all may be sent: the socket takes it, and the client's window.
    private var hasRoom: Bool {
        guard output.readableBytes < Self.piece, frames.hasRoom, let context else { return false }
        return context.channel.isWritable
    }

    private func sendMore(of call: Call) {
        while let response = call.outgoing.first {
            let sent = call.sentOfFirst
            guard write(response, of: call) else {
                if call.sentOfFirst > sent || !call.isStuck { call.lastProgress = .now() }
                (call.isQueued, call.isStuck) = (true, true)
                // Whose own window is full is not tried again before it has room: a thousand of them would cost at each read.
                if !frames.isWaiting(call.stream) { queued.append(call) }
                return
            }
            call.isStuck = false
            call.outgoing.removeFirst()
            call.sentOfFirst = 0
            call.inFlight -= 1
        }
        if let ending = call.ending { return end(call, ending) }
        if call.backlog != nil { takeBacklog(of: call) }
        endIfComplete(call)
    }

    /// Writes on with an answer; true when all of it was.
    private func write(_ response: WireResponse, of call: Call) -> Bool {
        if !call.hasSentHeaders {
            call.hasSentHeaders = true
            output.writeHeaders(call.stream, endStream: false) { block in
                block.writeStatus200()
                block.writeHeader("content-type", Self.contentType)
            }
        }
        let length = response.byteCount
        let total = length + MessageAssembly.prefixLength
        while call.sentOfFirst < total {
            guard hasRoom else { return false }
            let start = call.sentOfFirst
            let count = frames.grant(min(total - start, Self.piece), on: call.stream)
            guard count > 0 else { return false }
            output.writeFrameHead(.data, stream: call.stream, length: count)
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { memory in
                let prefixed = max(0, min(count, MessageAssembly.prefixLength - start))
                for index in 0..<prefixed { memory[index] = Self.prefixByte(start + index, length) }
                response.write(
                    from: start + prefixed - MessageAssembly.prefixLength,
                    to: UnsafeMutableRawBufferPointer(rebasing: memory[prefixed..<count]))
                return count
            }
            call.sentOfFirst += count
        }
        return true
    }

    /// A byte of what stands before a message: that it is not compressed, and its length.
    private static func prefixByte(_ index: Int, _ length: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: UInt64(UInt32(truncatingIfNeeded: length)) >> UInt64(8 * (4 - index)))
    }

    /// Bytes that are written at a time: they are still in the processor's cache when the kernel takes them.
    private static let piece = 128 << 10

    private static let contentType = Array("application/grpc".utf8)

    // -- ends ----------------------------------------------------------------------------------------------------

    private func end(_ call: Call, _ ending: Ending) {
        output.writeHeaders(call.stream, endStream: true) { block in
            if !call.hasSentHeaders {
                block.writeStatus200()
                block.writeHeader("content-type", Self.contentType)
            }
            block.writeHeader("grpc-status", StatusNumbers.text(ending.status))
            if !ending.message.isEmpty {
                block.writeHeader("grpc-message", PercentEncoding.encode(ending.message, limit: Self.messageBytes))
            }
            for (name, value) in ending.metadata { block.writeHeader(name, value) }
        }
        if frames.close(call.stream) == true {
            // No error: with any other code clients take the reset for the answer.
            output.writeReset(call.stream, .none)
        }
        forget(call)
    }

    /// Bytes of an error's message: with it the trailers stay far below what clients take.
    private static let messageBytes = 4 << 10

    /// Ends a stream that is no call of gRPC.
    func endForeign(_ call: Call, status: Int) {
        output.writeHeaders(call.stream, endStream: true) { block in
            block.writeHeader(":status", String(status).utf8)
        }
        if frames.close(call.stream) == true { output.writeReset(call.stream, .none) }
        forget(call)
    }

    /// Lets go of a call, and takes its requests back.
    func forget(_ call: Call) {
        calls[call.stream] = nil
        frames.close(call.stream)
        abandon(call)
        if calls.isEmpty { lastCallEnded = .now() }
    }

    /// Takes a call's requests back.
    func abandon(_ call: Call) {
        guard !call.isOver else { return }
        call.isOver = true
        call.outgoing = []
        call.backlog = nil
        if let id = call.onlyRequest { service.engine.cancel(id) }
        for id in call.requests.values { service.engine.cancel(id) }
        for job in call.jobs.values { job.cancel() }
        call.jobs = [:]
        call.onlyRequest = nil
        call.requests = [:]
        call.atEnd?()
        call.atEnd = nil
    }
}

/// gRPC's statuses as text.
enum StatusNumbers {
    private static let texts = (0...16).map { Array(String($0).utf8) }

    static func text(_ status: Int) -> [UInt8] { texts[texts.indices.contains(status) ? status : 2] }
}

/// How gRPC writes messages in a header: bytes that are not plain ASCII, and `%`, as `%` and two digits.
enum PercentEncoding {
    static func encode(_ text: String, limit: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            guard bytes.count < limit else { break }
            if byte >= 0x20, byte < 0x7F, byte != UInt8(ascii: "%") {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return bytes
    }

    private static let digits = Array("0123456789ABCDEF".utf8)
}
