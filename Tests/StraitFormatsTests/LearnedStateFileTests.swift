// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@testable internal import StraitFormats

@Suite struct LearnedStateFileTests {
    private static let device = ProfileFile.Device(name: "a \"CPU\", 2 lanes", driver: "ONNX Runtime 1.24")
    private static let profile = ModelProfile(
        curves: [
            .init(
                bucket: 4,
                points: [.init(rows: 1, kernelTime: .milliseconds(3)), .init(rows: 4, kernelTime: .milliseconds(9))])
        ], bytesInPerRow: 4096)
    private static let models = [
        LearnedStateFile.Model(key: ModelKey(name: "é\n1", version: 1, hash: "sha256:ab"), profile: profile),
        LearnedStateFile.Model(key: ModelKey(name: "b", version: 3, hash: "sha256:cd"), profile: nil),
    ]

    private static func scheduler(_ estimator: EstimatorName = .kalman) -> Scheduler {
        var options = SchedulerOptions()
        options.estimator = estimator
        var scheduler = Scheduler(policy: .fifo, options: options)
        var actions = ActionList()
        let copying = CopyDescription(overhead: .microseconds(20), bytesPerSecond: 1e10)
        scheduler.step(.deviceAdded(DeviceDescription(lanes: 2, copying: copying)), at: .zero, into: &actions)
        scheduler.step(.deviceAdded(DeviceDescription(lanes: 2)), at: .zero, into: &actions)
        for model in models {
            scheduler.step(
                .modelAdded(ModelDescription(maximumBatch: 4, profile: model.profile)), at: .zero, into: &actions)
        }
        return scheduler
    }

    /// A scheduler that has served for a while, with every request done.
    private static func served(_ estimator: EstimatorName = .kalman, seed: UInt64 = 1, count: Int = 400) -> Scheduler {
        var scheduler = scheduler(estimator)
        var random = SeededGenerator(seed: seed)
        var actions = ActionList()
        var running: [(end: Instant, batch: StagedBatch)] = []
        var now = Instant.zero
        func end(_ index: Int) {
            let (end, batch) = running.remove(at: index)
            now = max(now, end)
            let took = Duration(nanoseconds: Int64.random(in: 1_000_000...9_000_000, using: &random))
            let copy = Duration(nanoseconds: Int64.random(in: 1000...90_000, using: &random))
            if batch.device.index == 0 {
                scheduler.step(.copiedIn(batch.batch), at: now, into: &actions)
                collect()
                now = now + took
                scheduler.step(.kernelsDone(batch.batch), at: now, into: &actions)
                collect()
            }
            now = now + took
            scheduler.step(
                .finished(batch.batch, MeasuredTimes(copyIn: copy, kernels: took, copyOut: copy)), at: now,
                into: &actions)
            collect()
        }
        func collect() {
            for case .stage(let batch) in actions.actions { running.append((now + .milliseconds(1), batch)) }
        }
        for slot in UInt32(0)..<UInt32(count) {
            now = now + Duration(nanoseconds: Int64.random(in: 0...9_000_000, using: &random))
            let request = Request(
                id: RequestID(slot: slot, generation: 0),
                work: WorkShape(model: ModelID(index: Int(slot) % 2), bucket: UInt8.random(in: 3...5, using: &random)),
                shape: ShapeID(number: 0), requestClass: .high, rows: Int.random(in: 1...4, using: &random),
                deadline: .never)
            scheduler.step(.arrival(request), at: now, into: &actions)
            collect()
            while running.count > 2 { end(0) }
        }
        while !running.isEmpty { end(0) }
        return scheduler
    }

    private static func file(_ learned: LearnedState) -> LearnedStateFile {
        LearnedStateFile(device: device, models: models, learned: learned)
    }

