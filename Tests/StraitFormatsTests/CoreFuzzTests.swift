// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitFormats

/// A small driver: random requests, batches that end after random times, the timer; it writes the lines that it sends.
struct RandomDriver {
    var random: SeededGenerator
    /// What is still to happen, by time; the timer apart.
    private var events: [(at: Int64, line: String)] = []
    private var timer: Int64?
    private var live: [String] = []
    private(set) var requests = 0
    private(set) var now: Int64 = 0
    /// Devices that are removed, and whether the model b is.
    private var removed: Set<String> = []
    private var lacksB = false

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    static func configuration(_ policy: String) -> String {
        """
        {"configure":{"policy":"\(policy)","limits":{"waiting":40},"options":{"explanations":20},"devices":[{"name":"cpu","lanes":2},\
        {"name":"gpu","lanes":3,"copying":{"overhead_ms":0.02,"bytes_per_second":1e10,"uplink":1}}],"models":[\
        {"name":"a","maximum_batch":8,"profile":{"bytes_in_per_row":600000,"bytes_out_per_row":4000,"curves":[\
        {"points":[{"rows":1,"kernel_ms":2,"compute":0.4,"bandwidth":0.2,"cache":0.1},\
        {"rows":8,"kernel_ms":6,"compute":0.9,"bandwidth":0.5,"cache":0.3}]}]}},\
        {"name":"b","maximum_batch":4},{"name":"c","maximum_batch":1,"maximum_queued":3}]}}
        """
    }

    /// The next line to send.
    mutating func next() -> String {
        let first = events.indices.min { events[$0].at < events[$1].at }
        let arrival = now + Int64.random(in: 0...1_500_000, using: &random)
        if let first, events[first].at <= arrival, events[first].at <= timer ?? .max {
            let event = events.remove(at: first)
            now = event.at
            return event.line
        }
        if let timer, timer <= arrival {
            now = timer
            self.timer = nil
            return "{\"event\":\"timer\",\"at_ms\":\(Milliseconds.text(now))}"
        }
        now = arrival
        if let name = live.randomElement(using: &random), Int.random(in: 0..<12, using: &random) == 0 {
            return "{\"event\":\"cancelled\",\"at_ms\":\(Milliseconds.text(now)),\"request\":\(name)}"
        }
        if Int.random(in: 0..<25, using: &random) == 0 { return change() }
        requests += 1
        let name = Bool.random(using: &random) ? "\(requests)" : "\"r\(requests)\""
        live.append(name)
        let model = (lacksB ? ["a", "c"] : ["a", "b", "c"]).randomElement(using: &random) ?? "a"
        let rows = model == "c" ? 1 : Int.random(in: 1...3, using: &random)
        let due = now + Int64.random(in: 0...60_000_000, using: &random)
        let shape = Int.random(in: 0..<4, using: &random) == 0 ? ",\"shape\":\"s\",\"elements_per_row\":9" : ""
        return """
            {"event":"arrival","at_ms":\(Milliseconds.text(now)),"request":\(name),"model":"\(model)","class":\
            "\(Bool.random(using: &random) ? "high" : "low")","rows":\(rows),\
            "deadline_at_ms":\(Milliseconds.text(due))\(shape)}
            """
    }

    /// A device goes or comes back, or a model does. What was on the device is reported all the same.
    private mutating func change() -> String {
        let at = "\"at_ms\":\(Milliseconds.text(now))"
        if Int.random(in: 0..<3, using: &random) == 0 {
            lacksB.toggle()
            return lacksB
                ? "{\"event\":\"model_removed\",\(at),\"model\":\"b\"}"
                : "{\"event\":\"model\",\(at),\"model\":{\"name\":\"b\",\"maximum_batch\":4}}"
        }
        let device = Bool.random(using: &random) ? "cpu" : "gpu"
        let returns = removed.remove(device) != nil
        if !returns { removed.insert(device) }
        return "{\"event\":\"device_\(returns ? "returned" : "removed")\",\(at),\"device\":\"\(device)\"}"
    }

