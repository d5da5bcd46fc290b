// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFrames
internal import Testing

/// What a stranger can try with frames, one test each: it costs its connection, and says why, or nothing at all.
@Suite("Hostile frames")
struct AttackTests {
    private typealias Client = TestClient

    private func client(_ change: (inout FrameLimits) -> Void = { _ in }) throws -> TestClient {
        var limits = FrameLimits()
        change(&limits)
        return try TestClient(limits)
    }

    private static func open(_ stream: Int, last: Bool = false) -> [UInt8] {
        TestClient.frame(1, last ? 5 : 4, stream, TestClient.call)
    }

    // -- floods ------------------------------------------------------------------------------------------------------

    enum Flood: String, CaseIterable {
        case resets, settings, acknowledgements, pings, pongs, goodbyes, priorities, unknown, lateHeaders

        /// The frame of this kind with a number.
        func frame(_ index: Int) -> [UInt8] {
            let eight = [UInt8](repeating: 1, count: 8)
            let stream = 2 * index + 1
            switch self {
            case .resets:
                return TestClient.frame(1, 4, stream, TestClient.call) + TestClient.frame(3, 0, stream, [0, 0, 0, 8])
            case .settings: return TestClient.frame(4)
            case .acknowledgements: return TestClient.frame(4, 1)
            case .pings: return TestClient.frame(6, 0, 0, eight)
            case .pongs: return TestClient.frame(6, 1, 0, eight)
            case .goodbyes: return TestClient.frame(7, 0, 0, eight)
            case .priorities: return TestClient.frame(2, 0, 1, [0, 0, 0, 0, 1])
            case .unknown: return TestClient.frame(99)
            // The first begins a stream, the others are of one that is older.
            case .lateHeaders: return TestClient.frame(1, 5, index == 0 ? 9 : 7, TestClient.call)
            }
        }
    }

    @Test("frames that only cost are counted, and with a second's worth the connection ends", arguments: Flood.allCases)
    func floods(flood: Flood) throws {
        var client = try client { $0.nuisancesPerSecond = 50 }
        var fault: ConnectionFault?
        var count = 0
        while fault == nil, count < 200 {
            fault = client.fault(flood.frame(count))
            count += 1
        }
        #expect(fault?.code == .tooMuch, "after \(count)")
        #expect(fault?.text.contains("50 frames") == true)
        #expect((49...52).contains(count), "after \(count)")
        // Spread over time they are business as usual.
        client = try self.client { $0.nuisancesPerSecond = 50 }
        for index in 0..<200 {
            client.now = client.now + .milliseconds(100)
            #expect(client.fault(flood.frame(index)) == nil)
        }
    }

    @Test("a block of headers that goes on for ever, or in pieces of nothing, ends the connection")
    func continuations() throws {
        var client = try client()
        try client.send(Client.frame(1, 0, 1, Client.call))
        var fault: ConnectionFault?
        for _ in 0..<9 where fault == nil {
            fault = client.fault(Client.frame(9, 0, 1, [UInt8](repeating: 0, count: 8000)))
        }
        #expect(fault?.code == .tooMuch && fault?.text.contains("65536") == true)
        client = try self.client()
        try client.send(Client.frame(1, 0, 1, Client.call))
        for _ in 0..<2000 where fault?.text.contains("second") != true { fault = client.fault(Client.frame(9, 0, 1)) }
        #expect(fault?.code == .tooMuch && fault?.text.contains("second") == true)
    }

    @Test("a block of headers is not interrupted, and is continued on its own stream only")
    func interrupted() throws {
        for between in [Client.frame(6, 0, 0, [UInt8](repeating: 0, count: 8)), Client.frame(9, 4, 3), Self.open(3)] {
            var client = try client()
            #expect(client.fault(Client.frame(1, 0, 1, Client.call) + between)?.code == .violation)
        }
        var client = try client()
        #expect(client.fault(Client.frame(9, 4, 1, Client.call))?.code == .violation)
    }

    @Test("settings by the thousand in one frame")
    func manySettings() throws {
        var client = try client()
        let many = (0..<33).flatMap { _ in Client.setting(4, 1) }
        #expect(client.fault(Client.frame(4, 0, 0, many))?.code == .tooMuch)
    }

    @Test("a frame that is longer than allowed is refused by its head")
    func longFrames() throws {
        for (kind, length, code): (UInt8, Int, FrameError) in [
            (0, 1 << 20 + 1, .frameSize), (1, 65_537, .tooMuch), (99, 65_537, .tooMuch), (0, 0xFF_FFFF, .frameSize),
        ] {
            var client = try client()
            try client.send(Self.open(1))
            let head: [UInt8] = Client.number(length).dropFirst() + [kind, 0]
            #expect(client.fault(head + Client.number(1))?.code == code)
        }
    }

    // -- streams -----------------------------------------------------------------------------------------------------

