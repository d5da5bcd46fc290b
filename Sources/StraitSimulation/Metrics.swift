// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import VirtualAccelerator

/// Collects what becomes of a run's requests.
struct Metrics: Sendable {
    private struct Cell: Sendable {
        var arrivals = 0
        var met = 0
        var late = 0
        var shed = 0
        /// Requests of it that were not answered yet, whenever they came.
        var waiting = 0
        /// Since when none of them has been served.
        var unservedSince: Instant?
        var longestStarvation = Duration.zero
        var prediction = PredictionScore()
        var blocks: [BlockCount]
    }

    /// Long against what couples requests to each other (bursts of a tenth of a second, queues of some deadlines), short
    /// enough that a minute has many.
    private static let blockLength = Duration.seconds(2.5)

    private let warmUp: Instant
    private let models: [String]
    /// By class and model.
    private var cells: [[Cell]]
    /// By class, nanoseconds.
    private var latencies: [[Int64]]
    private var latenesses: [[Int64]]
    private var deviceTime = 0.0
    private var lateTime: [Double]
    private var killedTime: [Double]
    private var batches = 0
    private var rows = 0
    /// The batch that ends at present, for what its members' answers say about it.
    private var ending: (kernels: Double, rows: Int) = (0, 1)

    init(_ scenario: Scenario) {
        warmUp = .zero + scenario.warmUp
        models = scenario.models.map(\.kernels.name)
        let classes = RequestClass.allCases
        let counted = (scenario.duration - scenario.warmUp).nanoseconds
        let blocks = Int((counted + Self.blockLength.nanoseconds - 1) / Self.blockLength.nanoseconds)
        let cell = Cell(blocks: Array(repeating: BlockCount(), count: blocks))
        cells = classes.map { _ in scenario.models.map { _ in cell } }
        latencies = classes.map { _ in [] }
        latenesses = classes.map { _ in [] }
        lateTime = classes.map { _ in 0 }
        killedTime = classes.map { _ in 0 }
    }

    mutating func arrived(_ request: LiveRequest) {
        let place = request.requestClass.rawValue
        if request.arrivedAt >= warmUp {
            cells[place][request.model].arrivals += 1
            cells[place][request.model].blocks[block(of: request)].arrivals += 1
        }
        if cells[place][request.model].waiting == 0, cells[place][request.model].unservedSince == nil {
            cells[place][request.model].unservedSince = max(request.arrivedAt, warmUp)
        }
        cells[place][request.model].waiting += 1
    }

    mutating func finished(_ batch: BatchInFlight, _ times: MeasuredTimes, at now: Instant) {
        ending = (times.kernels.seconds, batch.rows)
        guard batch.stagedAt >= warmUp else { return }
        deviceTime += times.kernels.seconds
        batches += 1
        rows += batch.rows
        cells[batch.requestClass.rawValue][batch.model].prediction.note(
            predicted: (batch.predictedFinish - batch.stagedAt).seconds, actual: (now - batch.stagedAt).seconds,
            batch.calibration)
    }

    mutating func killed(_ batch: BatchInFlight, after kernels: Duration) {
        guard batch.stagedAt >= warmUp else { return }
        deviceTime += kernels.seconds
        killedTime[batch.requestClass.rawValue] += kernels.seconds
    }

    mutating func answered(_ request: LiveRequest, _ outcome: Outcome, at now: Instant) {
        let place = request.requestClass.rawValue
        let isCounted = request.arrivedAt >= warmUp
        cells[place][request.model].waiting -= 1
        switch outcome {
        case .met, .late:
            noteService(place, request.model, at: now)
            guard isCounted else { return }
            let latency = now - request.arrivedAt
            latencies[place].append(latency.nanoseconds)
            if outcome == .met {
                cells[place][request.model].met += 1
                cells[place][request.model].blocks[block(of: request)].met += 1
            } else {
                cells[place][request.model].late += 1
                latenesses[place].append((now - request.deadline).nanoseconds)
                lateTime[place] += ending.kernels * Double(request.rows) / Double(ending.rows)
            }
        default: if isCounted { cells[place][request.model].shed += 1 }
        }
    }

    private func block(of request: LiveRequest) -> Int {
        // Clients that wait for answers may send a last time after the end.
        let block = Int((request.arrivedAt - warmUp).nanoseconds / Self.blockLength.nanoseconds)
        return min(block, cells[request.requestClass.rawValue][request.model].blocks.count - 1)
    }

    private mutating func noteService(_ place: Int, _ model: Int, at now: Instant) {
        if let since = cells[place][model].unservedSince {
            cells[place][model].longestStarvation = max(cells[place][model].longestStarvation, now - since)
        }
        cells[place][model].unservedSince = cells[place][model].waiting > 0 ? max(now, warmUp) : nil
    }

    /// The figures. What was never served again starves until the end of the scenario.
    func result(of scenario: Scenario, _ setup: PolicySetup, seed: UInt64) -> RunResult {
        let end = Instant.zero + scenario.duration
        let classes = RequestClass.allCases.map { requestClass -> ClassResult in
            let place = requestClass.rawValue
            let models = cells[place].indices.map { index -> ModelResult in
                let cell = cells[place][index]
                return ModelResult(
                    name: self.models[index], arrivals: cell.arrivals, met: cell.met, late: cell.late, shed: cell.shed,
                    longestStarvation: max(
                        cell.longestStarvation, cell.unservedSince.map { end - $0 } ?? .zero),
                    prediction: cell.prediction, blocks: cell.blocks)
            }
            return ClassResult(
                requestClass: requestClass, models: models, latency: Percentiles(latencies[place]),
                lateness: Percentiles(latenesses[place]),
                waste: deviceTime > 0 ? (lateTime[place] + killedTime[place]) / deviceTime : 0,
                killed: deviceTime > 0 ? killedTime[place] / deviceTime : 0)
        }
        let prediction = PredictionScore.sum(classes.map(\.prediction))
        return RunResult(
            scenario: scenario, setup: setup, seed: seed, classes: classes,
            meanBatch: batches > 0 ? Double(rows) / Double(batches) : nil, predictionError: prediction.error,
            predictionBias: prediction.bias)
    }
}
