// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitPlatform
internal import StraitProtocol
internal import StraitTensor
internal import StraitTracing
internal import Synchronization
internal import Testing

@testable internal import StraitServing

/// Which requests are traced, and what is kept of them.
@Suite struct TracerTests {
    private static let brought = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    private static let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

    private let clock = ManualClock()

    private func tracer(_ control: TraceControl, capacity: Int = 4096) -> Tracer {
        Tracer(TraceNumbers(seed: 4), control: control, clock: clock, deviceNames: ["cpu"], capacity: capacity)
    }

    /// How many of some requests without a trace of their own are traced.
    private func traced(_ tracer: Tracer, of model: String = "m", among count: Int = 1000) -> Int {
        (0..<count).count { _ in tracer.beginHTTP(model: model, arrived: clock.now()) { _ in [] } != nil }
    }

    private func begin(_ tracer: Tracer, _ headers: [String: [String]]) -> RequestSpan? {
        tracer.beginHTTP(model: "m", arrived: clock.now()) { headers[$0] ?? [] }
    }

    private func kept(_ tracer: Tracer) -> [RequestTrace] {
        var traces: [RequestTrace] = []
        _ = tracer.exchange(&traces)
        return traces
    }

    @Test func `a request that brings a trace goes on with it`() throws {
        let tracer = tracer(TraceControl(tracing: TraceRatio(0)))
        let span = try #require(begin(tracer, ["traceparent": [Self.brought], "tracestate": ["a=1", "b=2"]]))
        let headers = Dictionary(uniqueKeysWithValues: span.headers.map { ($0.name, $0.value) })
        #expect(headers["tracestate"] == "a=1,b=2")
        let answer = try #require(TraceContext(parsing: headers["traceparent"] ?? ""))
        #expect("\(answer.trace)" == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect("\(answer.span)" != "00f067aa0ba902b7" && answer.isSampled)
        clock.advance(by: .milliseconds(3))
        span.end(status: 400)
        span.end(status: 200)
        let traces = kept(tracer)
        #expect(traces.count == 1)
        let trace = try #require(traces.first)
        #expect(trace.parent.map { "\($0)" } == "00f067aa0ba902b7" && trace.state == "a=1,b=2")
        #expect(trace.status == 400 && trace.sent - trace.arrived == 3_000_000)
    }

    @Test func `a request whose trace is not sampled is not traced, and chance decides for the others`() {
        let all = tracer(TraceControl(tracing: TraceRatio(1)))
        #expect(begin(all, ["traceparent": [Self.unsampled]]) == nil)
        // Two are as good as none, and so is one that cannot be read: a new trace begins.
        for brought in [[Self.brought, Self.brought], ["?"]] {
            let span = begin(all, ["traceparent": brought, "tracestate": ["a=1"]])
            #expect(span?.headers.map(\.name) == ["traceparent"])
            #expect(span?.headers[0].value.contains("4bf92f3577b34da6a3ce929d0e0e4736") == false)
        }
        #expect(traced(all) == 1000)
        #expect(traced(tracer(TraceControl(tracing: TraceRatio(0)))) == 0)
        #expect((200..<300).contains(traced(tracer(TraceControl(tracing: TraceRatio(0.25))))))
    }

    @Test func `settings of the trace extension count`() throws {
        let control = TraceControl(tracing: TraceRatio(1))
        let tracer = tracer(control)
        #expect(try control.settings(of: nil).entries.contains { $0.name == "trace_rate" && $0.value == .string("1") })
        _ = try control.update(["trace_level": .strings(["OFF"])], of: "quiet")
        #expect(traced(tracer, of: "quiet") == 0 && traced(tracer) == 1000)
        _ = try control.update(["trace_rate": .string("4")], of: nil)
        #expect((200..<300).contains(traced(tracer)))
        _ = try control.update(["trace_count": .string("3")], of: nil)
        _ = try control.update(["trace_rate": .null], of: nil)
        #expect(traced(tracer) == 3)
        #expect(try control.settings(of: nil).count == 0)
        // A count of a model's own is its own.
        _ = try control.update(["trace_count": .string("2")], of: "m")
        #expect(traced(tracer) == 2 && traced(tracer, of: "other") == 0)
        _ = try control.update(["trace_count": .null], of: nil)
        #expect(traced(tracer, of: "other") == 1000 && traced(tracer) == 0)
        #expect(begin(tracer, ["traceparent": [Self.brought]]) == nil, "the model's count is used up")
    }

