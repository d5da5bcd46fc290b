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
    /// The tensors that follow the JSON, if any.
    var encoded: EncodedResponse?
    /// The whole body compressed, if it is sent so.
    private var compressed: [UInt8]?

    /// The name of the header that tells how much of a body is JSON.
    static let jsonLengthHeader = "Inference-Header-Content-Length"

    static func ok(_ json: [UInt8] = []) -> HTTPReply { HTTPReply(status: .ok, json: json) }

    /// An error as the protocol has it: a status and `{"error": …}`.
    init(_ status: HTTPResponseStatus, error message: String) {
        self.init(status: status, json: Documents.errorBody(message))
    }

    init(_ error: ProtocolError) { self.init(HTTPResponseStatus(statusCode: error.httpStatus), error: error.message) }

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

    /// The head to send.
    func head(keepAlive: Bool) -> HTTPResponseHead {
        var fields = HTTPHeaders()
        fields.reserveCapacity(headers.count + 4)
        fields.add(name: "Content-Length", value: String(compressed?.count ?? encoded?.byteCount ?? json.count))
        if let length = encoded?.headerLength {
            fields.add(name: "Content-Type", value: "application/octet-stream")
            fields.add(name: Self.jsonLengthHeader, value: String(length))
        } else if encoded != nil || !json.isEmpty {
            fields.add(name: "Content-Type", value: "application/json")
        }
        for (name, value) in headers { fields.add(name: name, value: value) }
        if !keepAlive { fields.add(name: "Connection", value: "close") }
        return HTTPResponseHead(version: .http1_1, status: status, headers: fields)
    }

    /// The body to send, in one buffer: the only copy of the results on their way out.
    func body(_ allocator: ByteBufferAllocator) -> ByteBuffer? {
        if let compressed { return allocator.buffer(bytes: compressed) }
        guard let encoded else { return json.isEmpty ? nil : allocator.buffer(bytes: json) }
        var buffer = allocator.buffer(capacity: encoded.byteCount)
        buffer.writeBytes(encoded.json)
        for tensor in encoded.binaryTensors { buffer.writeBytes(tensor.bytes) }
        return buffer
    }
}
