// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitProtocol

/// What the headers of a call say.
package final class CallHead: Sendable {
    /// What is called, by its number among the methods; nil where there is no such method.
    package let method: Int?
    /// How long the client waits; nil for as long as it takes.
    package let timeout: Duration?
    /// How its compressed messages are compressed; nil where they may not be.
    package let coding: ContentCoding?
    /// Why the call is refused before its first message; nil where it is not.
    package let problem: ProtocolError?
    /// The HTTP status of what is no call of gRPC at all; nil where it is one.
    package let foreignStatus: Int?
    /// What the headers count as: their bytes and something for each.
    package let size: Int
    private let headers: [Header]

    /// - Parameter methods: the number of each method by its path.
    init(_ headers: [Header], methods: [String: Int]) {
        self.headers = headers
        size = headers.reduce(0) { $0 + $1.size }
        var method: Int?
        var timeout: Duration?
        var coding: ContentCoding?
        var problem: ProtocolError?
        var foreignStatus: Int? = 415
        for header in headers {
            let value = header.value
            switch header.name {
            case ":path":
                method = methods[value]
                if method == nil {
                    problem = ProtocolError(.unsupported, "no method is named '\(shortened(value, to: 100))' here")
                }
            case ":method": if value != "POST" { foreignStatus = 405 }
            case "content-type":
                if Self.isOfGRPC(value), foreignStatus == 415 { foreignStatus = nil }
            case "grpc-timeout": timeout = Self.duration(value)
            case "grpc-encoding":
                coding = ContentCoding(rawValue: value)
                if coding == nil, value != "identity", problem == nil {
                    problem = ProtocolError(
                        .unsupported,
                        "messages in '\(shortened(value, to: 100))' are not taken; use identity, gzip or deflate")
                }
            default: break
            }
        }
        if method == nil, problem == nil { problem = ProtocolError(.unsupported, "the call has no :path") }
        (self.method, self.timeout, self.coding) = (method, timeout, coding)
        (self.problem, self.foreignStatus) = (problem, foreignStatus)
    }

    /// The values of a header, by its name in small letters: what a client says of itself, of its traces and the like.
    package func values(of name: String) -> [String] {
        headers.filter { $0.name == name }.map(\.value)
    }

    private static func isOfGRPC(_ contentType: String) -> Bool {
        guard contentType.hasPrefix("application/grpc") else { return false }
        // gRPC-Web has the same beginning, and is another protocol.
        return contentType.utf8.dropFirst("application/grpc".utf8.count).first != UInt8(ascii: "-")
    }

    /// At most eight digits and a unit, as gRPC writes it.
    private static func duration(_ text: String) -> Duration? {
        guard text.utf8.count <= 9, let amount = Int64(text.dropLast()), amount >= 0, let unit = text.last else {
            return nil
        }
        switch unit {
        case "H": return .seconds(Double(amount) * 3600)
        case "M": return .seconds(Double(amount) * 60)
        case "S": return .seconds(Double(amount))
        case "m": return .milliseconds(Double(amount))
        case "u": return .microseconds(amount)
        case "n": return Duration(nanoseconds: amount)
        default: return nil
        }
    }
}

/// Reads the blocks of headers that come on one connection, as those of calls.
///
/// A client that makes one call after another sends the same few bytes each time, once both sides remember the headers:
/// those are read once.
struct HeaderBlocks {
    private let methods: [String: Int]
    private(set) var decoder: HeaderDecoder
    /// The last block of which nothing changed what is remembered, and what it says.
    private var last: [UInt8] = []
    private var lastHead: CallHead?

    init(methods: [String: Int], limit: Int) {
        self.methods = methods
        decoder = HeaderDecoder(limit: limit)
    }

    /// Reads a block.
    ///
    /// - Throws: where it is none, or longer than is allowed; nothing can be read of the connection after that.
    mutating func read(_ block: UnsafeRawBufferPointer) throws(ConnectionFault) -> CallHead {
        if let lastHead, block.elementsEqual(last) { return lastHead }
        let head = CallHead(try decoder.decode(block), methods: methods)
        // References to what is remembered, of a byte each: reading them changes nothing, so they mean the same again
        // until a block that is not like that.
        if block.allSatisfy({ $0 > 0x80 && $0 < 0xFF }) {
            last = Array(block)
            lastHead = head
        } else {
            lastHead = nil
        }
        return head
    }

    /// Reads a block of which only the changes to what is remembered matter.
    mutating func pass(_ block: UnsafeRawBufferPointer) throws(ConnectionFault) {
        lastHead = nil
        _ = try decoder.decode(block)
    }
}
