// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore
internal import Testing

@testable internal import StraitFormats

@Suite struct TraceFileTests {
    private static let models = [
        TraceFile.Model(name: "resnet-50", maximumRows: 32), TraceFile.Model(name: "é \"b\"", maximumRows: 4),
    ]
    private static let good = """
        time,model,class,deadline,rows
        0,resnet-50,high,12.5,1
        0.1,é "b",low,40,4
        0.1,resnet-50,low,1e3,32
        12.345678901,resnet-50,high,0.000001,8

        """

    /// Reads a text as a file, in pieces of a length.
    private func read(
        _ text: [UInt8], pieceLength: Int = 1 << 16, limit: Int = 1000
    ) throws(FormatError) -> [TraceFile.Request] {
        let folder = Folder()
        let path = "\(folder.path)/t.csv"
        try Files.replace(path, with: text)
        var requests: [TraceFile.Request] = []
        try TraceFile.read(path, models: Self.models, limit: limit, pieceLength: pieceLength) { requests.append($0) }
        return requests
    }

    /// What is said of a text, without the folder; nil if it is taken.
    private func refusal(_ text: String, limit: Int = 1000) -> String? {
        do throws(FormatError) { _ = try read(Array(text.utf8), limit: limit) } catch {
            guard let start = error.description.range(of: "t.csv") else { return error.description }
            return String(error.description[start...])
        }
        return nil
    }

    private static let expected = [
        TraceFile.Request(at: .zero, model: 0, requestClass: .high, deadline: .milliseconds(12.5), rows: 1),
        TraceFile.Request(
            at: Instant(nanoseconds: 100_000_000), model: 1, requestClass: .low, deadline: .milliseconds(40), rows: 4),
        TraceFile.Request(
            at: Instant(nanoseconds: 100_000_000), model: 0, requestClass: .low, deadline: .seconds(1), rows: 32),
        TraceFile.Request(
            at: Instant(nanoseconds: 12_345_678_901), model: 0, requestClass: .high,
            deadline: Duration(nanoseconds: 1), rows: 8),
    ]

    @Test(arguments: [1, 2, 7, 64, 1 << 16]) func `every line is a request, wherever pieces end`(length: Int) throws {
        #expect(try read(Array(Self.good.utf8), pieceLength: length) == Self.expected)
    }

    @Test func `columns stand in any order, and what other programs add is no matter`() throws {
        let lines = Self.good.split(separator: "\n").map { line in
            line.split(separator: ",").reversed().joined(separator: " ,\t")
        }
        let text = "\u{FEFF}" + lines.joined(separator: "\r\n\r\n") + "   \r\n \n"
        #expect(try read(Array(text.utf8)) == Self.expected)
        // Without a new line at its end, and without rows.
        let short = "time,model,class,deadline\n3,resnet-50,low,7"
        let only = TraceFile.Request(
            at: .zero + .seconds(3), model: 0, requestClass: .low, deadline: .milliseconds(7), rows: 1)
        #expect(try read(Array(short.utf8)) == [only])
        #expect(try read(Array("time,model,class,deadline".utf8)) == [])
    }

