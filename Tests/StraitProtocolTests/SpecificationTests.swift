// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Testing

@testable internal import StraitProtocol

@Suite struct SpecificationTests {
    private func entry(_ config: String?) throws -> RepositoryEntry {
        var entry = RepositoryEntry(
            name: "m", directory: "/r/m", availableVersions: [1, 2], chosenVersions: [2], config: nil, warnings: [],
            problem: nil)
        if let config {
            entry.config = try ModelConfigurationParser.parse(Array(config.utf8), path: "/r/m/config.pbtxt", model: "m")
                .configuration
        }
        return entry
    }

    private func resolve(_ config: String?, _ interface: ModelInterface) throws -> ModelSpecification {
        try ModelSpecification.resolve(entry: try entry(config), version: 2, interface: interface)
    }

    private func failure(_ config: String?, _ interface: ModelInterface) throws -> RepositoryError? {
        let entry = try entry(config)
        do throws(RepositoryError) {
            _ = try ModelSpecification.resolve(entry: entry, version: 2, interface: interface)
            return nil
        } catch {
            return error
        }
    }

    private func tensor(_ name: String, _ dimensions: [Int], _ symbols: [String]) -> InterfaceTensor {
        InterfaceTensor(name: name, type: .fp32, dimensions: dimensions, symbols: symbols)
    }

    private var batched: ModelInterface {
        ModelInterface(
            inputs: [tensor("x", [-1, 3], ["N", ""])], outputs: [tensor("y", [-1, -1], ["N", "classes"])])
    }

    private var fixed: ModelInterface {
        ModelInterface(inputs: [tensor("x", [1, 3], [])], outputs: [tensor("y", [1, 10], [])])
    }

    @Test func withoutAConfigurationTheModelDecides() throws {
        let model = try resolve(nil, batched)
        #expect(model.maxBatchSize == 8 && model.isBatchable)
        #expect(model.name == "m" && model.version == 2 && model.modelFile == "/r/m/2/model.onnx")
        #expect(model.inputs == [TensorSpecification(name: "x", type: .fp32, shape: [-1, 3], symbols: ["N", ""])])
        #expect(model.outputs.map(\.shape) == [[-1, -1]])
        #expect(model.defaultClass == nil && model.deadlineMilliseconds == nil && model.maxQueueSize == nil)
    }