    @Test func `where nothing takes traces, settings trace nothing`() throws {
        let control = TraceControl()
        #expect(traced(tracer(control)) == 0)
        _ = try control.update(["trace_level": .strings(["TIMESTAMPS"]), "trace_rate": .string("1")], of: nil)
        #expect(
            try control.settings(of: nil).entries.contains { $0.name == "trace_mode" && $0.value == .string("triton") })
    }

    @Test func `a served request tells where its time went`() throws {
        let (folder, pool, lines) = (Folder(), SlabPool(budget: 1 << 20), Lines())
        folder.write(
            """
            max_batch_size: 4
            input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
            output [ { name: "y" data_type: TYPE_FP32 dims: [ 3 ] } ]
            parameters { key: "strait.virtual_base_ms" value { string_value: "2" } }
            """, to: "m/config.pbtxt")
        let group = VirtualGroup(try VirtualSpec("fixed,ms=2"), environment: nil, pool: pool, log: lines.note)
        let device = try #require(group.devices().first)
        let engine = Engine(policy: .strait, device: device)
        let knowledge = try PriorKnowledge(
            for: [device], profile: .beside(repository: folder.path), learned: nil,
            quickProfiler: QuickProfiler(pool: pool), log: lines.note)
        let catalog = try ModelCatalog(
            repository: folder.path, engine: engine, pool: pool, knowledge: knowledge, progress: lines.note)
        let service = InferenceService(engine: engine, catalog: catalog, pool: pool)
        let model = try catalog.find("m", version: nil)
        let tracer = Tracer(
            TraceNumbers(seed: 1), control: TraceControl(tracing: TraceRatio(1)), clock: SystemClock(),
            deviceNames: [device.name])
        engine.start()
        // One is answered, one cannot be in time, one does not fit its model.
        for (timeout, columns) in [(nil, 3), (1, 3), (nil, 4)] as [(Int64?, Int)] {
            let arrived = engine.now()
            let span = try #require(tracer.beginGRPC(inStream: false, model: "m", arrived: arrived) { _ in [] })
            let slab = try pool.take(2 * columns * 4)
            let input = Tensor(name: "x", type: .fp32, shape: [2, columns], slab: slab, range: 0..<2 * columns * 4)
            var request = InferenceRequest(inputs: [input])
            request.timeoutMicroseconds = timeout
            let answered = Wakeup()
            do {
                _ = try service.infer(request, on: model, arrived: arrived, span: span) { _ in answered.signal() }
                answered.wait()
            } catch {
                span.noteFailure(error.error)
            }
            span.end(status: 0)
        }
        #expect(engine.drain(within: .seconds(600)))
        engine.stop()
        let traces = kept(tracer)
        try #require(traces.count == 3)
        let run = try #require(traces[0].run)
        #expect(run.kernels >= 2_000_000 && run.device == device.name && run.batchRows == 2 && run.lane == 0)
        #expect(traces[0].terms?.rows == 2 && traces[0].failure == nil && traces[0].version == "1")
        #expect(traces[1].run == nil && traces[1].failure?.code == "deadlineExceeded" && traces[1].terms != nil)
        #expect(traces[2].terms == nil && traces[2].failure?.code == "invalidArgument")
        for trace in traces {
            let spans = trace.spans
            #expect(spans[0].end - spans[0].start == trace.sent - trace.arrived)
        }
    }
}

/// The way of traces to their receiver.
@Suite struct TraceExporterTests {
    private let tracer = Tracer(
        TraceNumbers(seed: 4), control: TraceControl(tracing: TraceRatio(1)), clock: ManualClock(),
        deviceNames: ["cpu"], capacity: 300)
    private let lines = Lines()

    private func exporter(_ send: @escaping TraceExporter.Send) -> TraceExporter {
        TraceExporter(
            of: tracer, export: TraceExport(resource: [], version: "1"), address: "http://there", log: lines.note,
            send: send)
    }

    private func trace(_ count: Int) {
        for _ in 0..<count { tracer.beginHTTP(model: "m", arrived: .zero) { _ in [] }?.end(status: 200) }
    }

