// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitFormats
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Testing

/// What is known of models from one run of a server to the next: a repository on disk, a scripted device, no sleeps.
@Suite struct KnowledgeTests {
    private let folder = Folder()
    private let clock = ManualClock()
    private let pool = SlabPool(budget: 1 << 24)

    private var repository: String { "\(folder.path)/models" }
    private var learnedPath: String { LearnedStateFile.path(forRepository: repository) }

    init() {
        folder.write("a model", to: "models/a/1/model.onnx")
        folder.write("another", to: "models/b/1/model.onnx")
    }

    /// One run of a server, from its start to its end.
    private final class Run {
        let lines = Lines()
        let device: ScriptedDevice
        let engine: Engine
        let catalog: ModelCatalog
        let keeper: LearnedKeeper?
        private let clock: ManualClock
        private let pool: SlabPool

        init(
            _ test: KnowledgeTests, driver: String = "script 1", policy: PolicyName = .edfPriority,
            profile: String? = nil, learned: String?, time: StraitCore.Duration? = nil
        ) throws {
            clock = test.clock
            pool = test.pool
            device = ScriptedDevice(identity: DeviceIdentity(name: "scripted", driver: driver)) { [clock] batch in
                clock.advance(by: time ?? .zero)
                return time.map { $0 * Double(batch.rows) }
            }
            engine = Engine(policy: policy, device: device, clock: clock)
            let knowledge = try PriorKnowledge(
                for: [device], profile: profile.map { .file($0) } ?? .beside(repository: test.repository),
                learned: learned, quickProfiler: QuickProfiler(pool: pool, clock: clock), log: lines.note)
            catalog = try ModelCatalog(
                repository: test.repository, engine: engine, pool: pool, knowledge: knowledge, progress: lines.note)
            keeper = learned.map { [lines, engine] path in
                LearnedKeeper(path: path, engine: engine, device: knowledge.device, log: lines.note)
            }
            if let learned = knowledge.learned { keeper?.restore(learned) }
            device.start(driver: engine)
        }

        func submit(_ name: String, due: StraitCore.Duration = .seconds(100), to log: ReplyLog = ReplyLog()) throws {
            let model = try catalog.find(name, version: nil)
            let slab = try pool.take(8)
            let submission = Submission(
                model: model, inputs: [Tensor(name: "in", type: .fp32, shape: [1, 2], slab: slab, range: 0..<8)],
                rows: 1, requestClass: .high, arrived: clock.now(), deadline: clock.now() + due)
            engine.submit(submission) { log.note(0, $0) }
        }

        /// Serves requests one after the other.
        func serve(_ name: String, _ count: Int, taking time: StraitCore.Duration) throws {
            for _ in 0..<count {
                try submit(name)
                clock.advance(by: time)
                device.finish(lane: 0, taking: time)
            }
        }

        /// What a request is told that has no time at all, without its number.
        func refusal(_ name: String) throws -> String? {
            let log = ReplyLog()
            try submit(name, due: .zero, to: log)
            return log[0]?.refusal?.error.message.split(separator: " (request").first.map(String.init)
        }
    }

    @Test func `a server knows what the one before it learned`() throws {
        let first = try Run(self, learned: learnedPath)
        try first.serve("a", 20, taking: .milliseconds(40))
        let told = try #require(try first.refusal("a"))
        #expect(told.contains("predicted to finish 34.000 ms"))
        #expect(!folder.read("models.learned.json").contains("mean_ns"))
        first.keeper?.stop()
        #expect(first.lines.have("learned state saved to \(learnedPath)"))
        #expect(folder.read("models.learned.json").contains("\"mean_ns\": 40000000"))

        let second = try Run(self, learned: learnedPath)
        #expect(second.lines.have("learned state restored for 2 of 2 models from \(learnedPath)"))
        #expect(second.engine.learned() == first.engine.learned())
        #expect(try second.refusal("a") == told)
        // Without it, 20 ms are guessed, and a guess is hardly held against anyone.
        let third = try Run(self, learned: nil)
        #expect(try third.refusal("a")?.contains("predicted to finish 1.700 ms") == true)
    }

    @Test func `saving is skipped while nothing is learned`() throws {
        let run = try Run(self, learned: learnedPath)
        let keeper = try #require(run.keeper)
        #expect(keeper.save())
        folder.write("gone", to: "models.learned.json")
        #expect(keeper.save())
        #expect(folder.read("models.learned.json") == "gone")
        try run.serve("a", 3, taking: .milliseconds(5))
        #expect(keeper.save())
        #expect(folder.read("models.learned.json").contains("strait_learned"))
    }

    @Test func `another driver's learned state is not used, and replaced`() throws {
        let first = try Run(self, learned: learnedPath)
        try first.serve("a", 20, taking: .milliseconds(40))
        first.keeper?.stop()
        let second = try Run(self, driver: "script 2", learned: learnedPath)
        #expect(second.lines.have("not used: it is for another driver, script 1; this is script 2"))
        #expect(!second.lines.have("restored"))
        #expect(second.engine.learned() != first.engine.learned())
        second.keeper?.stop()
        #expect(folder.read("models.learned.json").contains("script 2"))
    }

