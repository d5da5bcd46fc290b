// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitDevices
internal import StraitServing
internal import StraitTracing

/// The flags of `strait serve` about traces.
struct TracingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where traces are sent, in OpenTelemetry's protocol over plain HTTP. Default: "
                + "$OTEL_EXPORTER_OTLP_ENDPOINT, or nowhere.", valueName: "http://host:4318"))
    var otlpEndpoint: String?

    @Option(
        help: ArgumentHelp(
            "The share of the requests to trace, 0 to 1, of those that bring no traceparent. Default: 1.",
            valueName: "share"))
    var traceSample: Double?

    func validate() throws {
        guard traceSample.map({ (0...1).contains($0) }) ?? true else {
            throw ValidationError("--trace-sample is \(traceSample ?? 0); expected 0 to 1")
        }
        do { _ = try otlpEndpoint.map { try ExportAddress($0) } } catch {
            throw ValidationError("--otlp-endpoint: \(error)")
        }
    }

    /// What traces requests and what sends the traces, not started yet; nil where nothing is to be traced.
    func tracing(
        _ engine: Engine, isSecure: Bool, log: @escaping @Sendable (String) -> Void
    ) throws -> (control: TraceControl, tracer: Tracer, exporter: TraceExporter)? {
        let settings = try ExportSettings(
            endpoint: otlpEndpoint, share: traceSample, environment: Surroundings.environment, version: Strait.version,
            warn: { log("warning: \($0)") })
        guard let settings else { return nil }
        var system = SystemRandomNumberGenerator()
        let control = TraceControl(tracing: settings.ratio)
        let tracer = Tracer(
            TraceNumbers(from: &system), control: control, clock: SystemClock(),
            deviceNames: engine.devices.map(\.name), isSecure: isSecure)
        log("traces go to \(settings.address); of requests that bring none, a share of \(settings.ratio.share)")
        return (control, tracer, TraceExporter(settings, of: tracer, version: Strait.version, log: log))
    }
}
