// SPDX-License-Identifier: Apache-2.0

internal import StraitFormats
internal import Testing

/// The pages of `strait top`: what they say, and that they fit.
@Suite struct TopPageTests {
    private static func state(models: Int = 2) -> String {
        let rows = (0..<models).map { index in
            """
            {"model":"lung-nodules-\(index)","version":\(index % 2 + 1),"arrived_per_s":12.5,"in_time_share":0.98765,\
            "late":1,"shed":2,"shed_by_reason":{"hopeless-on-arrival":2,"queue-full":0},"p50_ms":8.25,"p99_ms":120.4,\
            "rows_per_batch":2.5,"waiting":3}
            """
        }
        return """
            {"server":{"name":"strait","version":"1","policy":"strait","at":"2026-11-28T12:03:01.482Z","ready":true},\
            "window_s":5.4,"classes":[{"class":"high","in_time_share":1,"arrived_per_s":120,"waiting":0,"oldest_ms":null,\
            "queued_ms":0,"running":2,"late":0,"shed":0,"failed":0,"totals":{"arrived":5000}},{"class":"low",\
            "in_time_share":null,"arrived_per_s":3.25,"waiting":14,"oldest_ms":12345,"queued_ms":88.1,"running":0,"late":5,\
            "shed":3,"failed":0,"totals":{"arrived":70}}],"models":[\(rows.joined(separator: ","))],"devices":[{"device":\
            "virtual:l4 on an uplink with a name that is very long indeed","serving":true,"lanes":[{"lane":0,"busy":0.934,\
            "batch":{"batch":17,"model":"lung-nodules-0","class":"high","rows":4,"predicted_in_ms":3.25,"bound95_in_ms":4.5}},\
            {"lane":1,"busy":0}]},{"device":"gpu1","serving":false,"reason":"a batch hangs on it","lanes":[{"lane":0,"busy":0}]}],\
            "predictions":{"alert":false,"classes":[{"class":"high","predictions":1203,"within95":0.952},\
            {"class":"low","predictions":0}]},"tensor_memory":{"bytes":12582912,"budget":1073741824}}
            """
    }

    private static func lines(width: Int, height: Int = .max, models: Int = 2) throws -> [String] {
        TopPage(try JSONNode.read(Array(state(models: models).utf8))).lines(width: width, height: height).map(\.text)
    }

    @Test func `a wide page says all`() throws {
        let text = try Self.lines(width: 160).joined(separator: "\n")
        for words in [
            "strait 1   policy strait   12:03:01 UTC   last 5.4 s   tensors 12 of 1024 MiB", "100.0 %", "12.3 s",
            "predictions within their 95 % bound: high 95.2 % of 1203, low none yet", "93 %",
            "lung-nodules-0 high ×4", "3.3 ms", "out of service", "OUT OF SERVICE: gpu1: a batch hangs on it",
            "lung-nodules-1 v2", "98.8 %", "8.3 ms", "120 ms", "hopeless-on-arrival 2",
        ] {
            #expect(text.contains(words), "\(words) is missing:\n\(text)")
        }
        #expect(!text.contains("queue-full"))
    }

    @Test(arguments: [20, 40, 60, 80, 100, 132, 200])
    func `no line is too long`(width: Int) throws {
        for line in try Self.lines(width: width) { #expect(line.count <= width, "\(line)") }
    }

    @Test func `80 columns keep what matters most`() throws {
        let text = try Self.lines(width: 80).joined(separator: "\n")
        for words in ["in time", "waiting", "oldest", "busy", "done in", "p99", "shed"] {
            #expect(text.contains(words), "\(words) is missing:\n\(text)")
        }
    }

    @Test func `names move no cursor`() throws {
        let text = #"{"models":[{"model":"a\u001b[2Jb\u202ec"}],"server":{"name":"s\n"}}"#
        let lines = TopPage(try JSONNode.read(Array(text.utf8))).lines(width: 80).map(\.text)
        #expect(lines.contains { $0.hasPrefix("a·[2Jb·c ") } && lines[0].hasPrefix("s· "))
    }

    @Test(arguments: [10, 24, 50])
    func `a page is no longer than the window`(height: Int) throws {
        let lines = try Self.lines(width: 80, height: height, models: 300)
        #expect(lines.count <= height)
        #expect(height < 24 || lines.last?.contains("more models") == true, "\(lines)")
    }

    @Test(arguments: ["{}", "[]", "null", "{\"classes\":3,\"models\":[1,{}],\"devices\":[{\"lanes\":[{}]}]}"])
    func `a state that is none makes a page without numbers`(text: String) throws {
        let lines = TopPage(try JSONNode.read(Array(text.utf8))).lines(width: 80)
        #expect(!lines.isEmpty)
    }
}