    /// Carries out what came back.
    mutating func note(_ lines: [String]) throws {
        for line in lines {
            let node = try JSONNode(parsing: line)
            switch node["action"]?.string {
            case "stage":
                let batch = node["batch"]?.whole ?? -1
                func later(_ event: String, _ nanoseconds: ClosedRange<Int64>, after start: Int64) -> Int64 {
                    let at = start + Int64.random(in: nanoseconds, using: &random)
                    let line = "{\"event\":\"\(event)\",\"at_ms\":\(Milliseconds.text(at)),\"batch\":\(batch)}"
                    events.append((at, line))
                    return at
                }
                var at = now
                if node["device"]?.string == "gpu" {
                    at = later("copied_in", 0...1_000_000, after: at)
                    at = later("kernels_done", 0...20_000_000, after: at)
                }
                let fails = Int.random(in: 0..<20, using: &random) == 0
                _ = later(fails ? "failed" : "finished", 0...9_000_000, after: at)
            case "answer":
                let name = node["request"].map { $0.string.map { "\"\($0)\"" } ?? "\($0.whole ?? -1)" }
                let before = live.count
                live.removeAll { $0 == name }
                #expect(live.count == before - 1, "\(line) answers what was not asked, or twice")
            case "timer": timer = node["at_ms"]?.nanoseconds
            default: #expect(node["done"] != nil, "\(line)")
            }
        }
    }
}

/// A line with something wrong in it, or nearly.
private func damaged(_ line: String, _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = Array(line.utf8)
    switch Int.random(in: 0..<8, using: &random) {
    case 0: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
    case 1: bytes.removeFirst(Int.random(in: 1...bytes.count, using: &random))
    case 2:
        for _ in 0...3 { bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random) }
    case 3:
        // A number becomes another, also one far outside.
        let numbers = [
            "-1", "0", "1", "1e9", "1e12", "1e13", "1e308", "1e999", "0.5", "99", "4096", "1e-9", "null", "\"\"",
        ]
        let digits = bytes.indices.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[$0]) }
        if let index = digits.randomElement(using: &random), let number = numbers.randomElement(using: &random) {
            bytes.replaceSubrange(index...index, with: Array(number.utf8))
        }
    case 4:
        // Another event's name on this one's fields.
        let names = [
            "arrival", "cancelled", "copied_in", "kernels_done", "finished", "failed", "killed", "timer", "device",
            "device_removed", "device_returned", "model", "model_removed", "why",
        ]
        let text = String(decoding: bytes, as: UTF8.self)
        if let start = text.range(of: "\"event\":\""), let name = names.randomElement(using: &random) {
            let end = text[start.upperBound...].firstIndex(of: "\"") ?? text.endIndex
            bytes = Array(text.replacing(start.upperBound..<end, with: name).utf8)
        }
    case 5:
        let start = Int.random(in: bytes.indices, using: &random)
        bytes.insert(contentsOf: bytes[start..<Int.random(in: start...bytes.count, using: &random)], at: start)
    case 6: bytes.swapAt(.random(in: bytes.indices, using: &random), .random(in: bytes.indices, using: &random))
    default: bytes = (0..<40).map { _ in UInt8.random(in: 0...255, using: &random) }
    }
    return bytes.filter { $0 != UInt8(ascii: "\n") }
}

extension String {
    /// The first place of a piece of text.
    fileprivate func range(of piece: String) -> Range<String.Index>? {
        indices.first { self[$0...].hasPrefix(piece) }.map { $0..<index($0, offsetBy: piece.count) }
    }

    fileprivate func replacing(_ range: Range<String.Index>, with piece: String) -> String {
        self[..<range.lowerBound] + piece + self[range.upperBound...]
    }
}

@Suite struct CoreFuzzTests {
    static let policies = ["edf-priority", "strait", "triton", "fifo", "edf-priority-ewma-gate", "gpulet-priority"]

    /// The same good lines with and without bad ones between them: the answers to the good ones are equal.
    @Test(arguments: Self.policies, 0..<4) func badLinesChangeNothing(policy: String, seed: Int) throws {
        var driver = RandomDriver(seed: UInt64(seed))
        var random = SeededGenerator(seed: UInt64(seed) + 1000)
        var clean = CoreSession()
        var disturbed = CoreSession()
        var refused = 0
        var line = RandomDriver.configuration(policy)
        for _ in 0..<300 {
            for _ in 0..<2 {
                let before = disturbed
                let bad = damaged(line, &random)
                // What is still good is not what this test is about.
                if disturbed.answer(bad).last?.hasPrefix("{\"error\":") == true {
                    refused += 1
                } else {
                    disturbed = before
                }
            }
            let expected = clean.answer(line)
            #expect(expected.last?.hasPrefix("{\"done\":") == true, "\(line): \(expected)")
            #expect(disturbed.answer(line).dropLast() == expected.dropLast(), "after \(line)")
            #expect(disturbed.brokenInvariant() == nil)
            try driver.note(expected)
            line = driver.next()
        }
        #expect(refused > 200)
    }

