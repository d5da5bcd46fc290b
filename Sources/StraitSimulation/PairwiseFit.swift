// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import VirtualAccelerator

/// gpulet's offline phase (ATC'22): every two models run beside each other on a quiet copy of a scenario's device, again
/// and again, and a linear form of their profiled demands is fitted by least squares to how much each slows down.
///
/// Profiles are the very ones that the run will have, errors included. The same scenario and seed give the same
/// coefficients, bit for bit.
package struct PairwiseFit: Sendable {
    /// One of two batches that ran beside each other.
    package struct Sample: Sendable, Hashable {
        /// What its profile says that it needs.
        package let own: Demand
        /// What that of the other says.
        package let other: Demand
        /// How much longer it took than alone, as a share of its time alone.
        package let slowDown: Double
    }

    /// What was measured; nothing where no model has a profile with demands.
    package let samples: [Sample]

    /// A model at a size of batch.
    private struct Item {
        let model: Int
        let rows: Int
        let demand: Demand
        let solo: Double
    }

    /// The most pairs that are run. Six models at three sizes make 171; of many models' pairs, so many are taken evenly.
    private static let mostPairs = 200
    /// Batches of the slower one, so that it meets the other's phases at several offsets.
    private static let rounds = 2

    /// Runs the pairs.
    package init(_ scenario: Scenario, seed: UInt64) {
        let items = Self.items(scenario, seed: seed)
        let pairs = items.count * (items.count + 1) / 2
        let stride = max(1, (pairs + Self.mostPairs - 1) / Self.mostPairs)
        let quiet = Self.quiet(scenario)
        var (samples, number) = ([Sample](), 0)
        for first in items.indices {
            for second in first..<items.count {
                defer { number += 1 }
                guard number.isMultiple(of: stride) else { continue }
                let (left, right) = Self.run(items[first], items[second], on: quiet)
                samples.append(Sample(own: items[first].demand, other: items[second].demand, slowDown: left))
                samples.append(Sample(own: items[second].demand, other: items[first].demand, slowDown: right))
            }
        }
        self.samples = samples
    }

    /// The coefficients that predict the samples best, in the mean square; those of middling size where there are none.
    package var fitted: PairwiseInterference {
        guard !samples.isEmpty else { return PairwiseInterference() }
        let features = 5
        var system = [[Double]](repeating: Array(repeating: 0, count: features + 1), count: features)
        // Pulls towards 0 what never differed, so that there is always a solution.
        for feature in 0..<features { system[feature][feature] = Self.ridge * Double(samples.count) }
        for sample in samples {
            let input = [
                1, sample.own.cache, sample.other.cache, sample.own.bandwidth, sample.other.bandwidth, sample.slowDown,
            ]
            for row in 0..<features {
                for column in 0...features { system[row][column] += input[row] * input[column] }
            }
        }
        let solution = OfflineRegression.solve(&system)
        var fitted = PairwiseInterference()
        fitted.constant = solution[0]
        fitted.ownCache = solution[1]
        fitted.otherCache = solution[2]
        fitted.ownBandwidth = solution[3]
        fitted.otherBandwidth = solution[4]
        return fitted
    }

    private static let ridge = 1e-6

    /// The root of the mean square of what coefficients are off by.
    package func error(of coefficients: PairwiseInterference) -> Double {
        let squares = samples.reduce(0.0) { sum, sample in
            let off = coefficients.slowDown(of: sample.own, beside: sample.other) - sample.slowDown
            return sum + off * off
        }
        return samples.isEmpty ? 0 : (squares / Double(samples.count)).squareRoot()
    }

    /// Each profiled model at its smallest, a middling and its largest batch.
    private static func items(_ scenario: Scenario, seed: UInt64) -> [Item] {
        var scheduler = Scheduler(policy: .fifo)
        var actions = ActionList()
        scheduler.step(.deviceAdded(scenario.deviceDescription(lanes: 2)), at: .zero, into: &actions)
        let device = scheduler.state.devices[DeviceID(index: 0)].description
        return scenario.models.indices.flatMap { index -> [Item] in
            let description = scenario.modelDescription(index, seed: seed)
            scheduler.step(.modelAdded(description), at: .zero, into: &actions)
            guard let points = description.profile?.curves.first?.points, points.contains(where: { $0.demand != nil })
            else { return [] }
            let kernels = scenario.models[index].kernels
            var sizes = [1]
            for rows in [(kernels.maximumRows + 1) / 2, kernels.maximumRows] where rows > sizes[sizes.count - 1] {
                sizes.append(rows)
            }
            return sizes.map { rows in
                let work = WorkShape(model: ModelID(index: index), elementsPerRow: 1)
                return Item(
                    model: index, rows: rows, demand: scheduler.state.profiles.demand(work, rows: rows, on: device),
                    solo: Double(kernels.soloTime(rows: rows)))
            }
        }
    }

    /// One of the scenario's devices as it is at first, with nobody else on it, no luck and next to no copies.
    private static func quiet(_ scenario: Scenario) -> VirtualAccelerator {
        var device = SimulatedDevice()
        device.streams = scenario.streams
        device.isShared = scenario.isShared
        device.link.overhead = 0
        var description = AcceleratorDescription(devices: [device])
        description.physics = scenario.physics
        description.noise = .none
        let models = scenario.models.map { model in
            var kernels = model.kernels
            kernels.bytesInPerRow = 0
            kernels.bytesOutPerRow = 0
            return kernels
        }
        return VirtualAccelerator(description, models: models, seed: 0)
    }

    /// Both over and over, until each has run often enough beside the other: how much longer they took than alone.
    private static func run(_ first: Item, _ second: Item, on quiet: VirtualAccelerator) -> (Double, Double) {
        let items = [first, second]
        var accelerator = quiet
        var events: [AcceleratorEvent] = []
        var (done, taken) = ([0, 0], [0.0, 0.0])
        for side in items.indices { submit(items[side], side, to: &accelerator, at: 0) }
        while min(done[0], done[1]) < rounds, let next = accelerator.nextEvent {
            events.removeAll(keepingCapacity: true)
            accelerator.advance(to: next, into: &events)
            for event in events {
                guard case .finished(let times) = event.kind else { continue }
                let side = event.job % items.count
                done[side] += 1
                taken[side] += Double(times.kernels)
                submit(items[side], event.job + items.count, to: &accelerator, at: event.time)
            }
        }
        func slowDown(_ side: Int) -> Double { taken[side] / (Double(done[side]) * items[side].solo) - 1 }
        return (slowDown(0), slowDown(1))
    }

    private static func submit(_ item: Item, _ job: Int, to accelerator: inout VirtualAccelerator, at time: Int64) {
        accelerator.submit(
            Job(id: job, device: 0, model: item.model, rows: item.rows, noiseKey: UInt64(job)), at: time)
    }
}
