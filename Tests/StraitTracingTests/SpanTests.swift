// SPDX-License-Identifier: Apache-2.0

internal import StraitTracing
internal import Testing

/// A request that was answered, with times in thousands of nanoseconds after 1000.
func answered() throws -> RequestTrace {
    let parent = try #require(TraceContext(parsing: example))
    var numbers = TraceNumbers(seed: 2)
    var trace = RequestTrace(
        context: TraceContext(trace: parent.trace, span: numbers.span(), isSampled: true), parent: parent.span,
        state: "a=1", transport: .http, model: "magika", arrived: 1_000_000)
    trace.version = "1"
    trace.requestID = "q7"
    trace.terms = RequestTrace.Terms(submitted: 1_010_000, isHigh: true, deadline: 6_000_000, rows: 3)
    trace.run = RequestTrace.Run(
        staged: 1_200_000, copyIn: 50_000, kernels: 700_000, copyOut: 20_000, predicted: 2_100_000, device: "cpu",
        lane: 1, batchRows: 8)
    trace.finished = 2_000_000
    trace.sent = 2_030_000
    trace.status = 200
    return trace
}

@Suite("The spans of a request")
struct SpanTests {
    @Test("the parts follow one another and add up to the whole")
    func phases() throws {
        let phases = try answered().phases
        #expect(phases.map(\.name) == ["receive", "queue", "stage", "copy_in", "kernels", "copy_out", "answer"])
        let lengths = phases.map { $0.end - $0.start }
        #expect(lengths == [10_000, 190_000, 30_000, 50_000, 700_000, 20_000, 30_000])
    }

    @Test("whatever was measured, nothing ends before it begins and nothing is left out")
    func anyTimes() throws {
        var numbers = TraceNumbers(seed: 11)
        for _ in 0..<20_000 {
            func time() -> Int64 { Int64.random(in: -2_000_000...5_000_000, using: &numbers) }
            var trace = try answered()
            trace.terms?.submitted = time()
            trace.run?.staged = time()
            trace.run?.copyIn = time()
            trace.run?.kernels = time()
            trace.run?.copyOut = time()
            trace.finished = time()
            trace.sent = time()
            if Bool.random(using: &numbers) { trace.run = nil }
            if Bool.random(using: &numbers) { trace.terms = nil }
            let spans = trace.spans
            #expect(spans[0].start == trace.arrived)
            #expect(spans.dropFirst().reduce(0) { $0 + $1.end - $1.start } == spans[0].end - spans[0].start)
            for (one, next) in zip(spans.dropFirst(), spans.dropFirst(2)) { #expect(one.end == next.start) }
            #expect(spans.allSatisfy { $0.end >= $0.start })
            #expect(Set(spans.map(\.id)).count == spans.count)
        }
    }

    @Test("a request that is refused in the queue has no parts of a run")
    func refused() throws {
        var trace = try answered()
        trace.run = nil
        trace.failure = RequestTrace.Failure(code: "deadlineExceeded", message: "refused on arrival")
        trace.status = 504
        let spans = trace.spans
        #expect(spans.map(\.name) == ["InferRequest", "receive", "queue", "answer"])
        #expect(spans[0].error == "refused on arrival")
        #expect(value("strait.outcome", spans[0]) == .text("deadlineExceeded"))
        #expect(value("error.type", spans[0]) == .text("deadlineExceeded"))
    }

    @Test(
        "only what is the server's fault is an error",
        arguments: [(400, false), (429, false), (500, true), (504, true)])
    func errors(_ status: Int, _ isError: Bool) throws {
        var trace = try answered()
        trace.failure = RequestTrace.Failure(code: "c", message: "m")
        trace.status = status
        #expect((trace.spans[0].error != nil) == isError)
    }

    @Test(
        "gRPC has its own statuses", arguments: [(0, false), (3, false), (8, false), (4, true), (13, true), (14, true)])
    func callErrors(_ status: Int, _ isError: Bool) throws {
        var trace = try answered()
        trace.transport = .call
        trace.status = status
        let span = trace.spans[0]
        #expect((span.error != nil) == isError)
        #expect(value("rpc.grpc.status_code", span) == .integer(Int64(status)))
        #expect(span.events.map(\.name).contains("GRPC_WAITREAD_START"))
    }

    @Test("requests over TLS say so", arguments: [(true, "https"), (false, "http")])
    func schemes(_ isSecure: Bool, _ scheme: String) throws {
        var trace = try answered()
        trace.isSecure = isSecure
        #expect(value("url.scheme", trace.spans[0]) == .text(scheme))
    }

    @Test("a late answer is told")
    func late() throws {
        var trace = try answered()
        trace.isLate = true
        #expect(value("strait.outcome", trace.spans[0]) == .text("late"))
    }

    private func value(_ key: String, _ span: Span) -> SpanValue? { span.attributes.first { $0.key == key }?.value }
}

@Suite("Traces on their way out")
struct ExportTests {
    @Test("the message is OpenTelemetry's, byte for byte")
    func bytes() throws {
        let trace = try answered()
        let message = TraceExport(resource: [("service.name", .text("s"))], version: "9").message([trace], offset: 0)
        // Resource { service.name = s }, then the scope, then eight spans.
        #expect(message.count > 500)
        let resource: [UInt8] =
            [0x0A, 0x15, 0x0A, 0x13, 0x0A, 0x0C] + Array("service.name".utf8) + [0x12, 0x03, 0x0A, 0x01, 0x73]
        #expect(contains(message, resource))
        #expect(contains(message, [0x0A, 0x0B, 0x0A, 0x06] + Array("strait".utf8) + [0x12, 0x01, 0x39]))
        // trace_id, span_id, trace_state, parent_span_id, name, kind, start.
        let id: [UInt8] = [
            0x0A, 0x10, 0x4B, 0xF9, 0x2F, 0x35, 0x77, 0xB3, 0x4D, 0xA6, 0xA3, 0xCE, 0x92, 0x9D, 0x0E, 0x0E, 0x47, 0x36,
            0x12, 0x08,
        ]
        #expect(contains(message, id))
        let named: [UInt8] =
            [0x1A, 0x03] + Array("a=1".utf8) + [0x22, 0x08, 0x00, 0xF0, 0x67, 0xAA, 0x0B, 0xA9, 0x02, 0xB7, 0x2A, 0x0C]
            + Array("InferRequest".utf8) + [0x30, 0x02, 0x39, 0x40, 0x42, 0x0F, 0, 0, 0, 0, 0]
        #expect(contains(message, named))
        // The flags of the request's span: sampled, its parent elsewhere; those of its parts: sampled, here.
        #expect(contains(message, [0x85, 0x01, 0x01, 0x03, 0, 0]))
        #expect(contains(message, [0x85, 0x01, 0x01, 0x01, 0, 0]))
    }

