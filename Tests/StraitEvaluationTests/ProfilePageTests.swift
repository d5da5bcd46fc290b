// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@testable internal import StraitEvaluation
@testable internal import StraitFormats

@Suite struct ProfilePageTests {
    private static func subject(_ model: String, _ rows: Int) -> ProfileRecord.Subject {
        ProfileRecord.Subject(model: model, version: 1, elementsPerRow: 100, rows: rows)
    }

    private static var file: ProfileFile {
        let names = ["a<b", "plain"]
        var file = ProfileFile(
            device: .init(name: "cpu & more", driver: "ort"),
            models: names.map { name in
                .init(
                    name: name, version: 1, hash: "h",
                    profile: ModelProfile(curves: [
                        .init(
                            bucket: 7,
                            points: [1, 2, 4].map {
                                .init(
                                    rows: $0, kernelTime: .milliseconds(Double($0)),
                                    demand: Demand(compute: 0.5, bandwidth: 0.25, cache: 0.125))
                            })
                    ]))
            })
        file.calendarMilliseconds = 1_795_867_200_000
        for name in names {
            file.records.append(.reference(.init(took: .milliseconds(name == "plain" ? 10 : 10.1), others: 0.02)))
            for rows in [1, 2, 4] {
                var solo = ProfileRecord.Solo(subject(name, rows), runs: 50, median: .milliseconds(Double(rows)))
                solo.p95 = .milliseconds(Double(rows) * 1.5)
                solo.bytesIn = 1_000_000 * rows
                solo.copyIn = .microseconds(Int64(20 + 100 * rows))
                file.records.append(.solo(solo))
            }
            for stressor in ProfileRecord.Stressor.allCases {
                file.records.append(
                    .stressed(.init(subject(name, 4), beside: stressor, tookTurns: false, slowdown: 1.75, loss: 0.25)))
            }
        }
        file.records.append(
            .pair(.init(subject(names[0], 4), subject(names[1], 4), firstSlowdown: 1.23, secondSlowdown: 1.98)))
        return file
    }

    @Test func `the page has the numbers, and no other file`() throws {
        let page = ProfilePage(Self.file, version: "9.9")
        for words in [
            "a&lt;b", "cpu &amp; more", "1.23", "1.98", "1.75", "Slow-down beside others", "Demand", "Noise: quiet",
            "2026-11-28", "strait 9.9", "Latency alone", "Copying",
        ] {
            #expect(page.html.contains(words), "\(words)")
        }
        #expect(!page.html.contains("a<b") && !page.html.contains("src=") && !page.html.contains("<script"))
        let svg = try #require(page.svg)
        #expect(svg.hasPrefix("<svg ") && svg.contains("class=\"k0 zone\"") && svg.contains("class=\"heat7\""))
        #expect(!svg.contains("nan") && !svg.contains("inf"))
    }

    @Test func `a profile without measurements is a table`() {
        var file = Self.file
        file.records = []
        file.models = [file.models[0]]
        let page = ProfilePage(file, version: "9.9")
        #expect(page.html.contains("4.000") && page.html.contains("0.25"))
        file.models[0].profile.curves[0].points = [.init(rows: 1, kernelTime: .milliseconds(3))]
        #expect(ProfilePage(file, version: "9.9").svg == nil)
    }

    @Test func `copies are a line through bytes and time`() throws {
        let copies = try #require(
            ProfileCopies([(1e6, 0.12), (2e6, 0.22), (4e6, 0.42)].map { (bytes: $0.0, milliseconds: $0.1) }))
        #expect(abs(copies.overhead - 0.02) < 1e-9)
        #expect(abs((copies.bandwidth ?? 0) / 1e10 - 1) < 1e-9)
        #expect(ProfileCopies([(bytes: 1, milliseconds: 1)]) == nil)
        #expect(ProfileCopies([(1.0, 1.0), (1, 2), (1, 3)].map { (bytes: $0.0, milliseconds: $0.1) }) == nil)
    }

    @Test func `noise is judged by how far references lie apart and by what others took`() throws {
        func noise(_ times: [Double], _ others: Double?) -> ProfileNoise? {
            ProfileNoise(times.map { .reference(.init(took: .milliseconds($0), others: others)) })
        }
        #expect(noise([], nil) == nil)
        #expect(noise([10, 10.1, 10.2], 0)?.verdict == "quiet")
        #expect(noise([10, 10.1, 10.2], 0.1)?.verdict == "a little noisy")
        #expect(noise([10, 10.1, 12], 0)?.verdict == "noisy")
        let words = try #require(noise([10, 10, 12], 0.5)).words
        #expect(words.contains("10.00 ms") && words.contains("20.0 %") && words.contains("50.0 % of the cores"))
    }
}
