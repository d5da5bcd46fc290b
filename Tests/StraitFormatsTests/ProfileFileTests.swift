// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@testable internal import StraitFormats

@Suite struct ProfileFileTests {
    private static let device = ProfileFile.Device(name: "NVIDIA H100 \"80GB\"", driver: "535.1 / ort 1.22")

    private static func model(_ name: String, version: Int = 1) -> ProfileFile.Model {
        ProfileFile.Model(
            name: name, version: version, hash: "sha256:ab",
            profile: ModelProfile(
                curves: [
                    .init(
                        bucket: 18,
                        points: [
                            .init(
                                rows: 1, kernelTime: Duration(nanoseconds: 1_234_567),
                                demand: Demand(compute: 0.1, bandwidth: 1 / 3, cache: 1e-9)),
                            .init(
                                rows: 8, kernelTime: .milliseconds(5),
                                demand: Demand(compute: 1, bandwidth: 0, cache: 0.3)),
                        ]),
                    .init(bucket: 0, points: [.init(rows: 1, kernelTime: Duration(nanoseconds: 1))]),
                ], bytesInPerRow: 602_112, bytesOutPerRow: 4000))
    }

    @Test func aFileIsReadBackAsItWasWritten() throws {
        let folder = Folder()
        let path = "\(folder.path)/models.profile.json"
        let file = ProfileFile(
            device: Self.device, models: [Self.model("résnet\n50"), Self.model("résnet\n50", version: 2)])
        try file.write(to: path)
        #expect(try ProfileFile(path: path) == file)
        // Again over the first; nothing else is left in the folder.
        let other = ProfileFile(device: Self.device, models: [])
        try other.write(to: path)
        #expect(try ProfileFile(path: path) == other)
        #expect(folder.names == ["models.profile.json"])
    }

    @Test func randomProfilesAreReadBackAsTheyWereWritten() throws {
        let folder = Folder()
        let path = "\(folder.path)/p.json"
        var random = SeededGenerator(seed: 5)
        for _ in 0..<100 {
            let curves = (0..<Int.random(in: 1...4, using: &random)).map { index in
                var rows = 0
                let measured = Bool.random(using: &random)
                return ModelProfile.Curve(
                    bucket: UInt8(index * 10),
                    points: (0..<Int.random(in: 1...6, using: &random)).map { _ in
                        rows += Int.random(in: 1...100, using: &random)
                        return .init(
                            rows: rows,
                            kernelTime: Duration(nanoseconds: Int64.random(in: Bounds.positiveSpan, using: &random)),
                            demand: measured
                                ? Demand(
                                    compute: .random(in: 0...1, using: &random),
                                    bandwidth: .random(in: 0...1, using: &random),
                                    cache: .random(in: 0...1, using: &random)) : nil)
                    })
            }
            let profile = ModelProfile(
                curves: curves, bytesInPerRow: .random(in: Bounds.bytes, using: &random), bytesOutPerRow: 7)
            let file = ProfileFile(
                device: Self.device, models: [.init(name: "m", version: 1, hash: "h", profile: profile)])
            try file.write(to: path)
            #expect(try ProfileFile(path: path) == file)
        }
    }

    @Test func aProfileCountsOnlyForItsDeviceDriverAndFile() {
        let file = ProfileFile(device: Self.device, models: [Self.model("a")])
        #expect(file.profile(name: "a", version: 1, hash: "sha256:ab", on: Self.device) != nil)
        #expect(file.profile(name: "a", version: 1, hash: "sha256:cd", on: Self.device) == nil)
        #expect(file.profile(name: "a", version: 2, hash: "sha256:ab", on: Self.device) == nil)
        var other = Self.device
        other.driver = "536"
        #expect(file.profile(name: "a", version: 1, hash: "sha256:ab", on: other) == nil)
    }

    @Test(arguments: [
        ("models", "models.profile.json"), ("/srv/models/", "/srv/models.profile.json"), (".", "./strait.profile.json"),
        ("a/..", "a/../strait.profile.json"), ("/", "/strait.profile.json"), ("", "./strait.profile.json"),
    ])
    func itStandsNextToTheRepository(repository: String, expected: String) {
        #expect(ProfileFile.path(forRepository: repository) == expected)
    }