    private func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
        guard bytes.count >= part.count else { return false }
        return (0...(bytes.count - part.count)).contains { bytes[$0..<($0 + part.count)].elementsEqual(part) }
    }

    @Test("what has no room is left out and counted")
    func buffer() throws {
        var buffer = TraceBuffer(capacity: 3)
        for _ in 0..<5 { buffer.append(try answered()) }
        #expect(buffer.count == 3)
        #expect(buffer.dropped == 2)
        var taken: [RequestTrace] = []
        buffer.exchange(&taken)
        #expect(taken.count == 3)
        #expect(buffer.count == 0)
    }

    private static let second: Int64 = 1_000_000_000

    @Test("a receiver that fails is tried again, less and less often, and then given up")
    func pace() {
        var pace = ExportPace()
        var (now, waits): (Int64, [Int64]) = (0, [])
        while case .wait(let wait) = pace.failed(at: now, asked: nil) {
            waits.append(wait / Self.second)
            now += wait
        }
        #expect(waits == [1, 2, 4, 8, 16, 30])
        #expect(pace.failed(at: now, asked: nil) == .wait(Self.second))
    }

    @Test(
        "a receiver that asks for time gets it, within bounds", arguments: [(5, 5), (0, 1), (9_000_000, 30), (-3, 1)])
    func asked(_ seconds: Int, _ waited: Int64) {
        var pace = ExportPace()
        #expect(pace.failed(at: 0, asked: seconds) == .wait(waited * Self.second))
    }

    @Test("somebody is told once a minute")
    func complaints() {
        var pace = ExportPace()
        let told = (0..<180).filter { pace.mayComplain(at: Int64($0) * Self.second) }
        #expect(told == [0, 60, 120])
    }
}

