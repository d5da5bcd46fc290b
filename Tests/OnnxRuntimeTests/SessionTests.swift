// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime
internal import Testing

@Suite("Loading a model")
struct SessionTests {
    @Test("inputs and outputs are reported with type, fixed, named and unnamed dimensions")
    func signature() throws {
        var fixture = OnnxFixture.identity(.int64, ["batch", 3, .unknown, "width"])
        fixture.inputs.append(OnnxFixture.Port("scalar", .bool, []))
        fixture.outputs.append(OnnxFixture.Port("scalar_out", .bool, []))
        fixture.nodes.append(OnnxFixture.Node("Identity", ["scalar"], ["scalar_out"]))
        let session = try Runtime.session(fixture)

        #expect(session.inputs.map(\.name) == ["x", "scalar"])
        #expect(session.inputs[0].type == .int64)
        #expect(session.inputs[0].dimensions == [-1, 3, -1, -1])
        #expect(session.inputs[0].symbols == ["batch", nil, nil, "width"])
        #expect(session.inputs[1].type == .bool)
        #expect(session.inputs[1].dimensions.isEmpty)
        #expect(session.outputs.map(\.name) == ["y", "scalar_out"])
        #expect(session.outputs[0].symbols.first == "batch")
    }

    @Test("metadata is found by key, absent keys are nil, and keys are listed")
    func metadata() throws {
        var fixture = OnnxFixture.identity(.fp32, [1])
        fixture.metadata = ["author": "us", "labels": "[\"é\", \"b\"]"]
        let session = try Runtime.session(fixture)
        #expect(try session.metadata("author") == "us")
        #expect(try session.metadata("labels") == "[\"é\", \"b\"]")
        #expect(try session.metadata("Author") == nil)
        #expect(try session.metadataKeys() == ["author", "labels"])
    }

    @Test("a model without metadata has no keys")
    func noMetadata() throws {
        let session = try Runtime.session(.identity(.fp32, [1]))
        #expect(try session.metadataKeys().isEmpty)
        #expect(try session.metadata("author") == nil)
    }

    @Test("a missing file is reported with code, message and model")
    func missingFile() throws {
        let error = try failure {
            _ = try Session(path: "/nowhere/model.onnx", model: "lost", in: Runtime.environment())
        }
        #expect(error.code == .noSuchFile)
        #expect(error.ortCode == 3)
        #expect(error.model == "lost")
        #expect(error.message.contains("/nowhere/model.onnx"))
        #expect(error.description.hasPrefix("model lost: ONNX Runtime error 3 (noSuchFile): "))
    }

    @Test("a corrupt file is reported as invalid protobuf", arguments: [UInt64(1), 2, 3])
    func corruptFile(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        try withTemporaryFolder { folder in
            // The first byte opens a field of a kind that protobuf does not have.
            let path = try folder.write(
                "model.onnx", [0x0F] + (0..<500).map { _ in UInt8.random(in: 0...255, using: &random) })
            let error = try failure { _ = try Session(path: path, model: "rotten", in: Runtime.environment()) }
            #expect(error.code == .invalidProtobuf)
            #expect(error.ortCode == 7)
            #expect(error.model == "rotten")
        }
    }

    @Test("a truncated file is refused at every length")
    func truncatedFile() throws {
        let bytes = OnnxFixture.arithmetic.bytes
        try withTemporaryFolder { folder in
            for length in stride(from: 0, to: bytes.count - 20, by: 37) {
                let path = try folder.write("model.onnx", Array(bytes.prefix(length)))
                let error = try failure { _ = try Session(path: path, model: "short", in: Runtime.environment()) }
                #expect(error.ortCode != nil)
                #expect(error.model == "short")
            }
        }
    }

    @Test("a file without a name for the model carries its path")
    func namelessModel() throws {
        let error = try failure { _ = try Session(path: "/nowhere/m.onnx", in: Runtime.environment()) }
        #expect(error.model == "/nowhere/m.onnx")
    }

    @Test("what a session is to keep lives as long as it does, and no longer")
    func keepsWhatItNeeds() throws {
        final class Needed: Sendable {}
        var needed: Needed? = Needed()
        weak let watched = needed
        var session: Session? = try withTemporaryFolder { folder in
            let path = try folder.write("model.onnx", OnnxFixture.identity(.fp32, [1]).bytes)
            return try Session(path: path, in: Runtime.environment(), keeping: needed)
        }
        needed = nil
        #expect(watched != nil && session != nil)
        session = nil
        #expect(watched == nil)
    }

    @Test("an operator that does not exist is refused with its name")
    func unknownOperator() throws {
        var fixture = OnnxFixture.identity(.fp32, [1])
        fixture.nodes[0].operation = "Frobnicate"
        let error = try failure { _ = try Runtime.session(fixture, named: "odd") }
        #expect(error.ortCode != nil)
        #expect(error.model == "odd")
        #expect(error.message.contains("Frobnicate"))
    }

    @Test("an input that is a sequence is refused by its name")
    func sequenceInput() throws {
        let fixture = OnnxFixture(
            inputs: [OnnxFixture.Port("many", rawType: 1, [2], isSequence: true)],
            outputs: [OnnxFixture.Port("length", .int64, [])],
            nodes: [OnnxFixture.Node("SequenceLength", ["many"], ["length"])])
        let error = try failure { _ = try Runtime.session(fixture, named: "list") }
        #expect(error.code == .unsupportedType)
        #expect(error.model == "list")
        #expect(error.message.contains("input 'many' is a sequence"))
    }

    @Test("an element type that the protocol cannot carry is refused by name and number")
    func foreignElementType() throws {
        let float8: Int32 = 17
        let fixture = OnnxFixture(
            inputs: [OnnxFixture.Port("x", rawType: float8, [2])],
            outputs: [OnnxFixture.Port("y", rawType: float8, [2])],
            nodes: [OnnxFixture.Node("Identity", ["x"], ["y"])], opset: 19)
        let error = try failure { _ = try Runtime.session(fixture, named: "tiny") }
        #expect(error.code == .unsupportedType)
        #expect(error.message.contains("input 'x'"))
        #expect(error.message.contains("17"))
    }
}

@Suite("Errors")
struct ErrorTests {
    @Test("ONNX Runtime's numbers have names, and later ones are kept as numbers")
    func codes() {
        let known: [(Int, OnnxRuntimeError.Code)] = [
            (1, .failed), (2, .invalidArgument), (3, .noSuchFile), (7, .invalidProtobuf), (9, .notImplemented),
            (10, .invalidGraph), (12, .loadCancelled), (14, .notFound), (15, .other), (0, .other), (-1, .other),
        ]
        for (number, code) in known {
            let error = OnnxRuntimeError(ortCode: number, message: "m", model: nil)
            #expect(error.code == code)
            #expect(error.ortCode == number)
        }
    }

    @Test("the description names the model first")
    func description() {
        let error = OnnxRuntimeError(ortCode: 2, message: "bad index", model: "ocr")
        #expect("\(error)" == "model ocr: ONNX Runtime error 2 (invalidArgument): bad index")
        #expect("\(OnnxRuntimeError(.invalidValue, "wrong"))" == "wrong")
    }
}
