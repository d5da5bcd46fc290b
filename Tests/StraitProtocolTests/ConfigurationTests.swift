// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Testing

@testable internal import StraitProtocol

@Suite struct ConfigurationTests {
    private func parse(_ text: String) throws(RepositoryError) -> ModelConfigurationParser.Outcome {
        try ModelConfigurationParser.parse(Array(text.utf8), path: "m/config.pbtxt", model: "m")
    }

    private func failure(_ text: String) -> RepositoryError? {
        do throws(RepositoryError) {
            _ = try parse(text)
            return nil
        } catch {
            return error
        }
    }

    @Test func theSupportedSubsetIsRead() throws {
        let outcome = try parse(
            """
            # a comment with { and "
            name: "m"
            backend: "onnxruntime"
            platform: "onnx_onnxv1"
            max_batch_size: 16
            input [
              { name: "a" data_type: TYPE_FP32 dims: [ 3, 224, -1 ] },
              { name: "b", data_type: TYPE_STRING, dims: 1; }
            ]
            output { name: "y" data_type: TYPE_BF16 dims: [ 10 ] }
            version_policy: { specific { versions: [1, 3] } }
            default_model_filename: "net.onnx"
            instance_group [ { count: 1 kind: KIND_CPU } ]
            dynamic_batching {
              priority_levels: 2
              default_priority_level: 1
              default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 2500 max_queue_size: 7 }
            }
            """)
        let config = outcome.configuration
        #expect(config.maxBatchSize == 16)
        #expect(config.inputs.map(\.name) == ["a", "b"] && config.inputs.map(\.type) == [.fp32, .bytes])
        #expect(config.inputs.map(\.dimensions) == [[3, 224, -1], [1]])
        #expect(config.inputs.map(\.line) == [7, 8])
        #expect(config.outputs.map(\.type) == [.bf16])
        #expect(config.versionPolicy == .specific([1, 3]))
        #expect(config.defaultModelFilename == "net.onnx")
        #expect(config.defaultClass == .high && config.deadlineMilliseconds == 2.5 && config.maxQueueSize == 7)
        #expect(outcome.warnings.isEmpty, "\(outcome.warnings)")
    }

    @Test func anEmptyFileLeavesEverythingOpen() throws {
        for text in ["", "# nothing\n", "\n\n"] {
            let outcome = try parse(text)
            #expect(outcome.configuration == ModelConfiguration(path: "m/config.pbtxt") && outcome.warnings.isEmpty)
        }
        #expect(try parse("max_batch_size: 0").configuration.maxBatchSize == 0)
    }

    @Test func ownParametersWinOverDynamicBatching() throws {
        let outcome = try parse(
            """
            dynamic_batching { priority_levels: 3 default_priority_level: 3
                               default_queue_policy { default_timeout_microseconds: 1000 } }
            parameters { key: "strait.class" value { string_value: "high" } }
            parameters: { key: "strait.deadline_ms", value: { string_value: "40.5" } }
            parameters [ { key: "intra_op_thread_count" value { string_value: "4" } } ]
            """)
        #expect(outcome.configuration.defaultClass == .high && outcome.configuration.deadlineMilliseconds == 40.5)
        #expect(outcome.configuration.parameters["intra_op_thread_count"] == "4")
        #expect(outcome.warnings.count == 2)
        #expect(outcome.warnings.contains { $0.hasPrefix("m/config.pbtxt:1: priority_levels is 3") })
        #expect(outcome.warnings.contains { $0.hasPrefix("m/config.pbtxt:5: parameter \"intra_op_thread_count\"") })
    }