@Suite("Where traces go")
struct ExportSettingsTests {
    @Test(
        "addresses",
        arguments: [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"), ("http://a", "http://a:80/v1/traces"),
            ("http://a:1/", "http://a:1/v1/traces"), ("http://a:1/otlp", "http://a:1/otlp/v1/traces"),
            ("http://[::1]:4318", "http://[::1]:4318/v1/traces"), ("http://[::1]", "http://[::1]:80/v1/traces"),
        ])
    func good(_ text: String, _ expected: String) throws {
        #expect("\(try ExportAddress(text))" == expected)
    }

    @Test("an address of traces alone is used as it is")
    func whole() throws {
        #expect("\(try ExportAddress("http://a:5/x", isWhole: true))" == "http://a:5/x")
        #expect("\(try ExportAddress("http://a:5", isWhole: true))" == "http://a:5/")
    }

    @Test(
        "addresses that cannot be used",
        arguments: [
            "", "localhost:4318", "https://a", "http://", "http://:4318", "http://a:0", "http://a:70000", "http://a:x",
            "http://a:", "http://u@a", "http://a?x", "http://a/p#f", "http://a b", "http://a\r\nX: y", "http://[::1",
            "http://[::1]x", "http://é",
        ])
    func bad(_ text: String) { #expect(throws: ExportAddress.Problem.self) { try ExportAddress(text) } }

    private func settings(
        _ environment: [String: String], endpoint: String? = nil, share: Double? = nil
    ) throws -> ExportSettings? {
        try ExportSettings(endpoint: endpoint, share: share, environment: environment, version: "1")
    }

    @Test("without flag or variable nothing is traced")
    func off() throws {
        #expect(try settings([:]) == nil)
        #expect(try settings(["OTEL_EXPORTER_OTLP_ENDPOINT": ""]) == nil)
        #expect(try settings(["OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"]) == nil)
        #expect(try settings(["OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"]) == nil)
    }

    @Test("variables of traces count more than those of all telemetry, and flags more than variables")
    func order() throws {
        var environment = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:1"]
        #expect(try settings(environment)?.address.path == "/v1/traces")
        environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "http://traces:2/own"
        #expect(try settings(environment).map { "\($0.address)" } == "http://traces:2/own")
        #expect(try settings(environment, endpoint: "http://flag:3")?.address.host == "flag")
        environment["OTEL_TRACES_SAMPLER"] = "parentbased_traceidratio"
        environment["OTEL_TRACES_SAMPLER_ARG"] = "0.25"
        #expect(try settings(environment)?.ratio.share == 0.25)
        #expect(try settings(environment, share: 0.5)?.ratio.share == 0.5)
        environment["OTEL_TRACES_SAMPLER"] = "always_off"
        #expect(try settings(environment)?.ratio.share == 0)
    }

    @Test("what is known of the server")
    func resource() throws {
        let found = try settings(
            [
                "OTEL_SERVICE_NAME": "vision", "OTEL_RESOURCE_ATTRIBUTES": "service.name=x, deployment=a%2Cb ,bad,k=",
                "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s%20t,bad name=1,x=%0D%0A",
            ], endpoint: "http://a")
        let made = try #require(found)
        func value(_ key: String) -> [SpanValue] { made.resource.filter { $0.key == key }.map(\.value) }
        #expect(value("service.name") == [.text("vision")])
        #expect(value("deployment") == [.text("a,b")])
        #expect(value("k") == [.text("")])
        #expect(value("telemetry.sdk.language") == [.text("swift")])
        // A line end in a header would be the beginning of another.
        #expect(made.headers.map(\.name) == ["api-key"])
        #expect(made.headers.map(\.value) == ["s t"])
    }

    @Test("variables that mean nothing are told")
    func warnings() throws {
        var lines: [String] = []
        let environment = [
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_TRACES_SAMPLER": "jaeger_remote",
        ]
        let found = try ExportSettings(endpoint: nil, share: nil, environment: environment, version: "1") {
            lines.append($0)
        }
        #expect(try #require(found).ratio.share == 1)
        #expect(lines.count == 2)
        #expect(lines[0].contains("OTEL_EXPORTER_OTLP_PROTOCOL"))
        #expect(lines[1].contains("OTEL_TRACES_SAMPLER"))
    }
}
