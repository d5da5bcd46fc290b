// SPDX-License-Identifier: Apache-2.0

internal import StraitFormats
internal import StraitProtocol
internal import Synchronization
internal import Testing

@testable internal import StraitCore
@testable internal import StraitServing

/// What is remembered is kept flat and small, and read back as it was.
@Suite struct PackedHistoryTests {
    @Test(
        arguments: [
            (0, 0), (1, 1), (-1, -1), (536_870_911, 536_870_911), (-536_870_911, -536_870_911),
            (536_870_912, 536_871_000), (2_000_000_499, 2_000_000_000), (2_000_000_500, 2_000_001_000),
            (-536_870_911_499, -536_870_911_000), (537_000_000_000, 537_000_000_000),
            (3_600_000_999_999, 3_600_000_000_000),
            (.max, 536_870_911_000_000), (-.max, -536_870_911_000_000),
        ] as [(Int64, Int64)])
    func `spans are exact as far as they are told`(nanoseconds: Int64, kept: Int64) {
        let span = PackedSpan(Duration(nanoseconds: nanoseconds))
        #expect(span.span == Duration(nanoseconds: kept))
        let origin = Instant(nanoseconds: 7)
        #expect(PackedSpan(from: origin, to: origin + Duration(nanoseconds: nanoseconds / 2)) != .never)
        #expect(MemoryLayout<PackedSpan>.size == 4)
    }

    @Test func `never stays never`() {
        let origin = Instant(nanoseconds: -5)
        #expect(PackedSpan(from: origin, to: .never).instant(from: origin) == .never)
        #expect(PackedSpan(from: origin, to: .never).instantIfAny(from: origin) == nil)
        #expect(PackedSpan(from: origin, to: origin).instantIfAny(from: origin) == origin)
    }

    @Test(arguments: 0..<20)
    func `texts are there until they are let go, in memory that is used again`(seed: UInt64) {
        var generator = Seeded(state: seed)
        var log = TextLog(keeping: 40 * 600)
        var kept: [(text: String, place: TextLog.Place, count: Int)] = []
        var blocks: Set<Int> = []
        for _ in 0..<5000 {
            let length = Int.random(in: 0...(seed % 2 == 0 ? 20 : 600), using: &generator)
            let text = String(repeating: ["a", "ö", "x"].randomElement(using: &generator) ?? "a", count: length)
            let (place, count) = log.append(text, forgettingBefore: kept.first?.place)
            kept.append((text, place, count))
            if kept.count > 40 { kept.removeFirst() }
            blocks.insert(log.blockCount)
            guard let one = kept.randomElement(using: &generator) else { continue }
            let expected = Array(one.text.utf8.prefix(TextLog.longest))
            #expect(one.count == expected.count && log.has(expected, at: one.place, one.count))
            #expect(log.text(at: one.place, one.count) == String(decoding: expected, as: UTF8.self))
        }
        // 40 texts with what a block's end wastes, and no more for all that passed.
        #expect((blocks.max() ?? 99) <= (seed % 2 == 0 ? 2 : 9))
    }

    @Test func `where nobody lets texts go the oldest are lost, and known to be`() {
        var log = TextLog(keeping: 10_000)
        let places = (0..<500).map { log.append("text \($0) " + String(repeating: "-", count: 90)).place }
        #expect(log.text(at: places[0], 10) == nil)
        #expect(log.text(at: places[499], 8) == "text 499")
        let known = places.indices.filter { log.text(at: places[$0], 8) != nil }
        #expect(known.count * 99 >= 10_000 && known.first.map { known == Array($0..<500) } == true)
        #expect(log.blockCount <= 8)
    }

    @Test func `models come and go for ever, and what is remembered keeps their names`() throws {
        let fixture = try DecisionFixture(decisions: 8)
        for number in 1...700 {
            let specification = ModelSpecification(
                name: "model-\(number)", version: 1, modelFile: "ct/1/model.onnx", maxBatchSize: 4,
                inputs: fixture.model.specification.inputs, outputs: fixture.model.specification.outputs)
            let loaded = try fixture.device.load(path: "ct/1/model.onnx", name: "ct")
            let model = fixture.engine.add(specification, loaded: loaded)
            try fixture.submit(number, number % 2 == 0 ? .high : .low, due: number == 2 ? 5 : 1000, to: model)
            fixture.finish(after: 10)
            fixture.engine.unload(model)
            fixture.engine.maintain()
        }
        let told = try fixture.ask("last=8")["decisions"]?.elements ?? []
        #expect(told.compactMap { $0["model"]?.text } == (693...700).reversed().map { "model-\($0)" })
        // The second was late, and is remembered for longer.
        #expect(try fixture.story("request=2")["model"]?.text == "model-2")
        #expect(fixture.engine.state.withLock { $0.history?.labels.noneBorne.count ?? 999 } <= 300)
    }

    @Test func `a message that failed requests were told is kept, for the last of them`() throws {
        let fixture = try DecisionFixture(decisions: 64)
        for number in 1...40 {
            try fixture.submit(number, .low)
            fixture.device.fail(lane: 0)
        }
        #expect(try fixture.words("request=40")[1].contains("failed at +0 ms: "))
        #expect(try fixture.story("request=40")["error"]?.text?.isEmpty == false)
    }
}
