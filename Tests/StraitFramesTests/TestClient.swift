// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFrames

/// A client that says what no library would.
struct TestClient {
    var frames: ConnectionFrames
    /// What the server has said, frame by frame.
    private(set) var answers: [Answer] = []
    /// Advanced by hand.
    var now = Instant.zero

    struct Answer: Equatable {
        let kind: UInt8
        let flags: UInt8
        let stream: Int
        let payload: [UInt8]

        /// The number at the start, or behind the first one.
        func number(_ place: Int = 0) -> Int { payload[4 * place..<4 * place + 4].reduce(0) { $0 << 8 | Int($1) } }
    }

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    /// POST to the method `/m`, as gRPC; nothing is to be remembered.
    static let call: [UInt8] = [0x83, 0x04, 2, 47, 109, 0x0F, 16, 16] + Array("application/grpc".utf8)

    /// A connection on which both have greeted.
    init(_ limits: FrameLimits = FrameLimits()) throws {
        frames = ConnectionFrames(methods: ["/m": 0], limits: limits)
        try send(Self.preface + Self.frame(4))
        answers = []
    }

    static func frame(_ kind: UInt8, _ flags: UInt8 = 0, _ stream: Int = 0, _ payload: [UInt8] = []) -> [UInt8] {
        var frame = Array(number(payload.count).dropFirst())
        frame += [kind, flags]
        frame += number(stream)
        return frame + payload
    }

    static func number(_ number: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
    }

    static func setting(_ name: UInt8, _ value: Int) -> [UInt8] { [0, name] + number(value) }

    /// Gives bytes to the server; what they tell it, in words.
    @discardableResult mutating func send(_ bytes: [UInt8]) throws -> [String] {
        var told: [String] = []
        var offset = 0
        while true {
            let outcome = bytes.withUnsafeBytes { bytes in
                Result { () throws(ConnectionFault) in try frames.next(bytes, &offset, now: now) }
            }
            listen()
            switch try outcome.get() {
            case .opened(let stream, let head, let isLast):
                told.append("\(stream) \(head.method == 0 ? "m" : "-")\(isLast ? " last" : "")")
            case .data(let stream, let range, let isLast):
                told.append("\(stream) \(range.count)\(isLast ? " last" : "")")
            case .reset(let stream): told.append("\(stream) reset")
            case .pingAnswered: told.append("pong")
            case nil: return told
            }
        }
    }

    /// The fault with which the server ends the connection; nil where it does not.
    mutating func fault(_ bytes: [UInt8]) -> ConnectionFault? {
        do { try send(bytes) } catch { return error as? ConnectionFault }
        return nil
    }

    /// Reads what the server says.
    mutating func listen() {
        var rest = frames.replies[...]
        frames.replies = []
        while rest.count >= 9 {
            let head = Array(rest.prefix(9))
            let length = Int(head[1]) << 8 | Int(head[2])
            let stream = head[5...].reduce(0) { $0 << 8 | Int($1) }
            let payload = Array(rest.dropFirst(9).prefix(length))
            answers.append(Answer(kind: head[3], flags: head[4], stream: stream, payload: payload))
            rest = rest.dropFirst(9 + length)
        }
    }
}
