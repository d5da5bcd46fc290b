// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitFormats

@Suite struct CoreDocumentTests {
    /// The block of the page that opens with this line.
    private static func block(_ opening: String, in lines: [Substring]) -> [String] {
        guard let start = lines.firstIndex(of: Substring(opening)) else { return [] }
        return lines[(start + 1)...].prefix { $0 != "```" }.map(String.init)
    }

    /// The page has a block of lines in and one of lines out for each name.
    @Test(arguments: ["", " why"]) func theWorkedExamplesAreWhatHappens(name: String) throws {
        // Tests/StraitFormatsTests/ThisFile.swift: the page lies beside the folder of tests.
        let root = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
        let page = try Files.read((root + ["docs", "core-protocol.md"]).joined(separator: "/"), limit: 1 << 20)
        let lines = String(decoding: page, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let input = Self.block("```jsonl in\(name)", in: lines)
        let output = Self.block("```jsonl out\(name)", in: lines)
        try #require(input.count > 5)
        var session = CoreSession()
        let actual = input.flatMap { session.answer($0) }
        // Where the scheduler has become cleverer, the page takes what it now says.
        #expect(actual == output, "write into the page:\n\(actual.joined(separator: "\n"))")
        #expect(output.filter { $0.hasPrefix("{\"error\"") }.count == 1)
    }

    @Test func thePageNamesEveryPolicyAndEstimatorAndKey() throws {
        let root = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
        let page = try Files.read((root + ["docs", "core-protocol.md"]).joined(separator: "/"), limit: 1 << 20)
        let text = String(decoding: page, as: UTF8.self)
        // Errors list what is known, so they know what the page must name.
        var session = CoreSession()
        let lines = [
            #"{"configure":{"policy":"?"}}"#, #"{"configure":{"policy":"fifo","?":1}}"#,
            #"{"configure":{"policy":"fifo","limits":{"?":1}}}"#, #"{"configure":{"policy":"fifo","options":{"?":1}}}"#,
            #"{"configure":{"policy":"fifo","options":{"estimator":"?"}}}"#,
            #"{"configure":{"policy":"fifo","options":{"strait":{"?":1}}}}"#,
            #"{"configure":{"policy":"fifo","options":{"triton":{"?":1}}}}"#,
            #"{"configure":{"policy":"fifo","devices":[{"name":"d","lanes":1,"?":1}]}}"#,
            #"{"configure":{"policy":"fifo","devices":[{"name":"d","lanes":1,"copying":"#
                + #"{"overhead_ms":1,"bytes_per_second":1,"?":1}}]}}"#,
            #"{"configure":{"policy":"fifo","models":[{"name":"d","maximum_batch":1,"?":1}]}}"#,
            #"{"configure":{"policy":"fifo","models":[{"name":"d","maximum_batch":1,"profile":{"?":1,"#
                + #""curves":[{"points":[]}]}}]}}"#,
            #"{"configure":{"policy":"fifo","models":[{"name":"d","maximum_batch":1,"profile":{"#
                + #""curves":[{"?":1,"points":[{}]}]}}]}}"#,
            #"{"configure":{"policy":"fifo","models":[{"name":"d","maximum_batch":1,"profile":{"#
                + #""curves":[{"points":[{"rows":1,"kernel_ms":1,"?":1}]}]}}]}}"#,
            #"{"event":"?","at_ms":0}"#,
            #"{"event":"arrival","at_ms":0,"request":1,"model":"m","class":"low","deadline_at_ms":1,"?":1}"#,
            #"{"event":"finished","at_ms":0,"batch":1,"?":1}"#, #"{"event":"why","request":1,"?":1}"#,
        ]
        for line in lines {
            let refusal = session.refusal(line)
            let message = try #require(refusal, "\(line) was taken")
            let list = try #require(message.split(separator: "one of ").dropFirst().first, "\(message)")
            let known = list.split(separator: ", found ")[0].split(separator: ", ").map {
                $0.filter { $0 != "\"" && $0 != " " }
            }
            for word in known.map({ $0.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" } }) {
                #expect(text.contains("`\(word)`"), "\(word), of \(message)")
            }
        }
    }
}