    /// Damaged lines that are taken have their effect, whatever it is; nothing stops, and the tables stay right.
    @Test(arguments: Self.policies, 0..<6) func noLineStopsTheProcess(policy: String, seed: Int) throws {
        var driver = RandomDriver(seed: UInt64(seed))
        var random = SeededGenerator(seed: UInt64(seed) + 2000)
        var clean = CoreSession()
        var session = CoreSession()
        var line = RandomDriver.configuration(policy)
        for _ in 0..<300 {
            for _ in 0..<3 {
                let bad = damaged(line, &random)
                let answers = session.answer(bad)
                #expect(answers.isEmpty || answers.last?.hasPrefix("{\"done\":") == true || answers.count == 1)
                // The invariants are too slow for every line.
                if random.next() % 16 == 0 { #expect(session.brokenInvariant() == nil) }
            }
            _ = session.answer(line)
            try driver.note(clean.answer(line))
            line = driver.next()
        }
    }

    /// Values at the ends of their ranges, all of which a driver may send. Sums of them saturate, and may then be wrong.
    @Test(arguments: Self.policies) func extremeValuesDoNotOverflow(policy: String) {
        var session = CoreSession()
        let curves = #"[{"elements_per_row":1,"points":[{"rows":1,"kernel_ms":1e9},{"rows":4096,"kernel_ms":1e9}]}]"#
        let profile = #"{"bytes_in_per_row":1099511627776,"bytes_out_per_row":1099511627776,"curves":\#(curves)}"#
        let configuration = """
            {"configure":{"policy":"\(policy)","devices":[{"name":"c","lanes":1},{"name":"g","lanes":2,"copying":\
            {"overhead_ms":1e9,"bytes_per_second":1}}],"models":[{"name":"m","maximum_batch":4096,"profile":\(profile)},\
            {"name":"n","maximum_batch":4096}]}}
            """
        #expect(session.answer(configuration) == ["{\"done\":1}"])
        for (index, elements) in ["1", "1099511627776", "1", "1000", "1099511627776", "1"].enumerated() {
            for (model, requestClass) in [("m", "high"), ("n", "low"), ("m", "low"), ("n", "high")] {
                for due in ["null", "1e12", "0"] {
                    for rows in [1, 4096] {
                        let line = """
                            {"event":"arrival","at_ms":\(index),"request":"\(index)\(model)\(requestClass)\(due)\(rows)",\
                            "model":"\(model)","class":"\(requestClass)","rows":\(rows),"deadline_at_ms":\(due),\
                            "elements_per_row":\(elements)}
                            """
                        #expect(session.answer(line).last?.hasPrefix("{\"done\":") == true)
                    }
                }
            }
            for batch in 0..<200 {
                let time = Double(index) + 0.5
                _ = session.answer("{\"event\":\"copied_in\",\"at_ms\":\(time),\"batch\":\(batch)}")
                _ = session.answer("{\"event\":\"kernels_done\",\"at_ms\":\(time),\"batch\":\(batch)}")
                let long = batch % 3 > 0 ? "1e9" : "0.000001"
                _ = session.answer(
                    """
                    {"event":"finished","at_ms":\(time),"batch":\(batch),"copy_in_ms":\(long),"kernels_ms":\(long),\
                    "copy_out_ms":\(long)}
                    """)
            }
        }
        #expect(session.answer(#"{"event":"timer","at_ms":1e12}"#).last?.hasPrefix("{\"done\":") == true)
    }

    @Test(arguments: Self.policies) func theSameBytesGiveTheSameBytes(policy: String) throws {
        var driver = RandomDriver(seed: 77)
        var session = CoreSession()
        var input: [UInt8] = []
        var line = RandomDriver.configuration(policy)
        for _ in 0..<600 {
            input += Array(line.utf8) + [UInt8(ascii: "\n")]
            if input.count % 5 == 0 { input += Array("nonsense\n".utf8) }
            try driver.note(session.answer(line))
            line = driver.next()
        }
        let outputs = (0..<2).map { _ in
            var session = CoreSession()
            var output = JSONText()
            input.withUnsafeBufferPointer { session.take($0, into: &output) }
            return output.bytes
        }
        #expect(outputs[0] == outputs[1])
        #expect(outputs[0].count > 20_000)
    }
}
