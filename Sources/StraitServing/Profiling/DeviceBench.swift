// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitDevices
package import StraitFormats
internal import StraitPlatform
package import StraitProtocol
package import StraitTensor

/// Measures on a device, on the lanes that would serve.
package final class DeviceBench: ProfilingBench {
    /// A model that can be run.
    package struct Model: Sendable {
        /// By what it is known.
        package let key: ModelKey
        fileprivate let specification: ModelSpecification
        fileprivate let loaded: LoadedModel

        /// A model that the device has loaded.
        package init(key: ModelKey, specification: ModelSpecification, loaded: LoadedModel) {
            self.key = key
            self.specification = specification
            self.loaded = loaded
        }

        /// The most rows in a batch.
        fileprivate var maximumBatch: Int { max(1, specification.maxBatchSize) }
    }

    private let device: any Device
    private let lanes: BenchLanes
    private let pool: SlabPool
    private let stress: ProcessorStress?
    private var models: [ModelKey: Model] = [:]
    private var sizes: [ModelKey: [Int: SyntheticInputs.Size]] = [:]
    private var bytesOut: [Subject: Int] = [:]
    private var lastUse: MachineUse?

    /// What dimensions that vary are taken to be, besides the batch, where nobody says: those of the quick profile, so that
    /// a model is measured where that would have guessed.
    private static let usualSizes = QuickProfiler.sizes
    /// A size of row at which one row takes longer than this is no size that anybody serves in time.
    private static let longestRow = StraitCore.Duration.seconds(5)

    /// A bench, which starts the device's lanes. Nobody else may use it until ``stop()``.
    ///
    /// - Parameters:
    ///   - cores: the processor cores of the device, the first lane's first; empty for a device that is no processor, and
    ///     cannot be put under stress.
    ///   - pool: where inputs are put.
    package init(_ device: any Device, cores: [Int], pool: SlabPool) {
        self.device = device
        self.pool = pool
        lanes = BenchLanes(device)
        device.start(driver: lanes)
        stress = cores.isEmpty ? nil : ProcessorStress(cores: cores)
        lastUse = MachineUse.now(of: CoreSet.allowed())
    }

    /// Ends the device's lanes.
    package func stop() { device.stop() }

    // -- models ---------------------------------------------------------------------------------------------------

    /// Takes a model, and finds out at which sizes of row it runs.
    ///
    /// - Parameter shapes: shapes that are asked for, by input, with 1 as the batch; they come before the usual ones.
    /// - Returns: what of it can be measured.
    /// - Throws: why it cannot run, or not on one of the shapes that are asked for.
    package func add(_ model: Model, shapes: [[String: [Int]]]) throws -> ProfilePlan.Target {
        models[model.key] = model
        let declared = shapes.map { SyntheticInputs.Size.shapes($0, otherwise: Self.usualSizes[0]) }
        let varies = SyntheticInputs.vary(model.specification, model.loaded)
        let usual = varies ? Self.usualSizes.map { SyntheticInputs.Size.all($0) } : declared.isEmpty ? [.all(1)] : []
        var found: [ProfilePlan.Target.Size] = []
        var buckets: Set<UInt8> = []
        var failure: (any Error)?
        for (index, size) in (declared + usual).enumerated() {
            do {
                guard let tried = try attempt(model, size, unless: buckets) else { continue }
                buckets.insert(tried.bucket)
                if !found.isEmpty, tried.size.time > Self.longestRow { continue }
                sizes[model.key, default: [:]][tried.size.elementsPerRow] = size
                found.append(tried.size)
            } catch {
                // What was asked for must run; of what was guessed something must.
                guard index >= declared.count else { throw error }
                failure = failure ?? error
            }
        }
        guard !found.isEmpty else { throw failure ?? SyntheticInputs.Refusal(description: "it has no inputs to vary") }
        return ProfilePlan.Target(key: model.key, maximumBatch: model.maximumBatch, sizes: found)
    }

    /// Runs one row of a size; nil where its power of two of elements is taken.
    private func attempt(
        _ model: Model, _ size: SyntheticInputs.Size, unless taken: Set<UInt8>
    ) throws -> (size: ProfilePlan.Target.Size, bucket: UInt8)? {
        let inputs = try SyntheticInputs(model.specification, model.loaded, rows: 1, size: size, pool: pool)
        let subject = Subject(
            model: model.key.name, version: model.key.version, elementsPerRow: inputs.elementsPerRow, rows: 1)
        guard !taken.contains(subject.bucket) else { return nil }
        let batch = batch(model, [inputs], lane: 0)
        // The first run allocates; how long a model takes is what the second says.
        _ = try lanes.run(batch, times: 1)
        let time = try lanes.run(batch, times: 1).runs[0].times.kernels
        return (.init(elementsPerRow: subject.elementsPerRow, time: time), subject.bucket)
    }

    /// A batch as serving would make it: of requests of one row each, whose rows are gathered.
    private func batch(_ subject: Subject, lane: Int) throws -> DeviceBatch {
        guard
            let model = models.values.first(where: { $0.key.name == subject.model && $0.key.version == subject.version }
            ),
            let size = sizes[model.key]?[subject.elementsPerRow]
        else { throw SyntheticInputs.Refusal(description: "\(subject.model) has no rows of \(subject.elementsPerRow)") }
        let rows = try (0..<subject.rows).map { _ in
            try SyntheticInputs(model.specification, model.loaded, rows: 1, size: size, pool: pool)
        }
        return batch(model, rows, lane: lane)
    }

    private func batch(_ model: Model, _ rows: [SyntheticInputs], lane: Int) -> DeviceBatch {
        let nobody = RequestID(slot: 0, generation: 0)
        return DeviceBatch(
            batch: BatchID(slot: 0, generation: 0), lane: LaneID(index: lane), modelID: ModelID(index: 0),
            model: model.loaded, isBatchable: model.specification.isBatchable,
            parts: rows.map { DeviceBatch.Part(request: nobody, rows: 1, inputs: $0.tensors) })
    }

    // -- alone ----------------------------------------------------------------------------------------------------

    package var laneCount: Int { device.laneCount }

    package func run(_ subject: Subject, times: Int) throws -> [MeasuredTimes] {
        let (runs, bytes) = try lanes.run(try batch(subject, lane: 0), times: times)
        bytesOut[subject] = bytes
        return runs.map(\.times)
    }

    package func bytes(of subject: Subject) -> (copyIn: Int, copyOut: Int) {
        let inputs = try? batch(subject, lane: 0).parts.reduce(0) { sum, part in
            part.inputs.reduce(sum) { $0 + $1.range.count }
        }
        return (inputs ?? 0, bytesOut[subject] ?? 0)
    }

    // -- beside others --------------------------------------------------------------------------------------------

    package func runTogether(
        _ subjects: [Subject], from lane: Int, beside stressor: Stressor?, for span: StraitCore.Duration
    ) throws -> Company {
        let batches = try subjects.enumerated().map { try batch($1, lane: lane + $0) }
        let threads = stressor.flatMap { stress?.start($0) }
        defer { threads?.stop() }
        for batch in batches { lanes.startLoop(batch) }
        let used = lane..<lane + batches.count
        // What one does until all others run is not beside them.
        wait { lanes.leastRuns(on: used).map { $0 > 0 && threads?.haveBegun ?? true } ?? true }
        let start = MonotonicClock.nanoseconds()
        let workBefore = threads?.work ?? 0
        sleep(span)
        let longest = start + max(span * Self.longestWait, .seconds(1)).nanoseconds
        wait { lanes.leastRuns(on: used, since: start) >= Self.leastBatches || MonotonicClock.nanoseconds() > longest }
        let end = MonotonicClock.nanoseconds()
        let work = (threads?.work ?? 0) - workBefore
        let runs = try lanes.endLoops(on: used)
        let counted = runs.map { lane in
            let inside = lane.filter { $0.beganAt >= start && $0.endedAt <= end }
            return inside.isEmpty ? lane.suffix(1) : inside
        }
        let means = counted.map { lane in
            lane.reduce(0) { $0 + Double($1.times.kernels.nanoseconds) } / Double(max(1, lane.count))
        }
        let copies = counted.first.map { RunTimes($0.map(\.times.copyIn)).median } ?? .zero
        let did = stressor.flatMap { stress?.share($0, work: work, nanoseconds: end - start) } ?? 0
        return Company(means: means, copyIn: copies, stress: did)
    }

    /// Batches that a mean needs: with fewer a window is prolonged, up to so many times its span.
    private static let leastBatches = 3
    private static let longestWait = 10.0
    /// How often it is looked whether a condition holds, while lanes work.
    private static let glance = StraitCore.Duration.milliseconds(2)

    private func wait(until condition: () -> Bool) { while !condition() { sleep(Self.glance) } }

    private func sleep(_ span: StraitCore.Duration) {
        _ = Wakeup().wait(untilNanoseconds: MonotonicClock.nanoseconds() + span.nanoseconds)
    }

    // -- stress ---------------------------------------------------------------------------------------------------

    package var stressors: [Stressor] { stress == nil ? [] : Stressor.allCases }

    package func takesTurns(_ stressor: Stressor) -> Bool { stress?.takesTurns(stressor) ?? false }

    package func run(_ stressor: Stressor, for span: StraitCore.Duration) -> Double {
        guard let stress else { return 0 }
        let threads = stress.start(stressor)
        defer { threads.stop() }
        wait { threads.haveBegun }
        let (start, before) = (MonotonicClock.nanoseconds(), threads.work)
        sleep(span)
        return stress.share(
            stressor, work: threads.work - before, nanoseconds: MonotonicClock.nanoseconds() - start)
    }

    package func reference() -> ProfileRecord.Reference {
        let cores = CoreSet.allowed()
        let thread = ReferenceThread(core: stress?.firstCore)
        let use = MachineUse.now(of: cores)
        defer { lastUse = use ?? lastUse }
        let others = use.flatMap { now in lastUse.map { now.takenByOthers(since: $0) } }
        return ProfileRecord.Reference(took: thread.took, others: others)
    }
}
