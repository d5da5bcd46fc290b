// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHPACK
internal import StraitCore
internal import StraitProtocol

/// What the headers of a call say.
final class CallHead {
    /// What is called; nil where there is no such method.
    let method: Method?
    /// How long the client waits; nil for as long as it takes.
    let timeout: Duration?
    /// How its compressed messages are compressed; nil where they may not be.
    let coding: ContentCoding?
    /// Why the call is refused before its first message; nil where it is not.
    let problem: ProtocolError?
    /// The HTTP status of what is no call of gRPC at all; nil where it is one.
    let foreignStatus: Int?
    private let headers: HPACKHeaders

    init(_ headers: HPACKHeaders, methods: [String: Method]) {
        self.headers = headers
        var method: Method?
        var timeout: Duration?
        var coding: ContentCoding?
        var problem: ProtocolError?
        var foreignStatus: Int? = 415
        for (name, value, _) in headers {
            switch name {
            case ":path":
                method = methods[value]
                if method == nil {
                    problem = ProtocolError(.unsupported, "no method is named '\(value.prefix(Self.quoted))' here")
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
                        "messages in '\(value.prefix(Self.quoted))' are not taken; use identity, gzip or deflate")
                }
            default: break
            }
        }
        if method == nil, problem == nil { problem = ProtocolError(.unsupported, "the call has no :path") }
        (self.method, self.timeout, self.coding) = (method, timeout, coding)
        (self.problem, self.foreignStatus) = (problem, foreignStatus)
    }

    /// Bytes of what a client sent that are quoted back to it.
    private static let quoted = 100

    /// The values of a header, by its name in small letters: what a client says of itself, of its traces and the like.
    func values(of name: String) -> [String] { headers[name] }

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

/// Reads the blocks of headers that come on one connection.
///
/// A client that makes one call after another sends the same few bytes each time, once both sides remember the headers:
/// those are read once.
struct HeaderBlocks {
    private let methods: [String: Method]
    private var decoder: HPACKDecoder
    /// The last block of which nothing changed what is remembered, and what it says.
    private var last: [UInt8] = []
    private var lastHead: CallHead?

    init(methods: [String: Method], allocator: ByteBufferAllocator) {
        self.methods = methods
        decoder = HPACKDecoder(allocator: allocator)
    }

    /// Reads a block.
    ///
    /// - Throws: where it is none, or longer than is allowed; nothing can be read of the connection after that.
    mutating func read(_ block: UnsafeRawBufferPointer) throws(ConnectionFault) -> CallHead {
        if let lastHead, block.elementsEqual(last) { return lastHead }
        let head = CallHead(try decode(block), methods: methods)
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
        _ = try decode(block)
    }

    private mutating func decode(_ block: UnsafeRawBufferPointer) throws(ConnectionFault) -> HPACKHeaders {
        var buffer = ByteBuffer(bytes: block)
        do { return try decoder.decodeHeaders(from: &buffer) } catch { throw ConnectionFault(.compression) }
    }
}
