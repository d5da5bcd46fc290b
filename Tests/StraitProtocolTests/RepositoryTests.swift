// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitProtocol

@Suite struct RepositoryTests {
    @Test func modelsAreListedByNameWithTheLatestVersionChosen() throws {
        let folder = TemporaryFolder()
        folder.write("zeta/1/model.onnx")
        folder.write("alpha/2/model.onnx")
        folder.write("alpha/10/model.onnx")
        folder.write("alpha/labels.txt")
        folder.makeFolder("alpha/configs")
        folder.write("README.md")
        folder.makeFolder(".git")
        let entries = try ModelRepository.scan(path: folder.path + "/")
        #expect(entries.map(\.name) == ["alpha", "zeta"])
        #expect(entries[0].availableVersions == [2, 10] && entries[0].chosenVersions == [10])
        #expect(entries[0].directory == folder.path + "/alpha")
        #expect(entries[0].modelFile(version: 10) == folder.path + "/alpha/10/model.onnx")
        #expect(entries.allSatisfy { $0.problem == nil && $0.config == nil && $0.warnings.isEmpty })
    }

    @Test func aBrokenModelDoesNotStopTheOthers() throws {
        let folder = TemporaryFolder()
        folder.write("good/1/model.onnx")
        folder.makeFolder("noversion/abc")
        folder.makeFolder("nofile/1")
        folder.write("badconfig/1/model.onnx")
        folder.write("badconfig/config.pbtxt", "max_batch_size: 4\nfoo: 1\n")
        folder.write("othername/1/model.onnx")
        folder.write("othername/config.pbtxt", "name: \"x\"")
        folder.write("bad name/1/model.onnx")
        let entries = try ModelRepository.scan(path: folder.path)
        let problems = Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0.problem) })
        #expect(problems.count == 6)
        #expect(problems["good"] == .some(nil))
        #expect(problems["noversion"]??.code == .missing)
        #expect(problems["nofile"]??.path == folder.path + "/nofile/1/model.onnx")
        #expect(
            problems["badconfig"]??.line == 2 && problems["badconfig"]??.path == folder.path + "/badconfig/config.pbtxt"
        )
        #expect(problems["othername"]??.line == 1)
        #expect(problems["bad name"]??.code == .badName)
    }

    @Test func versionPoliciesChoose() throws {
        let folder = TemporaryFolder()
        let policies = [
            ("all", "version_policy { all { } }", [1, 2, 3]),
            ("latest", "version_policy { latest { num_versions: 2 } }", [2, 3]),
            ("many", "version_policy { latest { num_versions: 4294967295 } }", [1, 2, 3]),
            ("some", "version_policy { specific { versions: [3, 1, 9] } }", [1, 3]),
        ]
        for (name, config, _) in policies {
            folder.write("\(name)/config.pbtxt", config)
            for version in 1...3 { folder.write("\(name)/\(version)/model.onnx") }
        }
        folder.write("none/config.pbtxt", "version_policy { specific { versions: 7 } }")
        folder.write("none/1/model.onnx")
        let entries = try ModelRepository.scan(path: folder.path)
        for (name, _, chosen) in policies {
            #expect(entries.first { $0.name == name }?.chosenVersions == chosen, "\(name)")
        }
        #expect(entries.first { $0.name == "some" }?.warnings.first?.contains("version 9") == true)
        #expect(entries.first { $0.name == "none" }?.problem?.message.contains("version 7") == true)
    }

    @Test func oddVersionFoldersAreWarnedAbout() throws {
        let folder = TemporaryFolder()
        folder.write("m/1/model.onnx")
        folder.write("m/01/model.onnx")
        folder.write("m/99999999999999999999/model.onnx")
        let entry = try #require(try ModelRepository.scan(path: folder.path).first)
        #expect(entry.availableVersions == [1] && entry.problem == nil)
        #expect(entry.warnings.count == 2)
    }

    @Test func otherFilenamesFoldersOfWeightsAndLinksAreFollowed() throws {
        let folder = TemporaryFolder()
        folder.write("named/1/net.onnx")
        folder.write("named/config.pbtxt", "default_model_filename: \"net.onnx\"")
        folder.write("weights/1/model.onnx/model.onnx")
        folder.link("linked", to: "named")
        let entries = try ModelRepository.scan(path: folder.path)
        #expect(entries.map(\.name) == ["linked", "named", "weights"])
        #expect(entries.allSatisfy { $0.problem == nil }, "\(entries.map(\.problem))")
        #expect(entries[1].modelFile(version: 1).hasSuffix("named/1/net.onnx"))
        #expect(entries[2].modelFile(version: 1).hasSuffix("weights/1/model.onnx/model.onnx"))
    }

    @Test func noNameLeadsOutOfTheRepository() throws {
        let folder = TemporaryFolder()
        for outside in ["config.pbtxt", "1/model.onnx"] { folder.write(outside) }
        for name in [".", "..", "...", ".hidden"] {
            folder.write("inside/\(name)/1/model.onnx")
            let entry = ModelRepository.entry(path: folder.path + "/inside", name: name)
            #expect(entry.problem?.code == .badName && entry.chosenVersions.isEmpty, "\(name)")
        }
        for name in ["", "../inside", "a/b", "a\0b", "a\nb", "%2e%2e"] {
            let entry = ModelRepository.entry(path: folder.path + "/inside", name: name)
            #expect(entry.problem?.code == .badName, "\(name)")
        }
    }

    @Test func noConfigurationNamesAFileElsewhere() throws {
        let folder = TemporaryFolder()
        folder.write("m/1/model.onnx")
        folder.write("secret", "one\ntwo\n")
        for name in ["../../secret", "/etc/passwd", "..", ".", "a/b", "a\\u0000b"] {
            for json in [
                "{\"default_model_filename\": \"\(name)\"}",
                "{\"output\": [{\"name\": \"o\", \"data_type\": \"TYPE_FP32\", \"dims\": [2], \"label_filename\": \"\(name)\"}]}",
                "{\"model_warmup\": [{\"name\": \"w\", \"batch_size\": 1, \"inputs\": {\"i\": {\"data_type\": \"TYPE_FP32\", "
                    + "\"dims\": [2], \"input_data_file\": \"\(name)\"}}}]}",
            ] {
                let entry = ModelRepository.entry(path: folder.path, name: "m", configuration: json)
                #expect(entry.problem?.message.contains("expected the name of a file") == true, "\(json)")
            }
        }
    }

    @Test func filesMayMissWhereNobodyReadsThem() throws {
        let folder = TemporaryFolder()
        folder.write("bare/config.pbtxt")
        folder.makeFolder("empty/3")
        folder.write("full/1/model.onnx")
        folder.makeFolder("nothing")
        folder.write("picky/config.pbtxt", "version_policy { specific { versions: 7 } }")
        let entries = try ModelRepository.scan(path: folder.path, needsFiles: false)
        #expect(entries.map(\.name) == ["bare", "empty", "full", "nothing", "picky"])
        #expect(entries.map { $0.problem?.code } == [nil, nil, nil, .missing, .missing])
        #expect(entries[0].chosenVersions == [1] && entries[1].chosenVersions == [3])
        #expect(entries[..<3].map { $0.hasModelFile(version: $0.chosenVersions[0]) } == [false, false, true])
        #expect(try ModelRepository.scan(path: folder.path).count { $0.problem == nil } == 1)
    }

    @Test func aMissingRepositoryIsAnError() {
        let folder = TemporaryFolder()
        folder.write("file")
        for name in ["nothing", "file"] {
            do throws(RepositoryError) {
                _ = try ModelRepository.scan(path: "\(folder.path)/\(name)")
                Issue.record("scanned \(name)")
            } catch {
                #expect(error.code == .missing && error.path == "\(folder.path)/\(name)")
            }
        }
    }

    @Test func aHugeConfigurationIsRefused() throws {
        let folder = TemporaryFolder()
        folder.write("m/1/model.onnx")
        folder.write("m/config.pbtxt", String(repeating: "#", count: ModelConfigurationParser.maximumSize + 1))
        let entry = try #require(try ModelRepository.scan(path: folder.path).first)
        #expect(entry.problem?.code == .unreadable)
    }
}