    @Test func onlyOneSymbolInFrontOfEverythingMakesAModelBatchable() throws {
        let others = [
            fixed,
            ModelInterface(inputs: [tensor("x", [-1], ["N"])], outputs: [tensor("y", [-1], ["M"])]),
            ModelInterface(inputs: [tensor("x", [-1], [""])], outputs: [tensor("y", [-1], [""])]),
            ModelInterface(
                inputs: [tensor("x", [-1], ["N"]), tensor("z", [1], [])], outputs: [tensor("y", [-1], ["N"])]),
            ModelInterface(inputs: [tensor("x", [-1], ["N"])], outputs: [tensor("y", [], [])]),
            ModelInterface(inputs: [tensor("x", [-1], ["N"])], outputs: []),
            ModelInterface(inputs: [], outputs: [tensor("y", [-1], ["N"])]),
        ]
        for interface in others { #expect(try resolve(nil, interface).maxBatchSize == 0) }
    }

    @Test func aConfigurationWithoutABatchSizeLeavesItToTheModel() throws {
        #expect(try resolve("", batched).maxBatchSize == 8)
        #expect(try resolve("max_batch_size: 0", batched).maxBatchSize == 0)
        #expect(try resolve("input { name: \"x\" dims: [ -1, 3 ] }", batched).maxBatchSize == 8)
        #expect(try resolve("input { name: \"x\" dims: [ 3 ] }", batched).maxBatchSize == 8)
        let pinned = try resolve("input { name: \"x\" dims: [ 2, 3 ] }", batched)
        #expect(pinned.maxBatchSize == 0 && pinned.inputs[0].shape == [2, 3])
    }

    @Test func dimsLeaveTheBatchOutWhereThereIsOne() throws {
        let model = try resolve(
            "max_batch_size: 4 input { name: \"x\" data_type: TYPE_FP32 dims: 3 } output { name: \"y\" dims: 10 }",
            batched)
        #expect(model.maxBatchSize == 4)
        #expect(model.inputs[0].shape == [-1, 3] && model.outputs[0].shape == [-1, 10])
        let single = try resolve("max_batch_size: 0 input { name: \"x\" dims: [ -1, -1 ] }", fixed)
        #expect(single.inputs[0].shape == [1, 3])
    }

    @Test func whatTheConfigurationSaysAboutServingIsKept() throws {
        let model = try resolve(
            """
            default_model_filename: "net.onnx"
            dynamic_batching { default_queue_policy { max_queue_size: 5 } }
            parameters { key: "strait.class" value { string_value: "high" } }
            parameters { key: "strait.deadline_ms" value { string_value: "50" } }
            version_policy { all { } }
            """, batched)
        #expect(model.modelFile == "/r/m/2/net.onnx" && model.defaultModelFilename == "net.onnx")
        #expect(model.maxQueueSize == 5 && model.defaultClass == .high && model.deadlineMilliseconds == 50)
        #expect(model.versionPolicy == .all && model.parameters.count == 2)
    }

    @Test func onlyTheOutputsListedAreServed() throws {
        var interface = batched
        interface.outputs.append(tensor("z", [-1], ["N"]))
        #expect(try resolve("output { name: \"z\" }", interface).outputs.map(\.name) == ["z"])
        #expect(try resolve("output { name: \"z\" dims: -1 }", interface).outputs.map(\.name) == ["z"])
    }

    @Test func disagreementsNameBothSidesAndTheLine() throws {
        var two = batched
        two.inputs.append(tensor("w", [-1], ["N"]))
        let cases: [(String, ModelInterface, Int?, String)] = [
            (
                "max_batch_size: 4", fixed, 1,
                "max_batch_size is 4, but input \"x\" of the model has a fixed first dimension of 1"
            ),
            ("\ninput { name: \"q\" dims: 3 }", batched, 2, "the model has no input \"q\"; it has \"x\""),
            ("output { name: \"q\" dims: 3 }", batched, 1, "the model has no output \"q\"; it has \"y\""),
            ("input { name: \"x\" dims: 3 }", two, nil, "input \"w\" of the model is not listed"),
            (
                "input {\n name: \"x\" data_type: TYPE_INT8 dims: 3 }", batched, 2,
                "\"x\" is FP32 in the model, data_type says INT8"
            ),
            (
                "max_batch_size: 4 input { name: \"x\" dims: 4 }", batched, 1,
                "has shape [3] behind the batch dimension in the model, dims says [4]"
            ),
            ("max_batch_size: 4 input { name: \"x\" dims: [ -1, 3 ] }", batched, 1, "dims says [-1,3]"),
            (
                "max_batch_size: 0 input { name: \"x\" dims: [ 3 ] }", fixed, 1,
                "has shape [1,3] in the model, dims says [3]"
            ),
            ("input { name: \"x\" dims: [ 1, 3, 1 ] }", batched, 1, "dims says [1,3,1]"),
        ]
        for (config, interface, line, expected) in cases {
            let error = try failure(config, interface)
            #expect(error?.code == .mismatch && error?.line == line, "\(config): \(String(describing: error))")
            #expect(error?.message.contains(expected) == true, "\(config): \(String(describing: error))")
        }
    }

    @Test func versionsThatAreNotThereAndProblemsAreRefused() throws {
        var broken = try entry(nil)
        #expect(throws: RepositoryError.self) {
            try ModelSpecification.resolve(entry: broken, version: 3, interface: batched)
        }
        broken.problem = RepositoryError(.missing, "gone", path: "/r/m")
        #expect(throws: RepositoryError(.missing, "gone", path: "/r/m")) {
            try ModelSpecification.resolve(entry: broken, version: 2, interface: batched)
        }
    }
}
