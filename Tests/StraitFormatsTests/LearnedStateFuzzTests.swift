// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@testable internal import StraitFormats

/// Random states through the file and back, and files with random damage.
@Suite struct LearnedStateFuzzTests {
    private static let device = ProfileFile.Device(name: "d", driver: "v")

    /// A state with all kinds of figures, each possible.
    private static func randomState(_ random: inout SeededGenerator) -> LearnedState {
        func factor(_ range: ClosedRange<Double>) -> Double {
            [range.lowerBound, range.upperBound, Double.random(in: range, using: &random)].randomElement(using: &random)
                ?? 1
        }
        func vector(_ range: ClosedRange<Double>) -> SIMD8<Double> {
            var vector = SIMD8<Double>()
            for lane in 0..<7 { vector[lane] = factor(range) }
            return vector
        }
        func sum() -> Double {
            [0, .leastNonzeroMagnitude, 1e-9, 1 / 3, 1e17 + 2, 1e100].randomElement(using: &random) ?? 0
        }
        func line() -> LearnedState.CopyLine {
            .init(weight: 1e-300, bytes: sum(), time: sum(), bytesSquared: sum(), bytesTime: sum())
        }
        var learned = LearnedState(estimator: EstimatorName.allCases.randomElement(using: &random) ?? .kalman)
        learned.theta = vector(-4...4)
        if Bool.random(using: &random) {
            // Diagonally dominant, so positive.
            learned.matrix = (0..<7).map { row in
                var vector = SIMD8<Double>()
                vector[row] = factor(1e-6...0.2)
                return vector
            }
        }
        if Bool.random(using: &random) { learned.rightSide = vector(-1e30...1e30) }
        let copies = Bool.random(using: &random)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            learned.devices.append(
                .init(
                    speed: factor(0.2...5), noise: factor(0.001...1), copyIn: copies ? line() : nil,
                    copyOut: copies ? line() : nil))
        }
        learned.classes = (0..<2).map { _ in
            let q95 = factor(0.8...3.5)
            return .init(median: factor(0.8...q95), q95: q95, q99: factor(q95...3.5))
        }
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            var model = LearnedState.Model()
            if Bool.random(using: &random) {
                var known = InterferenceState.Model(
                    bias: factor(-0.9...20), uncertainty: factor(.leastNonzeroMagnitude...1), slope: vector(-30...30),
                    idle: [0, 7, 1 << 53].randomElement(using: &random) ?? 0)
                known.surprises = Int.random(in: -99...99, using: &random)
                model.interference = known
            }
            for bucket in Set((0..<3).map { _ in UInt8.random(in: 0...62, using: &random) }) {
                var cells = (0..<Int.random(in: 0...31, using: &random)).map { _ in
                    Bool.random(using: &random)
                        ? LearnedState.SoloCell(
                            mean: [.leastNonzeroMagnitude, 1, 1e13 / 3, 86_400e9].randomElement(
                                using: &random) ?? 1,
                            samples: [1, 20, 1 << 53].randomElement(using: &random) ?? 1) : LearnedState.SoloCell()
                }
                cells.append(LearnedState.SoloCell(mean: 1 / 7, samples: 3))
                model.solo.append(.init(bucket: bucket, cells: Bool.random(using: &random) ? cells : []))
                model.corrections.append(
                    .init(
                        bucket: bucket, exponent: UInt8.random(in: 0...31, using: &random),
                        factor: factor(0.001...1000),
                        residual: factor(-0.999...15), samples: Int.random(in: 0...1 << 53, using: &random),
                        isBelieved: Bool.random(using: &random)))
            }
            if copies {
                model.copies = learned.devices.map { _ in .init(copyIn: factor(0.1...20), copyOut: factor(0.1...20)) }
            }
            learned.models.append(model)
        }
        return learned
    }

    private static func file(_ learned: LearnedState) -> LearnedStateFile {
        LearnedStateFile(
            device: device,
            models: learned.models.indices.map { index in
                .init(
                    key: ModelKey(name: "m\(index)", version: 1, hash: "h"),
                    profile: index % 2 == 0
                        ? nil
                        : ModelProfile(curves: [.init(bucket: 1, points: [.init(rows: 1, kernelTime: .seconds(1))])]))
            }, learned: learned)
    }

    private static func read(_ bytes: [UInt8]) throws(FormatError) -> LearnedStateFile {
        try bytes.parsed(file: "f") { (text) throws(FormatError) in try LearnedStateFile(text: text) }
    }

    /// A scheduler that the state could be meant for.
    private static func scheduler(for learned: LearnedState) -> Scheduler {
        var options = SchedulerOptions()
        options.estimator = learned.estimator
        var scheduler = Scheduler(policy: .edfPriority, options: options)
        var actions = ActionList()
        for device in learned.devices {
            let copying = device.copyIn.map { _ in CopyDescription(overhead: .microseconds(10), bytesPerSecond: 1e9) }
            scheduler.step(.deviceAdded(DeviceDescription(lanes: 1, copying: copying)), at: .zero, into: &actions)
        }
        for _ in learned.models {
            let profile = ModelProfile(curves: [.init(bucket: 1, points: [.init(rows: 1, kernelTime: .seconds(1))])])
            scheduler.step(.modelAdded(ModelDescription(maximumBatch: 8, profile: profile)), at: .zero, into: &actions)
        }
        return scheduler
    }

    @Test func `random states are read back as they were written`() throws {
        let folder = Folder()
        let path = "\(folder.path)/l.json"
        var taken = 0
        for seed in UInt64(0)..<200 {
            var random = SeededGenerator(seed: seed)
            let learned = Self.randomState(&random)
            #expect(learned.brokenInvariant() == nil, "seed \(seed)")
            try Self.file(learned).write(to: path)
            #expect(try LearnedStateFile(path: path) == Self.file(learned), "seed \(seed)")
            var scheduler = Self.scheduler(for: learned)
            if (try? scheduler.restore(learned)) != nil { taken += 1 }
        }
        #expect(taken > 20, "only \(taken) of the states could be taken up")
    }

    @Test(arguments: UInt64(0)..<40)
    func `whatever is in a file, it is read or refused, and what is read can be served with`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let good = Self.file(Self.randomState(&random)).json()
        for _ in 0..<50 {
            guard let file = try? Self.read(Self.damaged(good, &random)) else { continue }
            var scheduler = Self.scheduler(for: file.learned)
            guard (try? scheduler.restore(file.learned)) != nil else { continue }
            var actions = ActionList()
            for index in file.learned.models.indices {
                let request = Request(
                    id: RequestID(slot: UInt32(index), generation: 0),
                    work: WorkShape(model: ModelID(index: index), elementsPerRow: 2), shape: ShapeID(number: 0),
                    requestClass: .high, rows: 1, deadline: .never)
                scheduler.step(.arrival(request), at: .zero, into: &actions)
                for case .stage(let batch) in actions.actions {
                    #expect(batch.predictedFinish > .zero, "seed \(seed)")
                    // Copying devices report each phase.
                    if file.learned.devices[batch.device.index].copyIn != nil {
                        scheduler.step(.copiedIn(batch.batch), at: .zero, into: &actions)
                    }
                    let times = MeasuredTimes(copyIn: .zero, kernels: .milliseconds(5), copyOut: .zero)
                    scheduler.step(.finished(batch.batch, times), at: .zero + .milliseconds(5), into: &actions)
                }
            }
            if let broken = scheduler.brokenInvariant() { Issue.record("seed \(seed): \(broken)") }
            #expect(scheduler.learned.brokenInvariant() == nil, "seed \(seed)")
        }
    }

    private static func damaged(_ good: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = good
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
        case 1:
            for _ in 0..<3 {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 32...126, using: &random)
            }
        case 2:
            // A digit becomes another number, also one far outside.
            let numbers = ["-1", "0", "9", "1e9", "1e308", "1e999", "-0", "9007199254740992", "1e-320", "null"]
            let digits = bytes.indices.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[$0]) }
            if let index = digits.randomElement(using: &random), let number = numbers.randomElement(using: &random) {
                bytes.replaceSubrange(index...index, with: Array(number.utf8))
            }
        default:
            // A line is left out, or stands twice.
            var lines = bytes.split(separator: UInt8(ascii: "\n")).map(Array.init)
            let index = Int.random(in: lines.indices, using: &random)
            if Bool.random(using: &random) { lines.remove(at: index) } else { lines.insert(lines[index], at: index) }
            bytes = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
        }
        return bytes
    }
}
