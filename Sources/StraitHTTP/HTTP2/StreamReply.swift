// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import StraitProtocol

extension HTTPReply {
    /// Sends it on a stream of HTTP/2, and ends our side of that. NIO's codec makes frames of it.
    func send(on stream: ChannelHandlerContext) {
        var fields = HTTPHeaders()
        fields.reserveCapacity(headers.count + 3)
        let count = byteCount
        fields.add(name: "content-length", value: String(count))
        if let length = encoded?.headerLength {
            fields.add(name: "content-type", value: "application/octet-stream")
            fields.add(name: Self.jsonLengthHeader, value: String(length))
        } else if encoded != nil || !json.isEmpty {
            fields.add(name: "content-type", value: "\(contentType)")
        }
        for (name, value) in headers { fields.add(name: name, value: value) }
        Self.write(.head(HTTPResponseHead(version: .http2, status: status, headers: fields)), on: stream)
        if count > 0, !isHead {
            var body = stream.channel.allocator.buffer(capacity: count)
            writeBody(to: &body)
            Self.write(.body(.byteBuffer(body)), on: stream)
        }
        Self.write(.end(nil), on: stream)
        stream.flush()
    }

    /// Tells a client that waits for it to send its body.
    static func letContinue(on stream: ChannelHandlerContext) {
        write(.head(HTTPResponseHead(version: .http2, status: .continue)), on: stream)
        stream.flush()
    }

    private static func write(_ part: HTTPServerResponsePart, on stream: ChannelHandlerContext) {
        stream.write(NIOAny(part), promise: nil)
    }
}