    private static func predictions(_ scheduler: Scheduler) -> [Double] {
        let state = scheduler.state
        var numbers: [Double] = (0..<8).map { state.interference.theta[$0] }
        for calibration in state.calibrations { numbers += [calibration.median, calibration.q95, calibration.q99] }
        for model in models.indices.map(ModelID.init) {
            numbers.append(state.interference.bias(of: model.index))
            for rows in 1...4 {
                for bucket in UInt8(2)..<7 {
                    let work = WorkShape(model: model, bucket: bucket)
                    numbers.append(Double(scheduler.expectedTime(work, rows: rows).nanoseconds))
                    numbers.append(state.soloWork(work, rows: rows, on: DeviceID(index: 1)))
                }
                numbers.append(state.copyInTime(model, rows: rows, on: DeviceID(index: 0)))
                numbers.append(state.copyOutTime(model, rows: rows, on: DeviceID(index: 0)))
            }
        }
        return numbers
    }

    @Test(arguments: EstimatorName.allCases)
    func `through the file and back, predictions are the same to the last bit`(estimator: EstimatorName) throws {
        let folder = Folder()
        let path = "\(folder.path)/models.learned.json"
        let before = Self.served(estimator)
        try Self.file(before.learned).write(to: path)
        let file = try LearnedStateFile(path: path)
        #expect(file == Self.file(before.learned))
        let (learned, matches) = file.learned(for: Self.models)
        #expect(matches == [.same, .same])
        var after = Self.scheduler(estimator)
        #expect(Self.predictions(after) != Self.predictions(before))
        try after.restore(learned)
        #expect(Self.predictions(after) == Self.predictions(before))
        #expect(after.learned == before.learned)
        #expect(folder.names == ["models.learned.json"])
    }

    @Test func `models are found by name, version, file and profile, in any order`() {
        let learned = Self.served().learned
        let file = Self.file(learned)
        let (a, b) = (Self.models[0], Self.models[1])
        let new = LearnedStateFile.Model(key: ModelKey(name: "c", version: 1, hash: "sha256:ab"), profile: nil)
        var otherFile = a
        otherFile.key.hash = "sha256:ef"
        var otherVersion = a
        otherVersion.key.version = 2
        var otherProfile = a
        otherProfile.profile?.curves[0].points[0].kernelTime = .milliseconds(4)
        let reordered = file.learned(for: [b, new, a])
        #expect(reordered.matches == [.same, .unknown, .same])
        #expect(reordered.learned.models == [learned.models[1], LearnedState.Model(), learned.models[0]])
        let others = file.learned(for: [otherFile, otherVersion, b, otherProfile])
        #expect(others.matches == [.otherFile, .unknown, .same, .otherProfile])
        #expect(others.learned.models.map { $0 == LearnedState.Model() } == [true, true, false, true])
        #expect(others.learned.theta == learned.theta)
        #expect(file.profile(of: a.key) == Self.profile && file.profile(of: otherFile.key) == nil)
    }

    @Test(arguments: [("models", "models.learned.json"), ("/srv/models/", "/srv/models.learned.json")])
    func `it stands next to the repository`(repository: String, expected: String) {
        #expect(LearnedStateFile.path(forRepository: repository) == expected)
    }