    @Test func virtualCostsAreRead() throws {
        func line(_ name: String, _ value: String) -> String {
            "parameters { key: \"strait.virtual_\(name)\" value { string_value: \"\(value)\" } }\n"
        }
        let values = [
            ("base_ms", "1.5"), ("row_ms", "0.25"), ("input_bytes", "600000"), ("output_bytes", "0"), ("compute", "1"),
            ("bandwidth", "0.75"), ("cache", "0"), ("cache_sensitivity", "0.45"), ("pinned", "false"), ("phases", "6"),
        ]
        let outcome = try parse(values.map(line).joined())
        var costs = VirtualCosts()
        costs.baseMilliseconds = 1.5
        costs.rowMilliseconds = 0.25
        costs.inputBytes = 600_000
        costs.outputBytes = 0
        costs.compute = 1
        costs.bandwidth = 0.75
        costs.cache = 0
        costs.cacheSensitivity = 0.45
        costs.isPinned = false
        costs.phases = 6
        #expect(outcome.configuration.virtualCosts == costs && outcome.warnings.isEmpty)
        #expect(values.map(\.0) == VirtualCosts.names)
        let wrong = [
            ("base_ms", "-1", "milliseconds"), ("row_ms", "nan", "milliseconds"), ("base_ms", "1e9", "milliseconds"),
            ("input_bytes", "1.5", "whole number of bytes"), ("output_bytes", "-1", "whole number of bytes"),
            ("compute", "1.1", "share from 0 to 1"), ("cache", "much", "share from 0 to 1"),
            ("pinned", "1", "\"true\""),
            ("phases", "-1", "whole number"), ("colour", "3", "strait.virtual_base_ms"),
        ]
        for (name, value, expected) in wrong {
            let error = failure("\n" + line(name, value))
            #expect(
                error?.line == 2 && error?.message.contains(expected) == true, "\(name): \(String(describing: error))")
            #expect(error?.message.contains("strait.virtual_\(name) is \"\(value)\"") == true)
        }
    }

    static let faults: [(text: String, line: Int?, expected: String)] = [
        ("max_batch_size: 8\n\nbatch_max: 4\n", 3, "unknown field \"batch_max\""),
        ("input {\n  name: \"x\"\n  colour: 3\n}\nmax_batch_size: 8", 3, "unknown field \"input.colour\""),
        ("input [\n {\n name: \"x\" },\n {\n  nam: \"y\" }\n]", 5, "unknown field \"input.nam\""),
        ("dynamic_batching { default_queue_policy {\n max: 1 } }", 2, "\"dynamic_batching.default_queue_policy.max\""),
        ("input { name: \"x\"\n data_type: TYPE_FLOAT }", 2, "\"TYPE_FLOAT\" is not a value that \"input.data_type\""),
        ("name: \"m\"\nmax_batch_size: eight\n", 2, "\"eight\" is not a number that \"max_batch_size\""),
        ("name: \"m\"\nmax_batch_size: 8.5\n", 2, "\"max_batch_size\""),
        ("name: \"m\"\nmax_batch_size: 99999999999\n", 2, "\"99999999999\" is not a number"),
        ("max_batch_size 8\nname: \"m\"", 1, "\"max_batch_size\" is not well formed"),
        ("name: \"m\"\nmax_batch_size: \"8\"\n", 2, "\"max_batch_size\""),
        ("name: m\n", 1, "\"name\" is not well formed"),
        ("name: \"m\"\ninput {\n name: \"x\"\n\n", 2, "never closed; expected '}'"),
        ("name: \"m\"\ninput [ { name: \"x\" }\n", 2, "never closed; expected ']'"),
        ("name: \"m\" }\n", 1, "not well formed"),
        ("}\n", 1, "not in protobuf's text format"),
        ("{ \"name\": \"m\" }", 1, "not in protobuf's text format"),
        ("dynamic_batching { }\nsequence_batching { }\n", 2, "\"sequence_batching\" contradicts"),
        ("name: \"other\"\n", 1, "name is \"other\", but the model's folder is \"m\""),
        ("\nbackend: \"pytorch\"", 2, "backend is \"pytorch\"; only \"onnxruntime\""),
        ("platform: \"ensemble\"", 1, "platform is \"ensemble\""),
        ("\nmax_batch_size: -1", 2, "max_batch_size is -1; expected 0 to 4096"),
        ("max_batch_size: 5000", 1, "max_batch_size is 5000"),
        ("input { data_type: TYPE_FP32 }", 1, "an input has no name"),
        ("input { name: \"x\" dims: [ 3, -2 ] }", 1, "dims of input \"x\" has -2"),
        ("input { name: \"x\" dims: 0 }", 1, "has 0; expected 1 or more"),
        ("input { name: \"x\" data_type: 99 }", 1, "data_type"),
        ("input { name: \"x\" }\ninput { name: \"x\" }", 1, "declared twice"),
        ("version_policy { latest { } }", 1, "num_versions of at least 1"),
        ("version_policy { specific { } }", 1, "list of versions"),
        ("default_model_filename: \"../x\"", 1, "expected the name of a file"),
        (
            "dynamic_batching {\n priority_levels: 2 }", 2,
            "default_priority_level is 0; expected 1 to priority_levels (2)"
        ),
        ("dynamic_batching { priority_levels: 2\n default_priority_level: 3 }", 2, "default_priority_level is 3"),
        (
            "dynamic_batching { default_queue_policy {\n default_timeout_microseconds: 18446744073709551615 } }", 2,
            "a day"
        ),
        (
            "\nparameters { key: \"strait.class\" value { string_value: \"urgent\" } }", 2,
            "expected \"high\" or \"low\""
        ),
        (
            "parameters { key: \"strait.deadline_ms\" value { string_value: \"soon\" } }", 1,
            "strait.deadline_ms \"soon\" must be"
        ),
        ("parameters { key: \"strait.deadline_ms\" value { string_value: \"-1\" } }", 1, "above 0"),
        ("parameters { key: \"strait.deadline_ms\" value { string_value: \"nan\" } }", 1, "above 0"),
        (
            "parameters {\n key: \"strait.clas\" value { string_value: \"high\" } }", 2,
            "unknown parameter \"strait.clas\""
        ),
    ]

    @Test(arguments: faults)
    func aFaultIsToldWithItsLine(text: String, line: Int?, expected: String) {
        let error = failure(text)
        #expect(error?.code == .badConfiguration)
        #expect(error?.line == line, "\(String(describing: error))")
        #expect(error?.message.contains(expected) == true, "\(String(describing: error))")
        #expect(error?.description.hasPrefix("m/config.pbtxt:\(line ?? 0): ") == true)
    }

    @Test func knownButUnsupportedFieldsAreWarnedAboutWithTheirLine() throws {
        let outcome = try parse(
            """
            sequence_batching { max_sequence_idle_microseconds: 5 }
            model_transaction_policy { decoupled: true }
            response_cache { enable: true }
            input { name: "x"
                    reshape { shape: [ ] }
                    allow_ragged_batch: true }
            output { name: "y" is_shape_tensor: true }
            instance_group [ { count: 2
                               kind: KIND_GPU
                               gpus: [ 0, 1 ] } ]
            optimization { graph { level: 1 } }
            batch_input { kind: BATCH_ELEMENT_COUNT target_name: "n" data_type: TYPE_INT32 source_input: "x" }
            """)
        let expected = [
            (1, "sequence_batching"), (2, "model_transaction_policy.decoupled"), (3, "response_cache.enable"),
            (5, "input.reshape"), (6, "input.allow_ragged_batch"), (7, "output.is_shape_tensor"),
            (8, "instance_group.count"), (9, "instance_group.kind"), (10, "instance_group.gpus"), (11, "optimization"),
            (12, "batch_input"),
        ]
        #expect(outcome.warnings.count == expected.count, "\(outcome.warnings)")
        for (warning, (line, field)) in zip(outcome.warnings, expected) {
            #expect(warning.hasPrefix("m/config.pbtxt:\(line): \"\(field)\" is not supported"), "\(warning)")
        }
    }

    @Test func fieldsThatAskForWhatHappensAnywayAreNotWarnedAbout() throws {
        let outcome = try parse(
            """
            model_transaction_policy { decoupled: false }
            response_cache { enable: false }
            input { name: "x" optional: false format: FORMAT_NONE }
            instance_group { count: 1 kind: KIND_AUTO }
            dynamic_batching { max_queue_delay_microseconds: 0 default_queue_policy { allow_timeout_override: true } }
            """)
        #expect(outcome.warnings.isEmpty, "\(outcome.warnings)")
    }

    @Test func bottomlessNestingIsRefused() {
        let error = failure(String(repeating: "input { ", count: 30_000))
        #expect(error?.code == .badConfiguration && error?.line == 1)
    }

    @Test func everyUnsupportedFieldExistsInTheSchema() {
        for rule in UnsupportedFields.rules {
            let parts = rule.path.split(separator: ".")
            // An unknown field would be told as such; a wrong value only says that the field is there.
            let text = parts.dropLast().map { $0 + " { " }.joined() + (parts.last ?? "") + ": @"
            #expect(failure(text)?.message.contains("unknown field") == false, "\(rule.path)")
        }
    }

    /// Every field carries its path, so without a bound on it the paths of a small file fill gigabytes.
    @Test func longPathsTakeNoMoreMemoryThanTheirText() {
        let opening = String(repeating: String(repeating: "n", count: 500) + "{", count: 90)
        let outline = TextFormatOutline(Array((opening + String(repeating: "a ", count: 1000)).utf8)[...])
        #expect(outline.fields.count == 1090)
        #expect(outline.fields.allSatisfy { $0.path.utf8.count <= 600 })
    }

    @Test(arguments: 0..<UInt64(4))
    func mutatedTextNeverTraps(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let base = Array(
            #"name: "m" max_batch_size: 4 input [ { name: "x" dims: [ 1, -1 ] } ] parameters { key: "strait.class" value { string_value: "low" } } # end"#
                .utf8)
        for _ in 0..<500 {
            var text = base
            for _ in 0..<Int.random(in: 1...5, using: &generator) {
                let position = Int.random(in: 0..<text.count, using: &generator)
                if Bool.random(using: &generator) {
                    text[position] = Array("{}[]<>:\"'#\\\n,;x9".utf8).randomElement(using: &generator) ?? 0
                } else {
                    text.remove(at: position)
                }
            }
            do throws(RepositoryError) {
                _ = try ModelConfigurationParser.parse(text, path: "f", model: "m")
            } catch {
                #expect(error.code == .badConfiguration)
            }
        }
    }
}
