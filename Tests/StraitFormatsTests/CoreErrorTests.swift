// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitFormats

/// Every line that must be refused, with what must be said; afterwards the session goes on as if nothing had come.
@Suite struct CoreErrorTests {
    /// Batch 0 runs on the processor with request 1; batch 1 is being copied to the device with request 2; request 3
    /// waits; rows of shape "s" have 10 elements. The last event was at 10.
    private static func busy() -> CoreSession {
        var session = CoreSessionTests.configured()
        for (request, model, more) in [
            (1, "a", ""), (2, "a", ",\"shape\":\"s\",\"elements_per_row\":10"), (3, "b", ""),
        ] {
            _ = session.answer(
                """
                {"event":"arrival","at_ms":10,"request":\(request),"model":"\(model)","class":"high",\
                "deadline_at_ms":1000\(more)}
                """)
        }
        return session
    }

    @Test(arguments: [
        // not JSON, or not a line of ours
        ("nonsense", "byte 1: expected a JSON value, found 'n'"),
        ("[1]", "expected an object, found an array of 1"),
        ("{}", "event: missing; expected one of \"arrival\", \"cancelled\""),
        (#"{"event":"arival","at_ms":10}"#, "event: expected one of"),
        (#"{"event":3,"at_ms":10}"#, "event: expected one of"),
        (#"{"event":"timer"}"#, "at_ms: missing; expected milliseconds from 0"),
        (#"{"event":"timer","at_ms":"10"}"#, "at_ms: expected milliseconds from 0 to 1000000000000, found \"10\""),
        (#"{"event":"timer","at_ms":-1}"#, "at_ms: expected milliseconds"),
        (#"{"event":"timer","at_ms":1e300}"#, "at_ms: expected milliseconds"),
        (#"{"event":"timer","at_ms":9.999999}"#, "at_ms: 9.999999 is before the last event, which was at 10"),
        (#"{"event":"timer","at_ms":10,"x":1}"#, "x: unknown key; expected one of event, at_ms"),
        (#"{"event":"timer","at_ms":10,"at_ms":11}"#, "the key \"at_ms\" stands twice"),
        (#"{"configure":{"policy":"fifo"}}"#, "configure: was given before"),
        (#"{"configure":{"policy":"fifo"},"event":"timer"}"#, "event: unknown key; expected one of configure"),
        // requests
        (arrival(""), "request: missing"),
        (arrival(#""request":true"#), "request: expected a string of 1 to 256 bytes, found true"),
        (arrival(#""request":"""#), "request: expected a string of 1 to 256 bytes"),
        (arrival(#""request":1.5"#), "request: expected a whole number"),
        (arrival(#""request":-1"#), "request: expected a whole number"),
        (arrival(#""request":9007199254740993"#), "request: expected a whole number"),
        (arrival(#""request":1"#), "request: a request 1 waits or runs"),
        (arrival(#""request":3"#), "request: a request 3 waits or runs"),
        (arrival(#""request":9"#, model: "c"), "model: no model \"c\" was added"),
        (arrival(#""request":9,"rows":5"#), "rows: 5 rows do not fit a batch of \"a\", which takes 4"),
        (arrival(#""request":9,"rows":0"#), "rows: expected a whole number from 1"),
        (arrival(#""request":9,"rows":1.5"#), "rows: expected a whole number from 1"),
        (arrival(#""request":9,"rows":99999999999"#), "rows: expected a whole number from 1"),
        (arrival(#""request":9"#, requestClass: "medium"), "class: expected one of \"high\", \"low\""),
        (arrival(#""request":9"#, due: ""), "deadline_at_ms: missing"),
        (arrival(#""request":9"#, due: #","deadline_at_ms":"soon""#), "deadline_at_ms: expected milliseconds"),
        (arrival(#""request":9"#, due: #","deadline_at_ms":-5"#), "deadline_at_ms: expected milliseconds"),
        (arrival(#""request":9,"shape":"s","elements_per_row":11"#), "elements_per_row: rows of this shape had 10"),
        (arrival(#""request":9,"shape":"""#), "shape: expected a string of 1 to 256 bytes"),
        (arrival(#""request":9,"elements_per_row":0"#), "elements_per_row: expected a whole number from 1"),
        (arrival(#""request":9,"elements_per_row":1e18"#), "elements_per_row: expected a whole number from 1"),
        (arrival(#""request":9,"deadline_ms":5"#), "deadline_ms: unknown key; expected one of event"),
        (#"{"event":"cancelled","at_ms":10,"request":9}"#, "request: no request 9 waits or runs"),
        (#"{"event":"cancelled","at_ms":10,"request":"1"}"#, "request: no request \"1\" waits or runs"),
        (#"{"event":"cancelled","at_ms":10,"request":1,"batch":1}"#, "batch: unknown key"),
        // batches: unknown, ended, in another phase, on a device that reports otherwise
        (#"{"event":"finished","at_ms":10,"batch":7}"#, "batch: no batch 7 is on a device"),
        (#"{"event":"finished","at_ms":10}"#, "batch: missing"),
        (#"{"event":"finished","at_ms":10,"batch":-1}"#, "batch: expected a whole number"),
        (#"{"event":"finished","at_ms":10,"batch":"0"}"#, "batch: expected a whole number"),
        (#"{"event":"failed","at_ms":10,"batch":2}"#, "batch: no batch 2 is on a device"),
        (#"{"event":"killed","at_ms":10,"batch":2}"#, "batch: no batch 2 is on a device"),
        (#"{"event":"killed","at_ms":10,"batch":0}"#, "event: batch 0 is not to be killed"),
        (#"{"event":"copied_in","at_ms":10,"batch":0}"#, "does not copy; expected finished or failed"),
        (#"{"event":"kernels_done","at_ms":10,"batch":0}"#, "does not copy; expected finished or failed"),
        (#"{"event":"kernels_done","at_ms":10,"batch":1}"#, "expected copied_in or failed next for batch 1"),
        (#"{"event":"finished","at_ms":10,"batch":1}"#, "expected copied_in or failed next for batch 1"),
        (#"{"event":"finished","at_ms":10,"batch":0,"kernels_ms":-1}"#, "kernels_ms: expected milliseconds from 0"),
        (#"{"event":"finished","at_ms":10,"batch":0,"copy_in_ms":1e10}"#, "copy_in_ms: expected milliseconds"),
        (#"{"event":"finished","at_ms":10,"batch":0,"copy_out_ms":[]}"#, "copy_out_ms: expected milliseconds"),
        // devices and models
        (#"{"event":"device","at_ms":10}"#, "device: missing"),
        (#"{"event":"device","at_ms":10,"device":{"name":"cpu","lanes":1}}"#, "device.name: there is a device \"cpu\""),
        (#"{"event":"device","at_ms":10,"device":{"name":"x","lanes":0}}"#, "device.lanes: expected a whole number"),
        (#"{"event":"device","at_ms":10,"device":{"name":"x"}}"#, "device.lanes: missing"),
        (
            #"{"event":"device","at_ms":10,"device":{"name":"x","lanes":1,"copying":{"overhead_ms":1}}}"#,
            "device.copying.bytes_per_second: missing"
        ),
        (
            #"{"event":"device","at_ms":10,"device":{"name":"x","lanes":1,"copying":{"overhead_ms":1,"bytes_per_second":0}}}"#,
            "device.copying.bytes_per_second: expected a number from 1.0"
        ),
        (#"{"event":"model","at_ms":10}"#, "model: missing"),
        (#"{"event":"model","at_ms":10,"model":{"name":"a","maximum_batch":1}}"#, "model.name: there is a model \"a\""),
        (
            #"{"event":"model","at_ms":10,"model":{"name":"x","maximum_batch":0}}"#,
            "model.maximum_batch: expected a whole"
        ),
        (
            #"{"event":"model","at_ms":10,"model":{"name":"x","maximum_batch":1,"maximum_queued":0}}"#,
            "model.maximum_queued: expected a whole number"
        ),
        (model(#"{"curves":[]}"#), "model.profile.curves: expected an array of 1 to 64, found none"),
        (model(#"{"curves":[{"points":[]}]}"#), "model.profile.curves[0].points: expected an array of 1 to 256"),
        (
            model(#"{"curves":[{"points":[{"rows":2,"kernel_ms":1},{"rows":2,"kernel_ms":1}]}]}"#),
            "model.profile.curves[0].points[1].rows: expected more than the point before"
        ),
        (
            model(#"{"curves":[{"points":[{"rows":1,"kernel_ms":1,"compute":0.5}]}]}"#),
            "model.profile.curves[0].points[0].bandwidth: missing"
        ),
        (
            model(#"{"curves":[{"points":[{"rows":1,"kernel_ms":1}]},{"points":[{"rows":1,"kernel_ms":1}]}]}"#),
            "model.profile.curves[1].elements_per_row: a second curve"
        ),
    ])
    func aBadLineIsExplainedAndChangesNothing(line: String, expected: String) {
        var session = Self.busy()
        var untouched = session
        let message = session.refusal(line)
        #expect(message?.contains(expected) == true, "\(message ?? "taken"), expected \(expected)")
        #expect(session.brokenInvariant() == nil)
        // All that was there goes on as it does where the line never came.
        let rest = [
            #"{"event":"copied_in","at_ms":10,"batch":1}"#, #"{"event":"finished","at_ms":20,"batch":0}"#,
            #"{"event":"kernels_done","at_ms":22,"batch":1}"#, #"{"event":"finished","at_ms":23,"batch":1}"#,
            Self.arrival(#""request":9"#, at: "24"), #"{"event":"finished","at_ms":30,"batch":2}"#,
            #"{"event":"failed","at_ms":31,"batch":3}"#,
        ]
        for line in rest {
            let lines = session.answer(line).filter { !$0.hasPrefix("{\"done\"") }
            #expect(lines == untouched.answer(line).filter { !$0.hasPrefix("{\"done\"") })
            #expect(!lines.contains { $0.contains("\"error\"") }, "\(lines)")
        }
    }

    @Test(arguments: [
        ("{}", "configure.policy: missing; expected one of"),
        (#"{"policy":"lifo"}"#, "configure.policy: expected one of"),
        (#"{"policy":"fifo","polici":1}"#, "configure.polici: unknown key; expected one of at_ms, policy"),
        (#"{"policy":"fifo","limits":{"waiting":0}}"#, "configure.limits.waiting: expected a whole number from 1"),
        (#"{"policy":"fifo","limits":{"low_share":2}}"#, "configure.limits.low_share: expected a number from 0.0"),
        (#"{"policy":"fifo","limits":{"x":2}}"#, "configure.limits.x: unknown key"),
        (#"{"policy":"fifo","limits":7}"#, "configure.limits: expected an object, found 7"),
        (
            #"{"policy":"fifo","options":{"estimator":"guess"}}"#,
            "configure.options.estimator: expected one of \"solo\""
        ),
        (#"{"policy":"fifo","options":{"x":1}}"#, "configure.options.x: unknown key"),
        (#"{"policy":"fifo","options":{"strait":{"uses_gate":1}}}"#, "strait.uses_gate: expected true or false"),
        (#"{"policy":"fifo","options":{"strait":{"high_weight":-1}}}"#, "strait.high_weight: expected a number"),
        (#"{"policy":"fifo","options":{"strait":{"x":1}}}"#, "configure.options.strait.x: unknown key"),
        (#"{"policy":"fifo","options":{"triton":{"maximum_delay_ms":-1}}}"#, "triton.maximum_delay_ms: expected"),
        (#"{"policy":"fifo","devices":{}}"#, "configure.devices: expected an array of at most 256, found an object"),
        (
            #"{"policy":"fifo","devices":[{"name":"a","lanes":1},{"name":"a","lanes":1}]}"#,
            "configure.devices[1].name: there is a device \"a\""
        ),
        (#"{"policy":"fifo","devices":[{"name":"a","lanes":1000}]}"#, "configure.devices[0].lanes: expected a whole"),
        (
            #"{"policy":"fifo","models":[{"name":"a","maximum_batch":1},{"name":"a","maximum_batch":1}]}"#,
            "configure.models[1].name: there is a model \"a\""
        ),
        (#"{"policy":"fifo","models":[{"maximum_batch":1}]}"#, "configure.models[0].name: missing"),
        (#"{"policy":"fifo","at_ms":-1}"#, "configure.at_ms: expected milliseconds"),
    ])
    func aBadConfigurationLeavesTheSessionWithoutOne(configuration: String, expected: String) {
        var session = CoreSession()
        let message = session.refusal("{\"configure\":\(configuration)}")
        #expect(message?.contains(expected) == true, "\(message ?? "taken"), expected \(expected)")
        #expect(session.refusal(#"{"event":"timer","at_ms":0}"#)?.contains("expected {\"configure\": …}") == true)
        #expect(session.answer(CoreSessionTests.configuration) == ["{\"done\":3}"])
    }

    @Test func anEventBeforeTheStartOfTheClockIsRefused() {
        var session = CoreSessionTests.configured(#"{"configure":{"policy":"fifo","at_ms":5}}"#)
        #expect(session.refusal(#"{"event":"timer","at_ms":4}"#)?.contains("before the last event") == true)
        #expect(session.refusal(#"{"event":"timer","at_ms":5}"#) == nil)
    }

    @Test(arguments: [#""request":1"#, #""request":9,"rows":5"#, #""request":9,"x":1"#])
    func aRefusedArrivalLeavesItsShapeUnknown(request: String) {
        var session = Self.busy()
        let first = Self.arrival(request + #","shape":"new","elements_per_row":5"#)
        #expect(session.refusal(first) != nil)
        let second = Self.arrival(#""request":10,"shape":"new","elements_per_row":6"#)
        #expect(session.answer(second).last?.hasPrefix("{\"done\":") == true)
    }

    @Test func aNumberOnceGivenToABatchIsNotGivenAgainAfterAnError() {
        var session = CoreSessionTests.configured()
        #expect(session.answer(Self.arrival(#""request":1"#)).first?.contains("\"batch\":0,") == true)
        #expect(session.refusal(Self.arrival(#""request":1"#)) != nil)
        #expect(session.answer(Self.arrival(#""request":2"#)).first?.contains("\"batch\":1,") == true)
    }

    @Test func bytesThatAreNotTextAreRefused() {
        var session = CoreSession()
        #expect(
            session.answer([0xFF, 0x00, 0x80]).first?.contains("byte 1: expected a JSON value, found byte 0xff") == true
        )
        #expect(session.answer(Array("{\"a".utf8) + [0xC3, 0x28, 0x22]).first?.contains("is not UTF-8") == true)
    }

    /// An arrival at 10 with a piece for the request; the other keys are good unless given.
    private static func arrival(
        _ request: String, model: String = "a", requestClass: String = "high", at time: String = "10",
        due: String = #","deadline_at_ms":1000"#
    ) -> String {
        let request = request.isEmpty ? "" : request + ","
        return #"{"event":"arrival","at_ms":\#(time),\#(request)"model":"\#(model)","class":"\#(requestClass)"\#(due)}"#
    }

    /// A model that joins with a profile.
    private static func model(_ profile: String) -> String {
        #"{"event":"model","at_ms":10,"model":{"name":"x","maximum_batch":1,"profile":\#(profile)}}"#
    }
}
