// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime
internal import Testing

@Suite("Running a model")
struct RunTests {
    @Test("every element type passes through unchanged", arguments: OrtElementType.allCases.filter { $0 != .string })
    func everyType(type: OrtElementType) throws {
        let session = try Runtime.session(.identity(type, ["n", 5]))
        let size = try #require(type.byteSize)
        var random = SeededGenerator(seed: UInt64(type.rawValue))
        // A bool is 0 or 1; any other pattern is a value, for floats too.
        let range: ClosedRange<UInt8> = type == .bool ? 0...1 : 0...255
        let pattern = (0..<(3 * 5 * size)).map { _ in UInt8.random(in: range, using: &random) }
        let input = try Value(Buffer(pattern), type, [3, 5])

        var allocated: [Value?] = [nil]
        try session.run(inputs: [input], outputs: &allocated)
        let value = try #require(allocated[0])
        #expect(value.elementType == type)
        #expect(value.shape == [3, 5])
        #expect(Array(value.bytes) == pattern)

        let buffer = Buffer(byteCount: pattern.count)
        var prepared: [Value?] = [try Value(buffer, type, [3, 5])]
        try session.run(inputs: [input], outputs: &prepared)
        #expect(Array(buffer.bytes) == pattern)
    }

    @Test("inputs are not copied: what is written to the buffer is what the next run reads")
    func zeroCopy() throws {
        let session = try Runtime.session(.arithmetic)
        let buffer = Buffer([Float](repeating: 1, count: 3))
        let inputs = [try Value(buffer, .fp32, [1, 3]), try Value(floats: [10, 20, 30], [1, 3])]
        let output = Buffer(byteCount: 12)
        var outputs: [Value?] = [try Value(output, .fp32, [1, 3]), nil]

        try session.run(inputs: inputs, outputs: &outputs)
        #expect(outputs[0]?.elements(Float.self) == [11, 21, 31])
        buffer.write([Float(2), 3, 4])
        try session.run(inputs: inputs, outputs: &outputs)
        #expect(outputs[0]?.elements(Float.self) == [12, 23, 34])
    }

    @Test("preallocated and allocated outputs mix, and preallocated ones stay where they are")
    func mixedOutputs() throws {
        let session = try Runtime.session(.arithmetic)
        let inputs = [try Value(floats: [1, 2, 3, 4, 5, 6], [2, 3]), try Value(floats: [2, 2, 2, 3, 3, 3], [2, 3])]
        let buffer = Buffer(byteCount: 24)
        let prepared = try Value(buffer, .fp32, [2, 3])
        var outputs: [Value?] = [nil, prepared]
        try session.run(inputs: inputs, outputs: &outputs)
        #expect(outputs[0]?.elements(Float.self) == [3, 4, 5, 7, 8, 9])
        #expect(outputs[1] === prepared)
        #expect(Array(buffer.bytes.bindMemory(to: Float.self)) == [2, 4, 6, 12, 15, 18])
    }

    @Test("a dynamic dimension takes another size at every run, none included", arguments: [1, 7, 0, 64])
    func dynamicRows(rows: Int) throws {
        let session = try Runtime.session(.arithmetic)
        let numbers = (0..<(rows * 3)).map { Float($0) }
        let inputs = [try Value(floats: numbers, [rows, 3]), try Value(floats: numbers, [rows, 3])]
        var outputs: [Value?] = [nil, nil]
        try session.run(inputs: inputs, outputs: &outputs)
        #expect(outputs[0]?.shape == [rows, 3])
        #expect(outputs[0]?.elements(Float.self) == numbers.map { $0 * 2 })
        #expect(outputs[1]?.elements(Float.self) == numbers.map { $0 * $0 })
    }