    @Test("streams beyond what was allowed are refused and no others")
    func manyStreams() throws {
        var client = try client { $0.streams = 3 }
        try client.send([1, 3, 5, 7].flatMap { Self.open($0) })
        #expect(client.frames.openStreams == 3)
        #expect(client.answers.map(\.kind) == [3] && client.answers[0].stream == 7 && client.answers[0].number() == 7)
        // Of the refused one, more may be on its way.
        #expect(try client.send(Client.frame(0, 1, 7, [1, 2, 3])).isEmpty)
        client.frames.close(3)
        #expect(try client.send(Self.open(9)) == ["9 m"])
    }

    @Test("the headers of all calls together are bounded, whatever few bytes they come in")
    func manyHeaders() throws {
        var client = try client { $0.allHeaderBytes = 10_000 }
        let remembered = [0x40, 1, 120, 127, 0xBD, 0x1D] + [UInt8](repeating: 118, count: 3900)
        try client.send(Client.frame(1, 4, 1, Client.call + remembered))
        try client.send(Client.frame(1, 4, 3, Client.call + [0xBE]) + Client.frame(1, 4, 5, Client.call + [0xBE]))
        #expect(client.answers.map(\.stream) == [5] && client.answers[0].number() == 7)
        client.frames.close(1)
        #expect(try client.send(Client.frame(1, 4, 7, Client.call + [0xBE])) == ["7 m"])
        #expect(client.frames.brokenInvariant() == nil)
    }

    @Test("numbers of streams are odd and grow; a smaller one begins nothing")
    func numbers() throws {
        for frame in [
            Self.open(2), Self.open(0), Self.open(5) + Client.frame(0, 0, 4, [1]),
            Self.open(5) + Client.frame(3, 0, 2, [0, 0, 0, 8]), Self.open(5) + Client.frame(8, 0, 2, [0, 0, 0, 8]),
            Client.frame(0, 0, 1, [1]), Client.frame(3, 0, 1, [0, 0, 0, 8]), Client.frame(8, 0, 1, [0, 0, 0, 8]),
            Client.frame(0, 0, 0, [1]), Client.frame(3, 0, 0, [0, 0, 0, 8]),
        ] {
            var client = try client()
            #expect(client.fault(frame)?.code == .violation, "\(frame)")
        }
        var client = try client()
        #expect(try client.send(Self.open(7) + Self.open(5) + Self.open(3)) == ["7 m"])
        #expect(client.frames.openStreams == 1)
    }

