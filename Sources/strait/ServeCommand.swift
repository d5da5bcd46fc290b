// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import OnnxRuntime
internal import StraitCore
internal import StraitDevices
internal import StraitFormats
internal import StraitGRPC
internal import StraitHTTP
internal import StraitNetwork
internal import StraitPlatform
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

/// `strait serve`: loads a repository, serves it until SIGTERM or Ctrl-C, drains, exits.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a model repository over the Open Inference Protocol.",
        discussion: """
            Requests carry a class (parameter priority: 1 is high, 2 and above low) and a deadline (parameter timeout, in \
            microseconds). High requests that can be answered in time are; what cannot be answered in time is refused at \
            once with 504 and the predicted finish. GET /v2/health/ready says 200 when every model is loaded.

            A device on which batches hang or fail one after the other, or that is lost, is taken out of service and probed \
            until it works again; what was on it runs on the others.

            EXAMPLES
              strait serve --model-repository models --http-port 8000 --lanes 2
              strait serve --model-repository models --device virtual:l4,count=4
              strait serve --model-repository models \\
                --device cpu:cores=0,lanes=2 --device cpu:cores=1
            """)

    @OptionGroup(title: "Serving") var options: ServeOptions
    @OptionGroup(title: "TLS") var tlsOptions: TLSOptions
    @OptionGroup(title: "Serving") var memory: MemoryOptions
    @OptionGroup(title: "Seeing what happens") var decisions: DecisionOptions
    @OptionGroup(title: "Seeing what happens") var logging: LoggingOptions
    @OptionGroup(title: "Seeing what happens") var metricsOptions: MetricsOptions
    @OptionGroup(title: "Seeing what happens") var tracing: TracingOptions

    /// What the server waits for: what ends it, and what makes it read its certificates and tokens again.
    private var signals: [CInt] {
        let files = [tlsOptions.tlsCertificate, options.access.tokens, metricsOptions.metricsTokenFile]
        return [SIGTERM, SIGINT] + (files.allSatisfy { $0 == nil } ? [] : [SIGHUP])
    }

    func run() throws {
        let log = ServerLog(logging.settings, write: Console.log)
        log.takeLibraries()
        do {
            try serve(log)
        } catch let error as ExitCode {
            throw error
        } catch let error as OnnxRuntimeError where log.current.format != .json {
            // It lists what was tried; a line of the log holds no line ends.
            for line in "strait serve: \(error)".split(separator: "\n") { log.note(.error, String(line)) }
            throw ExitCode.failure
        } catch {
            log.note(.error, "strait serve: \(error)")
            throw ExitCode.failure
        }
    }

    private func serve(_ log: ServerLog) throws {
        ProcessLimits.blockSignals(signals)
        ProcessLimits.keepTensorMemory()
        try makeRoomForConnections(log)
        try checkPorts()
        try OutputFile.check(options.record)
        let specifications = try options.specifications
        let access = try options.access.control(places: options.maxQueue, log: log.note)
        let metricsAccess = try metricsOptions.access(beside: access)
        let library = try findOnnxRuntime(isNeeded: !specifications.allSatisfy(\.isVirtual), log)
        let pool = SlabPool(budget: options.mostTensorMemory << 20)
        let devices = try ServeDevices(
            specifications, environment: try library.map { try Environment(library: $0) }, pool: pool,
            log: log.note)
        let policy = PolicyName(rawValue: options.policy) ?? .strait
        let interference = EstimatorName(rawValue: options.interference) ?? .kalman
        let tls = try tlsOptions.context(handshakeSeconds: Int64(options.idleTimeoutSecs), log: log)
        let engine = Engine(
            policy: policy, interference: interference, limits: SchedulerLimits(maximumWaiting: options.maxQueue),
            devices: devices.devices, decisions: decisions.decisions, isMetered: !metricsOptions.noMetrics,
            inlineLimit: options.lanes.inlineLimit, log: log.note)
        log.note(
            LogLine(
                .started,
                "strait \(Strait.version), "
                    + (library.map { "ONNX Runtime \($0.version) (\($0.path))" } ?? "no ONNX Runtime")
                    + ", policy \(policy.rawValue), \(devices.words)"
                    + (interference == .kalman ? "" : ", interference \(interference.rawValue)"),
                [
                    "version": Strait.version, "onnxruntime": library?.version ?? "", "policy": policy.rawValue,
                    "devices": devices.words,
                ]))
        if !devices.virtualGroups.isEmpty {
            log.note(
                .warning,
                "WARNING: virtual devices run no model: all answers are synthetic, zeros that are marked "
                    + "strait_synthetic, at the speed of simulated hardware")
        }
        let knowledge = try PriorKnowledge(
            for: devices.devices,
            profile: options.profile.map { .file($0) } ?? .beside(repository: options.modelRepository),
            learned: options.learnedPath, quickProfiler: options.noQuickProfile ? nil : QuickProfiler(pool: pool),
            log: log.note)
        let catalog = try ModelCatalog(
            repository: options.modelRepository, engine: engine, pool: pool, knowledge: knowledge,
            mode: options.catalogMode
        ) {
            log.note($0.indented)
        }
        for warning in catalog.warnings { log.note("  warning: \(warning)") }
        if catalog.index(onlyReady: false).isEmpty {
            log.note(
                .warning,
                "warning: there is no model in \(options.modelRepository); expected folders such as "
                    + "\(options.modelRepository)/NAME/1 with model.onnx in them")
        }
        fitIntoMemory(pool, log)
        let keeper = keeper(of: engine, knowledge, log)
        let hub = RecordHub(engine: engine)
        let recorder = try options.record.map { try Recorder(path: $0, hub: hub, log: log.note) }
        let feed = WatchFeed(engine: engine, hub: hub, server: "strait \(Strait.version)")
        engine.start()
        keeper?.start()
        hub.start()
        catalog.start()

        var deadlines = InferenceService.DefaultDeadlines()
        if let given = options.deadlines {
            deadlines.high = .milliseconds(given.high)
            deadlines.low = .milliseconds(given.low)
        }
        let service = InferenceService(engine: engine, catalog: catalog, pool: pool, defaultDeadlines: deadlines)
        let tracing = try self.tracing.tracing(engine, isSecure: tls != nil, log: log.note)
        tracing?.exporter.start()
        let control = ServerControl(
            service: service,
            description: ServerDescription(name: "strait", version: Strait.version, lanes: devices.laneCount),
            readiness: Readiness(), traces: tracing?.control ?? TraceControl(), tracer: tracing?.tracer, log: log,
            access: access)
        var limits = HTTPLimits()
        limits.bodyBytes = min(options.maxBody << 20, pool.budget)
        limits.idleSeconds = Int64(options.idleTimeoutSecs)
        let network = options.networkPlacement(beside: devices.laneCores)
        service.helpers.start(threads: network.threads, cores: network.cores)
        // Before HTTP, whose readiness is that of all.
        let frontEnds = FrontEnds()
        let metrics = ServerMetrics(
            engine: engine, pool: pool, version: Strait.version, virtualGroups: devices.virtualGroups
        ) { frontEnds.connections }
        let metricsListener = try metricsOptions.listen(
            beside: options.httpAddress, cores: network.cores, tls: tls, access: metricsAccess, metrics, log: log.note)
        var place = Listener.Place(
            host: options.httpAddress, port: options.httpPort, connections: options.maxConnections)
        (place.threads, place.cores, place.tls) = (network.threads, network.cores, tls)
        let grpc = try grpcFrontEnd(control, like: place)
        let server = try HTTPServer(place, control: control, feed: feed, limits: limits)
        frontEnds.add("http") { server.connectionCount }
        if let grpc { frontEnds.add("grpc") { grpc.connectionCount } }
        let address = "\(tls == nil ? "http" : "https")://\(Self.host(options.httpAddress)):\(server.port)"
        log.note(
            LogLine(
                .ready, "ready: \(catalog.served.count) of \(catalog.all.count) models at \(address)",
                ["models": "\(catalog.served.count)", "of": "\(catalog.all.count)", "http": address]))
        if let grpc {
            log.note("gRPC at \(Self.host(options.grpcAddress)):\(grpc.port)\(tls == nil ? "" : " (TLS)")")
        }
        if log.current.format != .json { log.note(QueryHint.text(for: catalog.served, address: address)) }
        memory.forgetStart()

        var quietTime = QuietTime(engine: engine, pool: pool, isOn: !memory.keepMemory)
        var signal = quietTime.waitForSignal(signals)
        while signal == SIGHUP {
            if options.access.tokens != nil { access.reload(log: log.note) }
            if let tls { TLSOptions.reload(tls, log: log) }
            MetricsOptions.reload(metricsAccess, log: log)
            signal = quietTime.waitForSignal(signals)
        }
        let name = SecondSignal.name(signal)
        log.note(LogLine(.draining, "\(name): draining; again to stop at once", ["signal": name]))
        SecondSignal.endsAtOnce([SIGTERM, SIGINT], log: log.note)
        control.readiness.stop()
        server.stopListening()
        grpc?.stopListening()
        let isDrained = engine.drain(within: .seconds(Double(options.exitTimeoutSecs)))
        service.helpers.stop()
        server.stop(withinMilliseconds: Self.lastRepliesMilliseconds)
        grpc?.stop(withinMilliseconds: Self.lastRepliesMilliseconds)
        metricsListener?.stop()
        keeper?.stop()
        recorder?.stop()
        hub.stop()
        tracing?.exporter.stop()
        report(engine, log)
        for group in devices.virtualGroups { log.note("\(group.spec.canonicalName): \(group.pacingErrors.words)") }
        guard isDrained else {
            let words = "not everything that was accepted could be answered within \(options.exitTimeoutSecs) s"
            log.note(LogLine(.stopped, words, kind: .error, ["drained": "false"]))
            throw ExitCode.failure
        }
        catalog.stop()
        engine.stop()
        log.note(LogLine(.stopped, "stopped", ["drained": "true"]))
    }

    /// The gRPC front end, listening with what HTTP does; nil where it is not wanted.
    private func grpcFrontEnd(_ control: ServerControl, like http: Listener.Place) throws -> GRPCFrontEnd? {
        guard !options.noGrpc else { return nil }
        var limits = GRPCLimits()
        limits.messageBytes = min(options.maxBody << 20, control.service.pool.budget)
        limits.idleSeconds = Int64(options.idleTimeoutSecs)
        var place = http
        (place.host, place.port) = (options.grpcAddress, options.grpcPort)
        return try GRPCFrontEnd(place, control: control, limits: limits)
    }

    /// Says now what would else be found when all models are loaded.
    private func checkPorts() throws {
        try Listener.check(host: options.httpAddress, port: options.httpPort, advice: HTTPServer.advice)
        if !options.noGrpc {
            try Listener.check(host: options.grpcAddress, port: options.grpcPort, advice: GRPCFrontEnd.advice)
        }
        try metricsOptions.check(beside: options.httpAddress)
    }

    /// An address as somebody on this machine reaches it.
    private static func host(_ address: String) -> String { address == "0.0.0.0" ? "localhost" : address }

    /// Raises the limit of descriptors as far as the system lets it, and says where that is too little.
    private func makeRoomForConnections(_ log: ServerLog) throws {
        let descriptors = ProcessLimits.raiseDescriptorLimit(by: options.maxConnections)
        guard descriptors >= ProcessLimits.leastDescriptors else {
            log.note(
                .error,
                "strait serve: this process may hold \(descriptors) files open, and it needs "
                    + "\(ProcessLimits.leastDescriptors) at least; raise the limit (ulimit -n)")
            throw ExitCode.failure
        }
        if descriptors < options.maxConnections {
            log.note(
                "warning: this process may hold \(descriptors) files open, so fewer than the \(options.maxConnections) "
                    + "connections of --max-connections fit, and others wait; raise the limit (ulimit -n)")
        }
    }

    /// Lowers the tensor memory to what the process may take now that the models are loaded, unless it was asked for.
    private func fitIntoMemory(_ pool: SlabPool, _ log: ServerLog) {
        guard let left = MemoryRoom.left(), left / Self.copiesOfTensors < pool.budget else { return }
        let fitting = max(1, left / Self.copiesOfTensors >> 20)
        guard options.tensorMemory == nil else {
            log.note(
                "warning: this process may take \(left >> 20) MiB more, and --tensor-memory should be a quarter of it at "
                    + "most (\(fitting)), or requests may end the server")
            return
        }
        log.note(
            "  tensor memory: \(fitting) MiB, a quarter of the \(left >> 20) MiB that this process may take more")
        pool.lowerBudget(to: fitting << 20)
    }

    /// So many times the bytes of a request may be there: as its body, its batch, its results, its reply.
    private static let copiesOfTensors = 4

    /// How long replies that are already computed may take to reach their clients.
    private static let lastRepliesMilliseconds: Int64 = 2000

    /// What keeps the learned state, which is put back already; nil where that is not wanted.
    private func keeper(of engine: Engine, _ knowledge: PriorKnowledge, _ log: ServerLog) -> LearnedKeeper? {
        guard let path = options.learnedPath else { return nil }
        let keeper = LearnedKeeper(path: path, engine: engine, device: knowledge.device, log: log.note)
        if let learned = knowledge.learned { keeper.restore(learned) }
        return keeper
    }

    /// - Parameter isNeeded: whether it is an error if there is none.
    private func findOnnxRuntime(isNeeded: Bool, _ log: ServerLog) throws -> OnnxRuntimeLibrary? {
        do { return try options.onnxRuntime.load(warn: log.note) } catch {
            if isNeeded { throw error }
            return nil
        }
    }

    private func report(_ engine: Engine, _ log: ServerLog) {
        for requestClass in RequestClass.allCases {
            let counted = engine.counters(of: requestClass)
            log.note(
                "\(requestClass): \(counted.arrived) arrived, \(counted.met) in time, \(counted.late) late, "
                    + "\(counted.shed) refused, \(counted.cancelled) cancelled, \(counted.failed) failed")
        }
    }
}