    @Test func `a device that differs says in what`() {
        var other = Self.device
        #expect(Self.device.difference(from: other) == nil)
        other.driver = "ONNX Runtime 1.25"
        #expect(
            Self.device.difference(from: other)
                == "for another driver, ONNX Runtime 1.25; this is ONNX Runtime 1.24")
        other.name = "b"
        #expect(Self.device.difference(from: other) == "for another device, b; this is a \"CPU\", 2 lanes")
    }

    @Test func `what could not be read back is not written`() {
        let folder = Folder()
        let path = "\(folder.path)/l.json"
        let changes: [(inout LearnedStateFile) -> Void] = [
            { $0.models[0].key.name = "" }, { $0.models[1].key.version = 0 }, { $0.models[1].key.hash = "" },
            { $0.models[1].key = $0.models[0].key }, { $0.models.removeLast() }, { $0.learned.models.removeLast() },
            { $0.device.driver = "" }, { $0.learned.devices = [] }, { $0.learned.theta[0] = .nan },
            { $0.learned.theta[7] = 1 }, { $0.learned.classes = [] }, { $0.learned.models[0].solo[0].bucket = 63 },
            { $0.learned.models[0].interference?.idle = -1 }, { $0.models[0].profile?.curves = [] },
            { $0.learned.devices[0].copyIn = nil }, { $0.learned.models[1].solo[0].cells[0].mean = .infinity },
        ]
        let good = Self.file(Self.served().learned)
        for (index, change) in changes.enumerated() {
            var file = good
            change(&file)
            #expect(throws: FormatError.self, "change \(index)") { try file.write(to: path) }
        }
        #expect(folder.names == [])
    }

    /// Each replaces a piece of a good file, and names the words that the error must have.
    @Test(arguments: [
        (
            "\"strait_learned\": 1", "\"strait_learned\": 2",
            "strait_learned: expected version 1, found 2; remove the file"
        ),
        ("\"estimator\": \"kalman\"", "\"estimator\": \"kalmann\"", "estimator: expected one of \"solo\""),
        ("\"theta\": [", "\"theta\": [0, ", "theta: expected an array of 7 numbers, found an array of 8"),
        ("\"theta\": [", "\"theta\": [\"x\", ", "theta: expected an array of 7 numbers"),
        ("\"speed\": 1", "\"speed\": 9", "devices[0]: its speed is 9."),
        ("\"q50\": ", "\"q50\": 7", "classes.low: 7"),
        ("\"name\": \"b\"", "\"name\": \"é\\n1\", \"version\": 1, \"x\": 0", "version\" stands twice"),
        ("\"version\": 3", "\"version\": 0", "models[1].version: expected a whole number from 1"),
        ("\"hash\": \"sha256:cd\"", "\"hash\": 4", "models[1].hash: expected a string of 1 to 256 bytes, found 4"),
        ("\"copies\": ", "\"copy\": ", "models[1].copy: unknown key; expected one of name, version"),
        ("{\"rows\": 4, \"mean", "{\"rows\": 1, \"mean", "].rows: expected more than the time before"),
        ("{\"rows\": 4, \"mean", "{\"rows\": 3, \"mean", "rows: expected a power of two, found 3"),
        ("\"samples\": ", "\"samples\": -", "samples: expected a whole number from 0 to 9007199254740992"),
        ("\"mean_ns\": ", "\"mean_ns\": -", "models[1]: "),
        ("\"believed\": true", "\"believed\": 1", "believed: expected true or false, found 1"),
        ("\"residual\": ", "\"residual\": -9", "models[0]: "),
        ("\"uncertainty\": ", "\"uncertainty\": -", "models[1]: its uncertainty is -"),
        ("\"device\": {", "\"device\": {{", "expected a key in quotes, found '{'"),
    ])
    func `errors name file, line, key and what was expected`(piece: String, other: String, expected: String) throws {
        let folder = Folder()
        let path = "\(folder.path)/l.json"
        try Self.file(Self.served().learned).write(to: path)
        let text = String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self)
        // The last occurrence: earlier ones are of other objects.
        let parts = text.split(separator: piece, omittingEmptySubsequences: false)
        try #require(parts.count >= 2, "\(piece) is not in the file")
        let damaged = parts.dropLast().joined(separator: piece) + other + parts[parts.count - 1]
        try Files.replace(path, with: Array(damaged.utf8))
        do {
            _ = try LearnedStateFile(path: path)
            Issue.record("read")
        } catch {
            #expect("\(error)".contains(expected), "\(error)")
            #expect(error.line != nil && "\(error)".hasPrefix("\(path):\(error.line ?? 0): "), "\(error)")
        }
    }

    @Test func `it is for people to read: a line for each time, and no line too long`() throws {
        let text = String(decoding: Self.file(Self.served().learned).json(), as: UTF8.self)
        let lines = text.split(separator: "\n")
        #expect(lines.count > 40)
        #expect(lines.allSatisfy { $0.utf8.count < 400 })
        #expect(lines.count { $0.contains("\"mean_ns\"") } == text.split(separator: "\"mean_ns\"").count - 1)
    }
}
