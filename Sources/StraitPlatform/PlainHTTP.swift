// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A client for a thread that may block: one POST on a connection of its own, over HTTP/1.1 without TLS.
package enum PlainHTTP {
    /// What a receiver said.
    package struct Reply: Sendable, Hashable {
        /// Its status.
        package let status: Int
        /// After how many seconds to come again, where it said so in whole seconds.
        package let retryAfter: Int?

        package init(status: Int, retryAfter: Int?) {
            self.status = status
            self.retryAfter = retryAfter
        }
    }

    /// Why there is no reply.
    package struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
        package let description: String
    }

    /// Bytes of a reply that are read; what matters stands at its beginning.
    private static let longestReply = 64 << 10

    /// Posts `body` and waits for the reply, each step for `seconds` at most.
    ///
    /// - Parameters:
    ///   - authority: for the header `Host`.
    ///   - headers: others than `Host`, `Content-Length` and `Connection`; without line ends, for which the caller vouches.
    package static func post(
        host: String, port: UInt16, authority: String, path: String, headers: [(name: String, value: String)],
        body: [UInt8], seconds: Int
    ) throws(Failure) -> Reply {
        let connection = try connect(host, port, seconds)
        defer { close(connection) }
        var head = "POST \(path) HTTP/1.1\r\nHost: \(authority)\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        head += "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        try write(Array(head.utf8), to: connection)
        try write(body, to: connection)
        return try reply(in: try read(connection))
    }

    /// Reads status and `Retry-After` of a reply.
    package static func reply(in bytes: [UInt8]) throws(Failure) -> Reply {
        let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        // As a sequence of scalars: a carriage return and its line feed are one character.
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            String(line.last == "\r" ? line.dropLast() : line)
        }
        let words = (lines.first ?? "").split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].utf8.count == 3, let status = Int(words[1])
        else { throw Failure(description: "what it replies is not HTTP/1.1") }
        var retryAfter: Int?
        for line in lines.dropFirst() {
            guard !line.isEmpty else { break }
            let sides = line.split(separator: ":", maxSplits: 1)
            guard sides.count == 2, sides[0].lowercased() == "retry-after" else { continue }
            retryAfter = Int(sides[1].filter { $0 != " " }).flatMap { $0 >= 0 ? $0 : nil }
        }
        return Reply(status: status, retryAfter: retryAfter)
    }

    private static func connect(_ host: String, _ port: UInt16, _ seconds: Int) throws(Failure) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, String(port), &hints, &found)
        guard result == 0 else {
            throw Failure(description: "\(host) is not found: \(String(cString: gai_strerror(result)))")
        }
        defer { freeaddrinfo(found) }
        var reason = "no address"
        var next = found
        while let candidate = next {
            next = candidate.pointee.ai_next
            let address = candidate.pointee
            let made = socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard made >= 0 else {
                reason = systemReason()
                continue
            }
            // The limit of sending is that of connecting, too.
            var limit = timeval(tv_sec: seconds, tv_usec: 0)
            let size = socklen_t(MemoryLayout<timeval>.size)
            setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
            setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
            if Glibc.connect(made, address.ai_addr, address.ai_addrlen) == 0 { return made }
            reason = errno == EINPROGRESS ? "no connection within \(seconds) s" : systemReason()
            close(made)
        }
        throw Failure(description: reason)
    }

    private static func systemReason() -> String { String(cString: strerror(errno)) }

    private static func write(_ bytes: [UInt8], to connection: Int32) throws(Failure) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                // A peer that hangs up must not end the process.
                let rest = UnsafeRawBufferPointer(rebasing: buffer[sent...])
                return send(connection, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Failure(description: "cannot send: \(waited() ?? systemReason())") }
            sent += count
        }
    }

    private static func read(_ connection: Int32) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while bytes.count < longestReply {
            let count = recv(connection, &piece, piece.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                // It may keep the connection open; then its head is all that matters.
                if hasHead(bytes) { break }
                throw Failure(description: "no reply: \(waited() ?? systemReason())")
            }
            guard count > 0 else { break }
            bytes += piece[..<count]
            if hasHead(bytes) { break }
        }
        guard !bytes.isEmpty else { throw Failure(description: "it hung up without a reply") }
        return bytes
    }

    private static func hasHead(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 4 else { return false }
        let end: [UInt8] = [13, 10, 13, 10]
        return (0...(bytes.count - 4)).contains { bytes[$0..<($0 + 4)].elementsEqual(end) }
    }

    /// The words for a time that ran out; nil for another error.
    private static func waited() -> String? { errno == EAGAIN || errno == EWOULDBLOCK ? "it takes too long" : nil }
}