    @Test func `all is sent in batches, and what had no room is counted`() {
        let sizes = Mutex<[Int]>([])
        let exporter = exporter { message in
            sizes.withLock { $0.append(message.count) }
            return .success(PlainHTTP.Reply(status: 200, retryAfter: nil))
        }
        trace(310)
        var (traces, pace) = ([RequestTrace](), ExportPace())
        exporter.sendAll(&traces, &pace)
        #expect(sizes.withLock { $0.count } == 3)
        #expect(exporter.counts == TraceExporter.Counts(sent: 300, lost: 10))
        #expect(traces.isEmpty && lines.all.isEmpty)
        exporter.sendAll(&traces, &pace)
        #expect(sizes.withLock { $0.count } == 3, "nothing is sent where there is nothing")
    }

    @Test func `what the receiver refuses for good is not sent again, and told once`() {
        let tries = Mutex(0)
        let exporter = exporter { _ in
            tries.withLock { $0 += 1 }
            return .success(PlainHTTP.Reply(status: 400, retryAfter: nil))
        }
        trace(300)
        var (traces, pace) = ([RequestTrace](), ExportPace())
        exporter.sendAll(&traces, &pace)
        #expect(tries.withLock { $0 } == 3)
        #expect(exporter.counts == TraceExporter.Counts(sent: 0, lost: 300))
        #expect(
            lines.all == [
                "warning: traces cannot be sent to http://there: it answers with status 400; 128 are lost so far"
            ])
    }

    @Test func `the last traces are sent at the end, and a dead receiver does not hold it up`() {
        trace(5)
        let sent = exporter { _ in .success(PlainHTTP.Reply(status: 202, retryAfter: nil)) }
        sent.start()
        sent.stop()
        #expect(sent.counts == TraceExporter.Counts(sent: 5, lost: 0))
        #expect(lines.have("traces: 5 sent to http://there, 0 lost"))
    }

    @Test(.timeLimit(.minutes(1)))
    func `a receiver that hangs does not hold up the end, and what it was to have is lost`() {
        let (begun, goes) = (Wakeup(), Wakeup())
        let exporter = TraceExporter(
            of: tracer, export: TraceExport(resource: [], version: "1"), address: "http://there", patience: .zero,
            log: lines.note
        ) { _ in
            begun.signal()
            goes.wait()
            return .success(PlainHTTP.Reply(status: 200, retryAfter: nil))
        }
        exporter.start()
        trace(TraceExport.batch)
        begun.wait()
        trace(3)
        exporter.stop()
        let lost = UInt64(TraceExport.batch + 3)
        #expect(exporter.counts == TraceExporter.Counts(sent: 0, lost: lost))
        #expect(lines.all == ["traces: 0 sent to http://there, \(lost) lost"])
        goes.signal()
    }

    @Test(
        arguments: [
            ("HTTP/1.1 200 OK\r\n\r\n", 200, nil), ("HTTP/1.0 503 x\r\nRetry-After: 7\r\n\r\n", 503, 7),
            ("HTTP/1.1 429 \r\nretry-after:12\r\n", 429, 12), ("HTTP/1.1 503 x\nRetry-After: 3\n\n", 503, 3),
            ("HTTP/1.1 503 x\r\nRetry-After: Wed, 21 Oct\r\n\r\n", 503, nil),
            ("HTTP/1.1 503 x\r\nRetry-After: -4\r\n\r\n", 503, nil),
            ("HTTP/1.1 200 OK\r\n\r\nRetry-After: 9\r\n", 200, nil),
        ] as [(String, Int, Int?)])
    func replies(_ text: String, _ status: Int, _ retryAfter: Int?) throws {
        let reply = try PlainHTTP.reply(in: Array(text.utf8))
        #expect(reply.status == status && reply.retryAfter == retryAfter)
    }

    @Test(arguments: [
        "", "\r\n", "HTTP/2 200\r\n", "HTTP/1.1\r\n", "HTTP/1.1 2000 x", "HTTP/1.1 abc x", "\u{0}HTTP/1.1 200",
    ])
    func whatIsNoReply(_ text: String) {
        #expect(throws: PlainHTTP.Failure.self) { try PlainHTTP.reply(in: Array(text.utf8)) }
    }
}
