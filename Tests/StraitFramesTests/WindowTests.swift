// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFrames
internal import Testing

/// The windows of both sides, however they are opened and closed.
@Suite("Windows")
struct WindowTests {
    private typealias Client = TestClient

    private func client(_ change: (inout FrameLimits) -> Void = { _ in }) throws -> TestClient {
        var limits = FrameLimits()
        change(&limits)
        return try TestClient(limits)
    }

    private static func open(_ stream: Int) -> [UInt8] { TestClient.frame(1, 4, stream, TestClient.call) }

    @Test("windows grow to 2^31-1 and no further, by updates or settings")
    func wideWindows() throws {
        for stream in [0, 1] {
            var client = try client()
            try client.send(Self.open(1))
            #expect(client.fault(Client.frame(8, 0, stream, Client.number(0x7FFF_FFFF - 65_535))) == nil)
            #expect(client.fault(Client.frame(8, 0, stream, Client.number(1)))?.code == .flowControl)
        }
        var client = try client()
        try client.send(Self.open(1) + Client.frame(8, 0, 1, Client.number(1000)))
        #expect(client.fault(Client.frame(4, 0, 0, Client.setting(4, 0x7FFF_FFFF)))?.code == .flowControl)
        client = try self.client()
        #expect(client.fault(Client.frame(4, 0, 0, Client.setting(4, 0x8000_0000)))?.code == .flowControl)
        client = try self.client()
        #expect(client.fault(Self.open(1) + Client.frame(8, 0, 1, Client.number(0)))?.code == .violation)
    }

    @Test("a window that is taken back below nothing holds its stream, and names it once when it has room")
    func takenBack() throws {
        var client = try client()
        try client.send(Self.open(1) + Self.open(3))
        #expect(client.frames.grant(1 << 20, on: 1) == 16_384)
        try client.send(Client.frame(4, 0, 0, Client.setting(4, 0)))
        #expect(client.frames.grant(10, on: 1) == 0 && client.frames.isWaiting(1))
        #expect(client.frames.grant(10, on: 3) == 0 && client.frames.isWaiting(3))
        // Frames about anything else do not wake what waits: that would cost a walk over all streams at each of them.
        try client.send(Client.frame(8, 0, 0, Client.number(1000)) + Client.frame(8, 0, 1, Client.number(16_384)))
        #expect(client.frames.takeRoomy().isEmpty)
        try client.send(Client.frame(8, 0, 1, Client.number(5)) + Client.frame(8, 0, 1, Client.number(1)))
        #expect(client.frames.takeRoomy() == [1])
        #expect(client.frames.grant(10, on: 1) == 6 && client.frames.grant(1, on: 1) == 0)
        try client.send(Client.frame(4, 0, 0, Client.setting(4, 100)))
        #expect(client.frames.takeRoomy().sorted() == [1, 3])
        #expect(client.frames.brokenInvariant() == nil)
    }

    @Test("data goes out within the client's windows and frames")
    func grants() throws {
        var client = try client()
        try client.send(Self.open(1) + Client.frame(4, 0, 0, Client.setting(5, 20_000) + Client.setting(4, 50_000)))
        #expect(client.frames.grant(1 << 20, on: 1) == 20_000)
        #expect(client.frames.grant(1 << 20, on: 1) == 20_000)
        #expect(client.frames.grant(1 << 20, on: 1) == 10_000)
        #expect(client.frames.grant(1, on: 1) == 0 && client.frames.hasRoom)
        try client.send(Client.frame(8, 0, 1, Client.number(20_000)))
        #expect(client.frames.grant(1 << 20, on: 1) == 15_535)
        #expect(client.frames.grant(1, on: 1) == 0 && !client.frames.hasRoom && !client.frames.isWaiting(1))
        #expect(client.frames.grant(1, on: 3) == 0)
    }

    @Test("more data than was allowed, of a stream or of all together, ends the connection")
    func tooMuchData() throws {
        var client = try client { $0.windowBytes = 100 }
        #expect(
            client.fault(Self.open(1) + Client.frame(0, 0, 1, [UInt8](repeating: 0, count: 101)))?.code == .flowControl)
        // Padding counts; what is not used up is not given back.
        client = try self.client { $0.windowBytes = 100 }
        try client.send(Self.open(1) + Client.frame(0, 0, 1, [UInt8](repeating: 0, count: 60)))
        #expect(client.fault(Client.frame(0, 8, 1, [40] + [UInt8](repeating: 0, count: 40)))?.code == .flowControl)
        client = try self.client { $0.windowBytes = 100 }
        try client.send(Self.open(1) + Client.frame(0, 0, 1, [UInt8](repeating: 0, count: 60)))
        client.frames.consumed(60, of: 1)
        client.listen()
        let given = client.answers.filter { $0.kind == 8 && $0.stream == 1 }
        #expect(given.map { $0.number() } == [60])
        #expect(client.fault(Client.frame(0, 0, 1, [UInt8](repeating: 0, count: 100))) == nil)
    }
}