    @Test("a node that fails gives code, message and model, and the session works on")
    func failingNode() throws {
        let session = try Runtime.session(.gather, named: "picker")
        let data = try Value(floats: [10, 20, 30], [3])
        let index = Buffer([Int64(7)])
        let inputs = [data, try Value(index, .int64, [1])]
        var outputs: [Value?] = [nil]

        for _ in 0..<3 {
            index.write([Int64(7)])
            let error = try failure { try session.run(inputs: inputs, outputs: &outputs) }
            #expect(error.code == .invalidArgument)
            #expect(error.ortCode == 2)
            #expect(error.model == "picker")
            #expect(error.message.contains("Gather"))
            #expect(error.message.contains("7"))
            #expect(outputs[0] == nil)

            index.write([Int64(1)])
            try session.run(inputs: inputs, outputs: &outputs)
            #expect(outputs[0]?.elements(Float.self) == [20])
            outputs = [nil]
        }
    }

    @Test("a failed run leaves preallocated places as they were")
    func failedRunKeepsOutputs() throws {
        let session = try Runtime.session(.gather)
        let prepared = try Value(floats: [0], [1])
        var outputs: [Value?] = [prepared]
        let inputs = [try Value(floats: [10], [1]), try Value(Buffer([Int64(3)]), .int64, [1])]
        _ = try failure { try session.run(inputs: inputs, outputs: &outputs) }
        #expect(outputs[0] === prepared)
    }

    @Test("a wrong element type or shape of an input is ONNX Runtime's error, with the model's name")
    func wrongInput() throws {
        let session = try Runtime.session(.arithmetic, named: "sums")
        let good = try Value(floats: [1, 2, 3], [1, 3])
        var outputs: [Value?] = [nil, nil]
        let integers = try Value(Buffer([Int64](repeating: 1, count: 3)), .int64, [1, 3])
        let short = try Value(floats: [1, 2], [1, 2])
        for (bad, complaint) in [(integers, "int64"), (short, "invalid dimensions")] {
            let error = try failure { try session.run(inputs: [good, bad], outputs: &outputs) }
            #expect(error.code == .invalidArgument)
            #expect(error.model == "sums")
            #expect(error.message.contains(complaint))
        }
    }

    @Test("a preallocated output of a wrong shape is refused")
    func wrongOutput() throws {
        let session = try Runtime.session(.arithmetic, named: "sums")
        let row = try Value(floats: [1, 2, 3], [1, 3])
        var outputs: [Value?] = [try Value(floats: [0, 0, 0, 0, 0, 0], [2, 3]), nil]
        let error = try failure { try session.run(inputs: [row, row], outputs: &outputs) }
        #expect(error.ortCode != nil)
        #expect(error.model == "sums")
        #expect(outputs[1] == nil)
    }

    @Test("a wrong number of inputs or outputs is refused before ONNX Runtime sees it")
    func wrongCounts() throws {
        let session = try Runtime.session(.arithmetic, named: "sums")
        let row = try Value(floats: [1, 2, 3], [1, 3])
        var one: [Value?] = [nil]
        var two: [Value?] = [nil, nil]
        for error in [
            try failure { try session.run(inputs: [row], outputs: &two) },
            try failure { try session.run(inputs: [row, row, row], outputs: &two) },
            try failure { try session.run(inputs: [row, row], outputs: &one) },
        ] {
            #expect(error.code == .invalidValue)
            #expect(error.model == "sums")
            #expect(error.message.contains("2 inputs and 2 outputs"))
        }
    }

    @Test("threads share a session, each with its own values")
    func threads() throws {
        let session = try Runtime.session(.arithmetic)
        let threads = try (1...4).map { number in
            let row = try Value(floats: [Float](repeating: Float(number), count: 3), [1, 3])
            return try TestThread {
                for _ in 0..<200 {
                    var outputs: [Value?] = [nil, nil]
                    #expect(throws: Never.self) { try session.run(inputs: [row, row], outputs: &outputs) }
                    #expect(outputs[1]?.elements(Float.self) == [Float](repeating: Float(number * number), count: 3))
                }
            }
        }
        for thread in threads { thread.join() }
    }
}
