// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// A profile is corrected while serving: as a whole by its model's bias, at single sizes by factors.
@Suite struct ProfileCorrectionTests {
    private let model = ModelID(index: 0)

    /// A scheduler for one model whose profile says 1 ms and 1 ms more a row, for rows of one element.
    private func scheduler(_ policy: PolicyName) -> Scheduler {
        var scheduler = Scheduler(policy: policy)
        var actions = ActionList()
        scheduler.step(.deviceAdded(DeviceDescription(lanes: 1)), at: .zero, into: &actions)
        scheduler.step(
            .modelAdded(ModelDescription(maximumBatch: 8, profile: profile(1, 1, demand: nil))), at: .zero,
            into: &actions)
        return scheduler
    }

    /// Runs requests of these rows one after the other, each alone, and returns predicted over true time, less 1, for
    /// each of the last `count`.
    private func errors(
        _ scheduler: inout Scheduler, _ requests: [(rows: Int, elements: Int)], lasting time: (Int, Int) -> Double,
        last count: Int
    ) throws -> [Double] {
        var actions = ActionList()
        var now = Instant.zero + .seconds(1)
        var errors: [Double] = []
        for (number, request) in requests.enumerated() {
            let id = RequestID(slot: 0, generation: UInt32(number))
            let work = WorkShape(model: model, elementsPerRow: request.elements)
            let arrival = Request(
                id: id, work: work, shape: ShapeID(number: UInt32(request.elements)),
                requestClass: .high, rows: request.rows,
                deadline: now + .seconds(100))
            scheduler.step(.arrival(arrival), at: now, into: &actions)
            if actions.actions.isEmpty || actions.actions.allSatisfy({ if case .setTimer = $0 { true } else { false } })
            {
                // A policy that waits for company.
                now = now + .milliseconds(10)
                scheduler.step(.timer, at: now, into: &actions)
            }
            var staged: StagedBatch?
            for case .stage(let batch) in actions.actions { staged = batch }
            let batch = try #require(staged)
            let took = Duration.milliseconds(time(request.rows, request.elements))
            errors.append((batch.predictedFinish - now).seconds / took.seconds - 1)
            now = now + took
            let times = MeasuredTimes(copyIn: .zero, kernels: took, copyOut: .zero)
            scheduler.step(.finished(batch.batch, times), at: now, into: &actions)
        }
        return errors.suffix(count)
    }

    @Test(arguments: PolicyName.allCases)
    func `whatever the policy, a profile that is wrong throughout is corrected at all batch sizes`(
        policy: PolicyName
    ) throws {
        var scheduler = scheduler(policy)
        // Only batches of 2 and 4 teach that all takes 1.3 times as long; 1 and 8 follow.
        let taught = (0..<200).map { (rows: $0 % 2 == 0 ? 2 : 4, elements: 1) }
        let asked = [(rows: 1, elements: 1), (rows: 8, elements: 1)]
        let errors = try errors(&scheduler, taught + asked, lasting: { rows, _ in 1.3 * Double(1 + rows) }, last: 2)
        #expect(errors.allSatisfy { $0.magnitude < 0.02 }, "\(errors)")
    }

    @Test func `a profile that is wrong at one batch size is corrected there`() throws {
        var scheduler = scheduler(.strait)
        // Right at one row, 1.5 times as long at eight. One number for both would be off by a fifth either way.
        let requests = (0..<200).map { (rows: $0 % 2 == 0 ? 1 : 8, elements: 1) }
        let errors = try errors(&scheduler, requests, lasting: { rows, _ in rows == 1 ? 2 : 13.5 }, last: 20)
        #expect(errors.allSatisfy { $0.magnitude < 0.05 }, "\(errors)")
    }

    @Test func `a size of row that was not profiled is learned, and does not spoil what was`() throws {
        var scheduler = scheduler(.strait)
        // Rows of 1024 elements take three times as long, not 1024 times.
        let requests = (0..<300).map { (rows: 1, elements: $0 % 2 == 0 ? 1 : 1024) }
        let time = { (_: Int, elements: Int) in elements == 1 ? 2.0 : 6.0 }
        let early = try errors(&scheduler, Array(requests[..<40]), lasting: time, last: 2)
        #expect(early.allSatisfy { $0.magnitude < 0.05 }, "\(early)")
        #expect(scheduler.state.interference.bias(of: 0).magnitude < 0.05)
    }

    @Test func `noise of ten percent and a hiccup now and then move no factor`() throws {
        var scheduler = scheduler(.strait)
        var generator = SeededGenerator(seed: 3)
        let requests = (0..<2000).map { _ in (rows: Int.random(in: 1...8, using: &generator), elements: 1) }
        var noise = SeededGenerator(seed: 4)
        _ = try errors(
            &scheduler, requests,
            lasting: { rows, _ in
                let hiccup = Int.random(in: 0..<50, using: &noise) == 0 ? 3.0 : 1
                return Double(1 + rows) * Double.random(in: 0.83...1.17, using: &noise) * hiccup
            }, last: 0)
        for rows in 1...8 {
            #expect(scheduler.state.corrections.factor(WorkShape(model: model, bucket: 0), rows: rows) == 1, "\(rows)")
        }
    }

    @Test func `factors stay within their range whatever is fed`() {
        var generator = SeededGenerator(seed: 8)
        var corrections = ProfileCorrections()
        for _ in 0..<100_000 {
            let work = WorkShape(
                model: ModelID(index: Int.random(in: 0..<3, using: &generator)),
                bucket: UInt8.random(in: 0...63, using: &generator))
            let ratios = [0, -1, .nan, .infinity, 1e-300, 1e300, 0.5, 1, 2, 60]
            let rows = Int.random(in: 1...5000, using: &generator)
            _ = corrections.learn(
                work, rows: rows, ratio: ratios.randomElement(using: &generator) ?? 1,
                isMeasured: Bool.random(using: &generator))
            #expect(ProfileCorrections.range.contains(corrections.factor(work, rows: rows)))
        }
    }
}
