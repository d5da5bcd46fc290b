// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitTelemetry
internal import StraitTensor
internal import Testing

@testable internal import StraitServing

/// What an engine on a scripted device tells of itself, in the test's own time.
@Suite struct MetricsTests {
    private let clock = ManualClock()
    private let device: ScriptedDevice
    private let engine: Engine
    private let pool = SlabPool(budget: 1 << 24)
    private let log = ReplyLog()

    init() {
        device = ScriptedDevice(lanes: 2)
        engine = Engine(
            policy: .edfPriority, limits: SchedulerLimits(maximumWaiting: 3), devices: [device], clock: clock,
            timer: NoTimer(), upkeep: PromptTimer())
        engine.start()
    }

    private func add(_ name: String = "m", version: Int = 1) throws -> ServedModel {
        let specification = ModelSpecification(
            name: name, version: version, modelFile: "", maxBatchSize: 4,
            inputs: [TensorSpecification(name: "in", type: .fp32, shape: [-1, -1])],
            outputs: [TensorSpecification(name: "out", type: .fp32, shape: [-1, -1])])
        return engine.add(specification, loaded: try device.load(path: "", name: name))
    }

    @discardableResult
    private func submit(
        _ number: Int, _ model: ServedModel, _ requestClass: RequestClass = .high,
        due: StraitCore.Duration = .seconds(10)
    ) throws -> RequestID? {
        let slab = try pool.take(8)
        let tensor = Tensor(name: "in", type: .fp32, shape: [1, 2], slab: slab, range: 0..<8)
        let submission = Submission(
            model: model, inputs: [tensor], rows: 1, requestClass: requestClass, arrived: clock.now(),
            deadline: clock.now() + due)
        return engine.submit(submission) { [log] in log.note(number, $0) }
    }

    /// The samples of the exposition, by all that stands before the value.
    private func samples(_ format: ExpositionFormat = .prometheus) -> [String: Double] {
        let metrics = ServerMetrics(
            engine: engine, pool: pool, version: "1", virtualGroups: [], connections: { [("http", 7)] })
        var samples: [String: Double] = [:]
        for line in String(decoding: metrics.page(format), as: UTF8.self).split(separator: "\n") {
            guard !line.hasPrefix("#"), let space = line.lastIndex(of: " ") else { continue }
            let name = String(line[..<space])
            #expect(samples[name] == nil, "\(name) is there twice")
            samples[name] = Double(line[line.index(after: space)...])
        }
        return samples
    }

    private func ends(_ samples: [String: Double], where isWanted: (String) -> Bool = { _ in true }) -> Double {
        samples.filter { $0.key.hasPrefix("strait_requests_total") && isWanted($0.key) }.values.reduce(0, +)
    }

