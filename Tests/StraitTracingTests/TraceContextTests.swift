// SPDX-License-Identifier: Apache-2.0

internal import StraitTracing
internal import Testing

/// A context as the W3C's text has it.
let example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

@Suite("The headers traceparent and tracestate")
struct TraceContextTests {
    @Test("is read and written as it came")
    func roundTrip() throws {
        let context = try #require(TraceContext(parsing: example))
        #expect(context.header == example)
        #expect(context.isSampled)
        #expect("\(context.trace)" == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect("\(context.span)" == "00f067aa0ba902b7")
    }

    @Test(
        "what a later version adds is passed over, and flags that are not known are dropped",
        arguments: [
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-ever", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", true),
        ])
    func good(_ text: String, isSampled: Bool) throws {
        let context = try #require(TraceContext(parsing: text))
        #expect(context.isSampled == isSampled)
        #expect(context.header.hasPrefix("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"))
    }

    @Test(
        "what is malformed is ignored",
        arguments: [
            "", "00", "00-", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bé-01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ])
    func malformed(_ text: String) { #expect(TraceContext(parsing: text) == nil) }

    @Test("a change of any one byte is refused or read as what it says")
    func oneByte() {
        var numbers = TraceNumbers(seed: 3)
        for _ in 0..<20_000 {
            var bytes = Array(example.utf8)
            bytes[Int.random(in: 0..<bytes.count, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers)
            let text = String(decoding: bytes, as: UTF8.self)
            guard let context = TraceContext(parsing: text) else { continue }
            // Only version and flags may read as something else than was written.
            #expect(context.header.dropFirst(2).dropLast(2) == text.dropFirst(2).dropLast(2))
        }
    }

    @Test(
        "tracestate is passed on unread",
        arguments: [
            (["a=1"], "a=1"), (["a=1,b=2"], "a=1,b=2"), (["a=1", "b=2"], "a=1,b=2"), ([" a=1 ,\tb=2\t"], "a=1,b=2"),
            (["a=1,,b=2"], "a=1,b=2"), (["vendor@system=x y"], "vendor@system=x y"),
            (["0a/b*c_d-e=!~"], "0a/b*c_d-e=!~"), ([""], ""), ([], ""),
        ] as [([String], String)])
    func state(_ headers: [String], _ expected: String) { #expect(TraceState.passedOn(headers) == expected) }

    @Test(
        "a malformed tracestate is dropped whole",
        arguments: [
            ["a"], ["=1"], ["a="], ["A=1"], ["a=1=2"], ["a b=1"], ["a=1,b"], ["a=\u{7F}"], ["a=é"], ["a=1\r\nX: y"],
            ["_a=1"], [(0..<33).map { "k\($0)=1" }.joined(separator: ",")], ["a=" + String(repeating: "x", count: 257)],
            [String(repeating: "k", count: 257) + "=1"],
            (0..<3).map { "k\($0)=" + String(repeating: "x", count: 250) }, [String(repeating: ",", count: 5000)],
        ])
    func badState(_ headers: [String]) { #expect(TraceState.passedOn(headers) == "") }
}

@Suite("Numbers of traces")
struct TraceNumberTests {
    @Test("are the same for the same seed, and others for another")
    func seeded() {
        var (one, same, other) = (TraceNumbers(seed: 7), TraceNumbers(seed: 7), TraceNumbers(seed: 8))
        let (first, second, third) = (one.trace(), same.trace(), other.trace())
        #expect(first == second)
        #expect(first != third)
        #expect(one.span() == same.span())
    }

    @Test("do not come twice")
    func distinct() {
        var numbers = TraceNumbers(seed: 1)
        #expect(Set((0..<100_000).map { _ in numbers.trace() }).count == 100_000)
        let spans = (0..<5000).flatMap { _ in
            let span = numbers.span()
            return [span] + (0..<8).map(span.child)
        }
        #expect(Set(spans).count == spans.count)
    }

    @Test(
        "a share of them is kept, and who is kept at a share is kept at a larger one", arguments: [0.0, 0.01, 0.3, 1])
    func share(_ share: Double) {
        var numbers = TraceNumbers(seed: 5)
        let (ratio, more) = (TraceRatio(share), TraceRatio(share * 1.5))
        let traces = (0..<50_000).map { _ in numbers.trace() }
        let kept = traces.count { ratio.keeps($0) }
        // Five standard deviations.
        #expect(abs(Double(kept) - 50_000 * share) <= 5 * (50_000 * share * (1 - share)).squareRoot())
        #expect(traces.allSatisfy { !ratio.keeps($0) || more.keeps($0) })
    }

    @Test("a share that is none counts as its nearer end", arguments: [(-1.0, 0.0), (2, 1), (.nan, 0), (.infinity, 1)])
    func odd(_ share: Double, _ expected: Double) { #expect(TraceRatio(share).share == expected) }
}