    @Test("what comes behind the end of a stream is a fault; what is on its way when the server has ended it is not")
    func closedStreams() throws {
        for late in [Client.frame(0, 0, 1, [1]), Self.open(1, last: true)] {
            var client = try client()
            #expect(client.fault(Self.open(1, last: true) + late)?.code == .streamClosed)
            client = try self.client()
            try client.send(Self.open(1))
            #expect(client.frames.close(1) == true && client.frames.close(1) == nil)
            #expect(
                try client.send(late + Client.frame(8, 0, 1, Client.number(1)) + Client.frame(3, 0, 1, [0, 0, 0, 8]))
                    .isEmpty)
            #expect(client.answers.isEmpty && client.frames.openStreams == 0)
        }
    }

    @Test("data of a stream that has ended costs the connection's window, which is given back")
    func dataForNobody() throws {
        var client = try client { $0.windowBytes = 100_000 }
        try client.send(Self.open(1))
        client.frames.close(1)
        for _ in 0..<100 { try client.send(Client.frame(0, 0, 1, [UInt8](repeating: 0, count: 10_000))) }
        #expect(client.answers.map(\.stream).allSatisfy { $0 == 0 })
        #expect(client.answers.reduce(0) { $0 + $1.number() } == 1_000_000)
    }

    @Test("both halves of a stream close, in either order, and once")
    func halves() throws {
        var client = try client()
        #expect(try client.send(Self.open(1, last: true)) == ["1 m last"])
        #expect(client.frames.close(1) == false)
        #expect(try client.send(Self.open(3) + Client.frame(0, 1, 3)) == ["3 m", "3 0 last"])
        #expect(client.frames.close(3) == false)
        #expect(try client.send(Self.open(5) + Client.frame(0, 0, 5, [1, 2])) == ["5 m", "5 2"])
        #expect(client.frames.close(5) == true)
        #expect(try client.send(Self.open(7) + Client.frame(3, 0, 7, [0, 0, 0, 8])) == ["7 m", "7 reset"])
        #expect(client.frames.close(7) == nil)
    }

    @Test("trailers end a call; headers that end nothing are a fault")
    func trailers() throws {
        var client = try client()
        let trailer: [UInt8] = [0, 1, 120, 1, 121]
        #expect(try client.send(Self.open(1) + Client.frame(1, 5, 1, trailer)) == ["1 m", "1 0 last"])
        #expect(try client.send(Self.open(3)) == ["3 m"])
        #expect(client.fault(Client.frame(1, 4, 3, trailer))?.code == .violation)
    }

    @Test("padding is no data, counts as such, and is never longer than its frame")
    func padding() throws {
        var client = try client()
        try client.send(Client.frame(1, 12, 1, [3] + Client.call + [0, 0, 0]))
        #expect(try client.send(Client.frame(0, 8, 1, [2, 7, 8, 9, 0, 0])) == ["1 3"])
        #expect(try client.send(Client.frame(0, 8, 1, [4, 0, 0, 0, 0])).isEmpty)
        #expect(try client.send(Client.frame(0, 9, 1, [0])) == ["1 0 last"])
        for wrong in [
            Client.frame(0, 8, 1, [4, 0, 0, 0]), Client.frame(0, 8, 1), Client.frame(1, 12, 3, [30] + Client.call),
        ] {
            var client = try self.client()
            let fault = client.fault(Self.open(1) + wrong)
            #expect(fault?.code == .violation, "\(wrong)")
        }
        client = try self.client()
        #expect(client.fault(Client.frame(1, 12, 1))?.code == .frameSize)
    }

    @Test("priorities mean nothing, those of streams that wait for themselves too")
    func priorities() throws {
        var client = try client()
        #expect(try client.send(Client.frame(1, 0x24, 1, [0, 0, 0, 1, 9] + Client.call)) == ["1 m"])
        #expect(
            try client.send(Client.frame(2, 0, 1, [0, 0, 0, 1, 9]) + Client.frame(2, 0, 99, [0, 0, 0, 1, 9])).isEmpty)
        #expect(client.fault(Client.frame(2, 0, 0, [0, 0, 0, 1, 9]))?.code == .violation)
    }

    // -- the connection ----------------------------------------------------------------------------------------------

    @Test("a server that goes takes no more calls, and the blocks of those that it refuses are read")
    func draining() throws {
        var client = try client()
        try client.send(Self.open(1))
        client.frames.isClosed = true
        try client.send(Client.frame(1, 4, 3, Client.call + [0x40, 1, 120, 1, 121]))
        #expect(client.answers.map(\.kind) == [3] && client.answers[0].number() == 7)
        #expect(try client.send(Client.frame(0, 1, 1, [1])) == ["1 1 last"])
        client.frames.isClosed = false
        #expect(try client.send(Client.frame(1, 4, 5, Client.call + [0xBE])) == ["5 m"])
    }

    @Test(
        "a frame has the length of its kind, and its place",
        arguments: [
            TestClient.frame(6, 0, 0, [1]), TestClient.frame(3, 0, 1, [1]), TestClient.frame(8, 0, 0, [1]),
            TestClient.frame(4, 0, 0, [1]), TestClient.frame(4, 1, 0, [0, 1, 0, 0, 0, 0]),
            TestClient.frame(7, 0, 0, [1]),
            TestClient.frame(6, 0, 1, [UInt8](repeating: 0, count: 8)), TestClient.frame(4, 0, 1),
            TestClient.frame(7, 0, 1, [UInt8](repeating: 0, count: 8)), TestClient.frame(5, 4, 1, [0, 0, 0, 2]),
            TestClient.frame(4, 0, 0, TestClient.setting(5, 16_383)),
        ])
    func wrongFrames(frame: [UInt8]) throws {
        var client = try client()
        let told = client.fault(Self.open(1) + frame)
        let fault = try #require(told)
        #expect([.violation, .frameSize].contains(fault.code))
        #expect((1...200).contains(fault.text.utf8.count))
    }

    @Test("nothing is taken before the preface and the settings")
    func beginnings() {
        for (bytes, expected): ([UInt8], String) in [
            (Array("GET / HTTP/1.1\r\n".utf8), "no HTTP/2"), (TestClient.preface + Self.open(1), "no SETTINGS"),
            (TestClient.preface + TestClient.frame(4, 1), "length"),
        ] {
            var frames = ConnectionFrames(methods: [:])
            var offset = 0
            let outcome = bytes.withUnsafeBytes { bytes in
                Result { () throws(ConnectionFault) in try frames.next(bytes, &offset, now: .zero) }
            }
            guard case .failure(let fault) = outcome else { Issue.record("\(expected)"); continue }
            #expect(fault.text.contains(expected))
        }
    }

    @Test("the end of a connection says why, in a frame that is one")
    func goodbye() throws {
        var client = try client()
        let told = client.fault(Self.open(1) + Client.frame(5, 4, 1, [0, 0, 0, 2]))
        let fault = try #require(told)
        client.frames.goAway(fault.code, fault.text)
        client.listen()
        let last = try #require(client.answers.last)
        #expect(last.kind == 7 && last.number() == 1 && last.number(1) == 1)
        #expect(String(decoding: last.payload[8...], as: UTF8.self) == "only servers promise")
    }

    @Test("frames that come byte by byte are the same frames")
    func byteByByte() throws {
        let bytes =
            Client.frame(1, 0, 1, Array(Client.call[..<5])) + Client.frame(9, 4, 1, Array(Client.call[5...]))
            + Client.frame(0, 8, 1, [2, 7, 8, 9, 0, 0]) + Client.frame(6, 0, 0, [UInt8](repeating: 3, count: 8))
            + Client.frame(0, 1, 1)
        var client = try client()
        let told = try bytes.flatMap { try client.send([$0]) }
        #expect(told == ["1 m", "1 1", "1 1", "1 1", "1 0 last"])
        #expect(client.answers.map(\.kind) == [6])
    }
}