    @Test func `each request is in one series, by how and why it ended`() throws {
        let model = try add()
        try submit(0, model)
        try submit(1, model)
        clock.advance(by: .milliseconds(5))
        device.finish(lane: 0, taking: .milliseconds(5))
        device.fail(lane: 1)
        for number in 2..<4 { try submit(number, model) }
        let waiting = try #require(try submit(4, model))
        engine.cancel(waiting)
        for number in 5..<9 { try submit(number, model, due: .seconds(20)) }  // three have room
        clock.advance(by: .milliseconds(30))
        device.finish(lane: 0, taking: .milliseconds(30))
        engine.noteRefused(ProtocolError(.invalidArgument, "no"), nil, model: model)
        engine.noteRefused(ProtocolError(.notFound, "no"), nil, model: nil)
        let samples = samples()
        let series = { (rest: String) in
            samples["strait_requests_total{model=\"m\",version=\"1\",class=\"high\",outcome=\"\(rest)}"]
        }
        #expect(series("met\"") == 2 && series("failed\"") == 1 && series("cancelled\"") == 1)
        #expect(series("shed\",reason=\"queue_full\"") == 1 && series("late\"") == 0)
        #expect(
            samples[
                "strait_requests_total{model=\"m\",version=\"1\",class=\"unknown\",outcome=\"invalid\",reason=\"malformed\"}"
            ]
                == 1)
        #expect(
            samples[
                "strait_requests_total{model=\"/other\",class=\"unknown\",outcome=\"invalid\",reason=\"unknown_model\"}"
            ]
                == 1)
        let (admitted, open) = (
            samples["strait_requests_admitted_total{class=\"high\"}"],
            samples["strait_requests_open{class=\"high\"}"]
        )
        #expect(admitted == 9 && open == 4)
        #expect(ends(samples) { $0.contains("class=\"high\"") } == 9 - 4)
    }

    @Test func `latency, slack and lateness`() throws {
        let model = try add()
        try submit(0, model, .low, due: .milliseconds(150))
        try submit(1, model, .low, due: .milliseconds(30))
        clock.advance(by: .milliseconds(40))
        device.finish(lane: 0, taking: .milliseconds(40))
        device.finish(lane: 1, taking: .milliseconds(40))
        let samples = samples()
        let latency = "strait_request_latency_seconds_bucket{model=\"m\",version=\"1\",class=\"low\",le="
        #expect(samples[latency + "\"0.03\"}"] == 0 && samples[latency + "\"0.05\"}"] == 2)
        #expect(samples["strait_request_slack_seconds_sum{class=\"low\"}"] == 0.11)
        #expect(samples["strait_request_lateness_seconds_sum{class=\"low\"}"] == 0.01)
        #expect(samples["strait_request_lateness_seconds_count{class=\"high\"}"] == 0)
    }

    @Test func `the queue and who has waited for the longest`() throws {
        let model = try add()
        for number in 0..<2 { try submit(number, model) }
        try submit(2, model, due: .seconds(50))
        clock.advance(by: .milliseconds(20))
        try submit(3, model, due: .seconds(5))  // stands before the one that came first
        clock.advance(by: .milliseconds(10))
        let samples = samples()
        #expect(samples["strait_queue_requests{class=\"high\"}"] == 2)
        #expect(samples["strait_queue_oldest_age_seconds{class=\"high\"}"] == 0.03)
        #expect(samples["strait_queue_oldest_age_seconds{class=\"low\"}"] == 0)
        #expect(samples["nv_inference_pending_request_count{model=\"m\",version=\"1\"}"] == 2)
    }

    @Test func `lanes are busy for as long as batches hold them, those that run on included`() throws {
        let model = try add()
        try submit(0, model)
        clock.advance(by: .milliseconds(10))
        try submit(1, model)
        clock.advance(by: .milliseconds(10))
        #expect(samples()["strait_device_busy_lane_seconds_total{device=\"0\"}"] == 0.03)
        device.finish(lane: 0, taking: .milliseconds(20))
        clock.advance(by: .milliseconds(10))
        let samples = samples()
        #expect(samples["strait_device_busy_lane_seconds_total{device=\"0\"}"] == 0.04)
        #expect(samples["strait_device_busy_lanes{device=\"0\"}"] == 1)
        #expect(samples["strait_device_kernel_seconds_total{device=\"0\"}"] == 0.02)
        #expect(samples["strait_device_in_service{device=\"0\"}"] == 1)
    }

    @Test func `predictions and their bounds`() throws {
        let model = try add()
        try submit(0, model)  // predicted to take 20 ms
        clock.advance(by: .milliseconds(24))
        device.finish(lane: 0, taking: .milliseconds(24))
        try submit(1, model)
        clock.advance(by: .seconds(1))
        device.finish(lane: 0, taking: .seconds(1))
        let samples = samples()
        let name = "strait_prediction_ratio_bucket{class=\"high\",le="
        #expect(samples[name + "\"1.1\"}"] == 0 && samples[name + "\"1.2\"}"] == 1)
        #expect(samples["strait_prediction_ratio_count{class=\"high\"}"] == 2)
        #expect(samples["strait_predictions_within_total{class=\"high\",bound=\"p50\"}"] == 0)
        #expect(samples["strait_predictions_within_total{class=\"high\",bound=\"p95\"}"] == 1)
    }

    @Test func `what is loaded again goes on counting, also by Triton's names`() throws {
        for round in 1...3 {
            let model = try add()
            try submit(round, model)
            clock.advance(by: .milliseconds(5))
            device.finish(lane: 0, taking: .milliseconds(5))
            engine.unload(model)
            let samples = samples()
            #expect(
                samples["strait_requests_total{model=\"m\",version=\"1\",class=\"high\",outcome=\"met\"}"]
                    == Double(round))
            #expect(samples["nv_inference_request_success{model=\"m\",version=\"1\"}"] == Double(round))
            #expect(
                samples["nv_inference_compute_infer_duration_us{model=\"m\",version=\"1\"}"] == Double(5000 * round))
            #expect(samples["strait_models_loaded"] == 0)
        }
    }

    @Test func `both formats tell the same`() throws {
        let model = try add()
        for number in 0..<2 { try submit(number, model) }
        clock.advance(by: .milliseconds(5))
        device.finish(lane: 0, taking: .milliseconds(5))
        // What changes from one moment to the next is about the process.
        let left = samples(.prometheus).filter { !$0.key.hasPrefix("process_") }
        let right = samples(.openMetrics).filter { !$0.key.hasPrefix("process_") }
        #expect(left == right && left.count > 200)
    }

    @Test func `who does not count has nothing to tell of the engine`() {
        let quiet = Engine(
            policy: .edfPriority, devices: [ScriptedDevice()], clock: clock, timer: NoTimer(), upkeep: NoTimer(),
            isMetered: false)
        #expect(quiet.metrics() == nil)
    }
}

@Suite struct ModelRowTests {
    private func specification(_ name: String) -> ModelSpecification {
        ModelSpecification(name: name, version: 1, modelFile: "", maxBatchSize: 4, inputs: [], outputs: [])
    }

    @Test func `rows are bounded: the one that was left first is given away, and nothing is lost`() {
        var meter = EngineMeter(devices: 1, rows: 3)
        let (one, two) = (meter.enter(specification("one")), meter.enter(specification("two")))
        #expect(one == 1 && two == 2)
        for row in [one, one, two] { meter.note(.failed, .high, row: row) }
        // Nobody has left: it shares row 0.
        #expect(meter.enter(specification("three")) == ModelRows.other)
        let statistics = ModelStatistics(name: "", version: 1)
        meter.leave(two, statistics)
        meter.leave(one, statistics)
        #expect(meter.enter(specification("four")) == two)
        let column = EngineMeter.column(.failed, .high)
        #expect(meter.ends[two, column] == 0 && meter.ends[ModelRows.other, column] == 1)
        #expect(meter.enter(specification("one")) == one)
        #expect(meter.ends[one, column] == 2 && meter.models.rows.count == 3)
    }
}