    /// Something that stands once in the good file, what stands there instead, and what is said of it.
    private static let mistakes: [(String, String, String)] = [
        ("12.5", "x", #"2: deadline: expected milliseconds above 0 and up to 1000000000, found "x""#),
        ("12.5", "0", #"2: deadline: expected milliseconds above 0 and up to 1000000000, found "0""#),
        ("12.5", "nan", #"2: deadline: expected milliseconds above 0 and up to 1000000000, found "nan""#),
        ("12.5", "", #"2: deadline: expected milliseconds above 0 and up to 1000000000, found """#),
        ("12.5", "2e9", #"2: deadline: expected milliseconds above 0 and up to 1000000000, found "2e9""#),
        ("12.345678901", "-1", #"5: time: expected seconds from 0 to 100000, found "-1""#),
        ("12.345678901", "0x10", #"5: time: expected seconds from 0 to 100000, found "0x10""#),
        ("12.345678901", "100001", #"5: time: expected seconds from 0 to 100000, found "100001""#),
        ("12.345678901", "0.05", #"5: time: expected at least the 0.1 of the request before, found "0.05""#),
        (
            "é \"b\"", "a model\twith a name that is longer than any here",
            "3: model: expected the name of one of the models, found \"a model\u{FFFD}with a name that is longer than …\""
        ),
        ("low,40", "Low,40", #"3: class: expected high or low, found "Low""#),
        ("40,4", "40,5", #"3: rows: expected a whole number from 1 to 4, found "5""#),
        ("40,4", "40,0", #"3: rows: expected a whole number from 1 to 4, found "0""#),
        ("40,4", "40,1.5", #"3: rows: expected a whole number from 1 to 4, found "1.5""#),
        ("40,4", "40", "3: expected 5 fields as in the header, found 4"),
        ("40,4", "40,4,", "3: expected 5 fields as in the header, found 6"),
        (
            "deadline,rows", "deadline,row",
            #"1: unknown column "row"; expected time, model, class, deadline, and rows or not"#
        ),
        ("deadline,rows", "deadline,time", "1: the column time stands twice; expected each once"),
        (
            "class,deadline,rows", "class,rows",
            "1: the column deadline is missing; expected time, model, class, deadline, and rows or not"
        ),
        (
            "time,model,class,deadline,rows\n", "",
            #"1: unknown column "0"; expected time, model, class, deadline, and rows or not"#
        ),
    ]

    @Test(arguments: mistakes.indices) func `a mistake is named with file, line and column`(index: Int) throws {
        let (old, new, message) = Self.mistakes[index]
        let place = try #require(Self.good.ranges(of: old).first)
        #expect(refusal(Self.good.replacingCharacters(in: place, with: new)) == "t.csv:\(message)")
    }

    @Test func `nothing takes for ever or all memory`() {
        #expect(refusal("") == "t.csv: empty; expected a header with the columns time, model, class, deadline")
        #expect(refusal("\n \r\n") == "t.csv: empty; expected a header with the columns time, model, class, deadline")
        #expect(refusal(Self.good, limit: 3) == "t.csv:5: expected at most 3 requests")
        let long = String(repeating: "9", count: LineSplitter.maximumLength + 1)
        for text in [long, long + "\n"] {
            #expect(
                refusal("time,model,class,deadline\n" + text)
                    == "t.csv:2: longer than \(LineSplitter.maximumLength) bytes")
        }
        var requests = 0
        #expect(throws: FormatError.self) {
            try TraceFile.read("/nowhere.csv", models: Self.models, limit: 1) { _ in requests += 1 }
        }
        #expect(requests == 0)
    }

    @Test func `no damage crashes, and each refusal names the file`() {
        for seed in 0..<1500 { damage(seed) }
    }

    private func damage(_ seed: Int) {
        var luck = SeededGenerator(seed: UInt64(seed))
        let spice = Array(",\n\r\t\"'+-.eE0 \0".utf8) + [0x80, 0xFF, 0xEF, 0xBB, 0xBF]
        var text = Array(Self.good.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &luck) {
            let place = Int.random(in: 0..<text.count, using: &luck)
            switch Int.random(in: 0..<3, using: &luck) {
            case 0: text[place] = spice.randomElement(using: &luck) ?? 0
            case 1: text.insert(spice.randomElement(using: &luck) ?? 0, at: place)
            default: text.remove(at: place)
            }
        }
        do throws(FormatError) {
            let requests = try read(text, pieceLength: Int.random(in: 1...80, using: &luck))
            #expect(requests.count <= 8)
            for request in requests {
                #expect((1...32).contains(request.rows) && request.deadline > .zero && request.at >= .zero)
            }
        } catch {
            #expect(error.file?.hasSuffix("t.csv") == true && !error.description.contains("\n"), "seed \(seed)")
            #expect(error.description.count < 300, "seed \(seed)")
        }
    }
}

extension String {
    /// Where a text is found first, from there on.
    fileprivate func range(of text: String) -> String.Index? { ranges(of: text).first?.lowerBound }

    fileprivate func replacingCharacters(in range: Range<String.Index>, with text: String) -> String {
        var changed = self
        changed.replaceSubrange(range, with: text)
        return changed
    }
}
