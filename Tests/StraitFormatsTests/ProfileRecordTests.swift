// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@testable internal import StraitFormats

@Suite struct ProfileRecordTests {
    private static let subject = ProfileRecord.Subject(model: "é \"m\"", version: 3, elementsPerRow: 150_528, rows: 8)

    private static var solo: ProfileRecord.Solo {
        var solo = ProfileRecord.Solo(subject, runs: 120, median: Duration(nanoseconds: 1_234_567))
        (solo.low, solo.high) = (.milliseconds(1.2), .milliseconds(1.3))
        (solo.p95, solo.mean) = (.milliseconds(2), .milliseconds(1.25))
        (solo.bytesIn, solo.bytesOut) = (4_816_896, 64)
        solo.copyIn = .microseconds(310)
        return solo
    }

    private static let records: [ProfileRecord] = [
        .reference(.init(took: .milliseconds(10.5), others: nil)), .solo(solo),
        .stressed(
            .init(
                subject, beside: .bandwidth, tookTurns: true, slowdown: 2.25, loss: 1 / 3, bytesIn: 7,
                copyIn: .microseconds(3))),
        .stressed(.init(subject, beside: .compute, tookTurns: false, slowdown: 0.999, loss: 0)),
        .pair(
            .init(
                subject, .init(model: "other", version: 1, elementsPerRow: 1, rows: 1), firstSlowdown: 1.1,
                secondSlowdown: 1.9)),
        .reference(.init(took: .milliseconds(11), others: 0.25)),
    ]

    private static let head = ProfileJournal.Head(
        device: ProfileFile.Device(name: "cpu \"x\"", driver: "ort"), settings: "full",
        models: [ModelKey(name: "é \"m\"", version: 3, hash: "a"), ModelKey(name: "other", version: 1, hash: "b")])

    @Test func `measurements stand in the profile file and are read back`() throws {
        let folder = Folder()
        var file = ProfileFile(device: Self.head.device, models: [])
        file.records = Self.records
        file.calendarMilliseconds = 1_795_000_000_000
        try file.write(to: "\(folder.path)/p.json")
        #expect(try ProfileFile(path: "\(folder.path)/p.json") == file)
    }

    @Test func `what could not be read back is not written`() {
        let folder = Folder()
        func refused(_ record: ProfileRecord) {
            var file = ProfileFile(device: Self.head.device, models: [])
            file.records = [record]
            #expect(throws: FormatError.self) { try file.write(to: "\(folder.path)/p.json") }
        }
        var solo = Self.solo
        solo.median = .zero
        refused(.solo(solo))
        solo = Self.solo
        solo.subject.rows = 0
        refused(.solo(solo))
        solo = Self.solo
        solo.bytesIn = -1
        refused(.solo(solo))
        refused(.stressed(.init(Self.subject, beside: .compute, tookTurns: false, slowdown: .nan, loss: 0)))
        refused(.stressed(.init(Self.subject, beside: .compute, tookTurns: false, slowdown: 1, loss: 1.5)))
        refused(.pair(.init(Self.subject, Self.subject, firstSlowdown: 1, secondSlowdown: 0)))
        refused(.reference(.init(took: .zero, others: nil)))
        refused(.reference(.init(took: .milliseconds(1), others: -0.1)))
        #expect(folder.names == [])
    }

    // -- the journal ----------------------------------------------------------------------------------------------

    private static func write(_ records: [ProfileRecord], to path: String) throws {
        var journal = try ProfileJournal(path: path, head, keeping: Array(records.prefix(2)))
        for record in records.dropFirst(2) { try journal.append(record) }
        journal.close(removing: false)
    }

    @Test func `a journal gives what was measured`() throws {
        let folder = Folder()
        let path = "\(folder.path)/p.partial"
        #expect(try ProfileJournal.records(at: path, for: Self.head) == [])
        try Self.write(Self.records, to: path)
        #expect(try ProfileJournal.records(at: path, for: Self.head) == Self.records)
        #expect(folder.names == ["p.partial"])
    }

    @Test func `a journal that was cut off anywhere gives what stood before`() throws {
        let folder = Folder()
        let path = "\(folder.path)/p.partial"
        try Self.write(Self.records, to: path)
        let content = try Files.read(path, limit: 1 << 20)
        let headLength = try #require(content.firstIndex(of: UInt8(ascii: "\n"))) + 1
        for length in headLength..<content.count {
            try Files.replace(path, with: Array(content[..<length]))
            // The last line counts without its end, too.
            let lines = content[headLength..<length + 1].count { $0 == UInt8(ascii: "\n") }
            let found = try ProfileJournal.records(at: path, for: Self.head)
            #expect(found == Array(Self.records.prefix(lines)), "at \(length)")
        }
    }

    @Test func `what was measured in another way, elsewhere, or of another file does not count`() throws {
        let folder = Folder()
        let path = "\(folder.path)/p.partial"
        try Self.write(Self.records, to: path)
        var other = Self.head
        other.settings = "quick"
        #expect(try ProfileJournal.records(at: path, for: other) == [])
        other = Self.head
        other.device.driver = "ort 2"
        #expect(try ProfileJournal.records(at: path, for: other) == [])
        other = Self.head
        other.models[1].hash = "c"
        // All but the pair, which the other model has a part in.
        #expect(try ProfileJournal.records(at: path, for: other).count == Self.records.count - 1)
    }

    @Test func `a file that is no journal is left alone`() throws {
        let folder = Folder()
        let path = "\(folder.path)/p.partial"
        try Files.replace(path, with: Array("my diary\n".utf8))
        do {
            _ = try ProfileJournal.records(at: path, for: Self.head)
            Issue.record("read")
        } catch {
            #expect("\(error)".hasPrefix("\(path):1: "), "\(error)")
        }
    }
}