    @Test func `a model whose file is another starts anew, the others do not`() throws {
        let first = try Run(self, learned: learnedPath)
        try first.serve("a", 20, taking: .milliseconds(40))
        try first.serve("b", 20, taking: .milliseconds(60))
        first.keeper?.stop()
        folder.write("a better model", to: "models/a/1/model.onnx")
        folder.write("new", to: "models/aa/1/model.onnx")
        let second = try Run(self, learned: learnedPath)
        #expect(second.lines.have("learned state restored for 1 of 3 models"))
        #expect(second.lines.have("a version 1 starts anew: its file is another now"))
        #expect(second.lines.have("aa version 1 starts anew: it was not there"))
        #expect(try second.refusal("a")?.contains("predicted to finish 1.700 ms") == true)
        #expect(try second.refusal("b")?.contains("predicted to finish 51.000 ms") == true)
    }

    @Test func `a broken learned state is told with its line, and nothing of it is used`() throws {
        let first = try Run(self, learned: learnedPath)
        try first.serve("a", 20, taking: .milliseconds(40))
        first.keeper?.stop()
        let good = folder.read("models.learned.json")
        folder.write(good.replacing("\"q95\"", with: "\"q96\""), to: "models.learned.json")
        let second = try Run(self, learned: learnedPath)
        #expect(second.lines.have("warning: learned state not used: \(learnedPath):"))
        #expect(second.lines.have("classes.high.q95: missing"))
        #expect(try second.refusal("a")?.contains("predicted to finish 1.700 ms") == true)
    }

    @Test func `a place that cannot be written to is told once`() throws {
        let run = try Run(self, learned: "/nowhere/at/all.json")
        let keeper = try #require(run.keeper)
        keeper.start()
        #expect(!keeper.save())
        try run.serve("a", 3, taking: .milliseconds(5))
        #expect(!keeper.save())
        keeper.stop()
        #expect(run.lines.all.filter { $0.contains("warning") }.count == 1, "\(run.lines.all)")
        #expect(run.lines.have("/nowhere/at/all.json: nothing can be written in /nowhere/at: "))
        #expect(!run.lines.have("saved"))
    }

    // -- profiles -------------------------------------------------------------------------------------------------

    private func writeProfile(driver: String = "script 1", hash: String? = nil, milliseconds: Double = 8) throws {
        let file = "\(repository)/a/1/model.onnx"
        let point = ModelProfile.Point(rows: 1, kernelTime: .milliseconds(milliseconds))
        let model = ProfileFile.Model(
            name: "a", version: 1, hash: try hash ?? FileDigest.sha256(path: file),
            profile: ModelProfile(curves: [.init(bucket: 1, points: [point])]))
        try ProfileFile(device: .init(name: "scripted", driver: driver), models: [model])
            .write(to: ProfileFile.path(forRepository: repository))
    }

    @Test func `a profile beside the repository is taken, model by model`() throws {
        try writeProfile()
        let run = try Run(self, learned: nil)
        #expect(run.lines.have("a version 1: profile as measured"))
        #expect(run.lines.have("b version 1: no profile, and none could be measured (it will not)"))
        // 8 ms, and the share that is held against an arrival.
        #expect(try run.refusal("a")?.contains("predicted to finish 6.800 ms") == true)
    }

    @Test func `a profile of another device or file is refused with its reason`() throws {
        try writeProfile(driver: "script 0")
        let other = try Run(self, learned: nil)
        #expect(
            other.lines.have("profile \(folder.path)/models.profile.json not used: it is for another driver, script 0"))
        #expect(try other.refusal("a")?.contains("1.700 ms") == true)
        try writeProfile(hash: "sha256:00")
        let changed = try Run(self, learned: nil)
        #expect(changed.lines.have("a version 1: profile not used: it is of a file sha256:00, this is sha256:"))
        #expect(try changed.refusal("a")?.contains("1.700 ms") == true)
    }

    @Test func `a broken profile is passed over where it was found, and an error where it was named`() throws {
        folder.write("{\"strait_profile\": 9}", to: "models.profile.json")
        let run = try Run(self, learned: nil)
        #expect(
            run.lines.have("warning: profile not used: \(folder.path)/models.profile.json:1: strait_profile: expected"))
        #expect(throws: FormatError.self) { try Run(self, profile: "\(folder.path)/models.profile.json", learned: nil) }
        #expect(throws: FormatError.self) { try Run(self, profile: "\(folder.path)/none.json", learned: nil) }
    }

    @Test func `without a profile a quick one is measured, and kept with what is learned`() throws {
        let first = try Run(self, learned: learnedPath, time: .milliseconds(5))
        #expect(first.lines.have("a version 1: no profile; measured a quick one: 5.00 ms for 1 row, 40.00 ms for 8"))
        try first.serve("a", 20, taking: .milliseconds(6))
        first.keeper?.stop()
        // A machine that is twice as slow at this moment: the biases refer to the times of before.
        let second = try Run(self, learned: learnedPath, time: .milliseconds(10))
        #expect(second.lines.have("a version 1: profile kept with what was learned"))
        #expect(second.lines.have("restored for 2 of 2"))
        #expect(second.engine.learned() == first.engine.learned())
        // A profile that was measured meanwhile counts for more, and what was learned does not fit it.
        second.keeper?.stop()
        try writeProfile()
        let third = try Run(self, learned: learnedPath, time: .milliseconds(10))
        #expect(third.lines.have("a version 1: profile as measured"))
        #expect(third.lines.have("a version 1 starts anew: its profile is another now"))
        #expect(third.lines.have("restored for 1 of 2"))
    }
}