    @Test func whatCouldNotBeReadBackIsNotWritten() {
        let folder = Folder()
        let path = "\(folder.path)/p.json"
        var models: [ProfileFile.Model] = []
        func broken(_ change: (inout ProfileFile.Model) -> Void) {
            var model = Self.model("m")
            change(&model)
            models.append(model)
        }
        broken { $0.name = "" }
        broken { $0.version = 0 }
        broken { $0.hash = String(repeating: "x", count: 257) }
        broken { $0.profile.curves = [] }
        broken { $0.profile.curves[1].bucket = 18 }
        broken { $0.profile.curves[0].bucket = 200 }
        broken { $0.profile.curves[0].points = [] }
        broken { $0.profile.curves[0].points.reverse() }
        broken { $0.profile.curves[0].points[0].kernelTime = .zero }
        broken { $0.profile.curves[0].points[0].demand?.cache = .nan }
        broken { $0.profile.curves[0].points[0].demand?.cache = 1.5 }
        broken { $0.profile.bytesInPerRow = -1 }
        for model in models {
            #expect(throws: FormatError.self) {
                try ProfileFile(device: Self.device, models: [model]).write(to: path)
            }
        }
        #expect(throws: FormatError.self) {
            try ProfileFile(device: Self.device, models: [Self.model("a"), Self.model("a")]).write(to: path)
        }
        #expect(folder.names == [])
    }

    @Test func aFolderThatIsNotThereIsNamed() {
        do {
            try ProfileFile(device: Self.device, models: []).write(to: "/nowhere/at/all.json")
            Issue.record("written")
        } catch {
            #expect(error.code == .unwritable && "\(error)".contains("/nowhere/at/all.json"))
        }
        do {
            _ = try ProfileFile(path: "/nowhere/at/all.json")
            Issue.record("read")
        } catch {
            #expect(error.code == .unreadable && "\(error)".contains("/nowhere/at/all.json: cannot be opened"))
        }
    }

    private static let good = """
        {
          "strait_profile": 1,
          "device": {"name": "d", "driver": "v"},
          "models": [
            {
              "name": "m", "version": 1, "hash": "h",
              "profile": {
                "bytes_in_per_row": 4,
                "curves": [
                  {"elements_per_row": 4, "points": [
                    {"rows": 1, "kernel_ms": 2},
                    {"rows": 2, "kernel_ms": 3, "compute": 0.5, "bandwidth": 0.1, "cache": 0}
                  ]}
                ]
              }
            }
          ]
        }
        """

    /// Each replaces a piece of the good file, and names the line and the words that the error must have.
    @Test(arguments: [
        ("\"strait_profile\": 1", "\"strait_profile\": 2", 2, "strait_profile: expected version 1, found 2"),
        ("\"strait_profile\": 1,", "", 1, "strait_profile: missing"),
        ("\"strait_profile\": 1", "\"strait_profile\": \"1\"", 2, "strait_profile: expected a whole number"),
        ("{\"name\": \"d\", ", "{", 3, "device.name: missing"),
        ("\"driver\": \"v\"", "\"driver\": \"\"", 3, "device.driver: expected a string of 1 to 256 bytes, found \"\""),
        ("\"device\": {\"name\": \"d\", \"driver\": \"v\"},", "", 1, "device: missing"),
        ("\"hash\": \"h\"", "\"hesh\": \"h\"", 5, "models[0].hash: missing"),
        ("\"hash\": \"h\"", "\"hash\": \"h\", \"x\": 1", 6, "models[0].x: unknown key; expected one of name, version"),
        ("\"version\": 1", "\"version\": 0", 6, "models[0].version: expected a whole number from 1"),
        ("\"version\": 1", "\"version\": 1.5", 6, "models[0].version: expected a whole number from 1"),
        ("_row\": 4,", "_row\": -4,", 8, "models[0].profile.bytes_in_per_row: expected a whole number from 0"),
        ("\"rows\": 2", "\"rows\": 1", 12, "models[0].profile.curves[0].points[1].rows: expected more than the point"),
        ("\"kernel_ms\": 2", "\"kernel_ms\": 0", 11, "points[0].kernel_ms: expected milliseconds from 0.000001"),
        ("\"kernel_ms\": 2", "\"kernel_ms\": null", 11, "points[0].kernel_ms: missing"),
        (", \"cache\": 0", "", 12, "points[1].cache: missing; expected a number from 0"),
        ("\"compute\": 0.5", "\"compute\": 1.5", 12, "points[1].compute: expected a number from 0.0 to 1.0, found 1.5"),
        ("\"elements_per_row\": 4", "\"elements_per_row\": 0", 10, "curves[0].elements_per_row: expected a whole"),
        ("3, \"compute\"", "3 \"compute\"", 12, "expected ',' or '}', found '\"'"),
        ("\"rows\": 2", "\"rows\": 2, \"rows\": 3", 12, "the key \"rows\" stands twice"),
        ("\"models\": [", "\"models\": 3, \"x\": [", 4, "models: expected an array of at most 4096, found 3"),
    ])
    func errorsNameFileLineKeyAndWhatWasExpected(piece: String, other: String, line: Int, expected: String) throws {
        let folder = Folder()
        let path = "\(folder.path)/p.json"
        try Files.replace(path, with: Array(Self.good.utf8))
        _ = try ProfileFile(path: path)
        let parts = Self.good.split(separator: piece, maxSplits: 1, omittingEmptySubsequences: false)
        try #require(parts.count == 2)
        try Files.replace(path, with: Array((parts[0] + other + parts[1]).utf8))
        do {
            _ = try ProfileFile(path: path)
            Issue.record("read")
        } catch {
            #expect("\(error)".hasPrefix("\(path):\(line): "), "\(error)")
            #expect("\(error)".contains(expected), "\(error)")
        }
    }
}
