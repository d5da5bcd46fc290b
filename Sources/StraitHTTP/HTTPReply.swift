// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import StraitCore
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

/// A response, ready to be written.
struct HTTPReply {
    var status: HTTPResponseStatus
    var headers: [(name: String, value: String)] = []
    var json: [UInt8] = []
    /// What `json` is, where it is something else.
    var contentType: StaticString = "application/json"
    /// The tensors that follow the JSON, if any.
    var encoded: EncodedResponse?
    /// What is in it, as tensors of the pool.
    var tensors: [Tensor] = []
    /// Whether only the head is sent.
    var isHead = false
    /// The whole body compressed, if it is sent so.
    private var compressed: [UInt8]?

    /// The name of the header that tells how much of a body is JSON.
    static let jsonLengthHeader = "Inference-Header-Content-Length"

    static func ok(_ json: [UInt8] = []) -> HTTPReply { HTTPReply(status: .ok, json: json) }

    /// An error as the protocol has it: a status and `{"error": …}`.
    init(_ status: HTTPResponseStatus, error message: String) {
        self.init(status: status, json: Documents.errorBody(message))
    }

    init(_ error: ProtocolError) {
        self.init(HTTPResponseStatus(statusCode: error.httpStatus), error: error.message)
        if error.code == .unauthenticated { headers.append(("WWW-Authenticate", "Bearer realm=\"strait\"")) }
    }

    init(_ refusal: Refusal) {
        self.init(refusal.error)
        name(refusal.number)
        if let wait = refusal.retryAfter {
            // Whole seconds, as HTTP has them; rounded up, so that nobody comes too early.
            headers.append(("Retry-After", String(max(1, Int(wait.seconds.rounded(.up))))))
        }
    }

    init(_ encoded: EncodedResponse, timing: Timing, number: UInt64) {
        self.init(status: .ok)
        self.encoded = encoded
        headers.append(("Server-Timing", timing.serverTiming))
        name(number)
    }

    /// Names the request by the server's number, if it got one, so that its client can ask why.
    private mutating func name(_ number: UInt64) {
        if number > 0 { headers.append(("Strait-Request", String(number))) }
    }

    private init(status: HTTPResponseStatus, json: [UInt8] = []) {
        self.status = status
        self.json = json
    }

    /// Compresses the body, unless it is too small to gain by it or so large that it would hold up other connections.
    ///
    /// - Complexity: O(bytes).
    mutating func compress(_ coding: ContentCoding) {
        // Results only: clients that ask for all in the same way do not expect anything else compressed.
        guard let encoded, HTTPLimits.compressedBytes.contains(encoded.byteCount) else { return }
        let result = encoded.json.withUnsafeBytes { bytes in
            Compressor.compress([bytes] + encoded.binaryTensors.map(\.bytes), coding)
        }
        guard let result, result.count < encoded.byteCount else { return }
        compressed = result
        headers.append(("Content-Encoding", coding.rawValue))
        headers.append(("Vary", "Accept-Encoding"))
    }

    /// Bytes of the body.
    var byteCount: Int { compressed?.count ?? encoded?.byteCount ?? json.count }

    /// Writes head and body in one piece: the only copy of the results on their way out.
    func write(to buffer: inout ByteBuffer, keepAlive: Bool) {
        let length = byteCount
        buffer.reserveCapacity(minimumWritableBytes: Self.typicalHead + (isHead ? 0 : length))
        buffer.writeStaticString("HTTP/1.1 ")
        buffer.writeString(status == .ok ? "200 OK" : "\(status.code) \(status.reasonPhrase)")
        buffer.writeStaticString("\r\nContent-Length: ")
        buffer.writeString(String(length))
        if let length = encoded?.headerLength {
            buffer.writeStaticString("\r\nContent-Type: application/octet-stream\r\n")
            buffer.writeString(Self.jsonLengthHeader)
            buffer.writeStaticString(": ")
            buffer.writeString(String(length))
        } else if encoded != nil || !json.isEmpty {
            buffer.writeStaticString("\r\nContent-Type: ")
            buffer.writeStaticString(contentType)
        }
        for (name, value) in headers {
            buffer.writeStaticString("\r\n")
            buffer.writeString(name)
            buffer.writeStaticString(": ")
            buffer.writeString(value)
        }
        if !keepAlive { buffer.writeStaticString("\r\nConnection: close") }
        buffer.writeStaticString("\r\n\r\n")
        if !isHead { writeBody(to: &buffer) }
    }

    /// Writes the body.
    func writeBody(to buffer: inout ByteBuffer) {
        if let compressed {
            buffer.writeBytes(compressed)
        } else if let encoded {
            buffer.writeBytes(encoded.json)
            for tensor in encoded.binaryTensors { buffer.writeBytes(tensor.bytes) }
        } else {
            buffer.writeBytes(json)
        }
    }

    /// Bytes of a head, as a guess.
    private static let typicalHead = 320
}
