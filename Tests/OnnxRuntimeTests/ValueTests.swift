// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime
internal import Testing

@Suite("Values")
struct ValueTests {
    @Test(
        "a shape that does not fit the bytes is refused",
        arguments: [[2], [4], [-1, -3], [Int.max, 2], [3, Int.max]])
    func misfit(shape: [Int]) throws {
        let error = try failure { _ = try Value(floats: [1, 2, 3], shape) }
        #expect(error.code == .invalidValue)
        #expect(error.message.contains("12 bytes"))
    }

    @Test("memory that is not aligned to the element is refused")
    func unaligned() throws {
        let buffer = Buffer(byteCount: 64)
        let error = try failure {
            let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[1..<13])
            _ = try Value(over: bytes, type: .fp32, shape: [3], owner: buffer, in: Runtime.environment())
        }
        #expect(error.code == .invalidValue)
        #expect(error.message.contains("aligned"))
    }

    @Test("a tensor without elements needs no memory")
    func emptyWithoutMemory() throws {
        let session = try Runtime.session(.arithmetic)
        let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        let empty = try Value(over: nothing, type: .fp32, shape: [0, 3], in: Runtime.environment())
        var outputs: [Value?] = [nil, nil]
        try session.run(inputs: [empty, empty], outputs: &outputs)
        #expect(outputs[0]?.shape == [0, 3])
        #expect(outputs[0]?.bytes.count == 0)
    }

    @Test("a scalar has an empty shape and one element")
    func scalar() throws {
        let session = try Runtime.session(.identity(.fp64, []))
        var outputs: [Value?] = [nil]
        try session.run(inputs: [try Value(Buffer([2.5]), .fp64, [])], outputs: &outputs)
        #expect(outputs[0]?.shape == [])
        #expect(outputs[0]?.elementCount == 1)
        #expect(outputs[0]?.elements(Double.self) == [2.5])
    }

    @Test("the owner of the memory lives as long as the value, and no longer")
    func owner() throws {
        weak var watched: Buffer?
        var value: Value?
        do {
            let buffer = Buffer([Float(1)])
            watched = buffer
            value = try Value(buffer, .fp32, [1])
        }
        #expect(watched != nil)
        #expect(value?.elements(Float.self) == [1])
        value = nil
        #expect(watched == nil)
    }

    @Test("what ONNX Runtime allocated outlives the session")
    func outlivesSession() throws {
        var outputs: [Value?] = [nil]
        do {
            let session = try Runtime.session(.identity(.fp32, ["n"]))
            try session.run(inputs: [try Value(floats: [1, 2, 3], [3])], outputs: &outputs)
        }
        #expect(outputs[0]?.elements(Float.self) == [1, 2, 3])
    }
}

@Suite("Tensors of strings")
struct StringTensorTests {
    private func roundTrip(_ strings: [[UInt8]], _ shape: [Int]) throws -> (shape: [Int], strings: [[UInt8]]) {
        let session = try Runtime.session(
            .identity(.string, shape.indices.map { .named("d\($0)") }))
        let input = try Value(strings: strings, shape: shape, in: Runtime.environment())
        var outputs: [Value?] = [nil]
        try session.run(inputs: [input], outputs: &outputs)
        let output = try #require(outputs[0])
        #expect(output.elementType == .string)
        return (output.shape, try output.strings().map { Array($0) })
    }

    @Test("strings of any bytes and lengths come back, empty ones too")
    func anyBytes() throws {
        var random = SeededGenerator(seed: 42)
        let long = (0..<100_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let strings: [[UInt8]] = [[], Array("Deadline 42 ms".utf8), [0xFF, 0xFE, 0x80], long, Array("é".utf8), []]
        let back = try roundTrip(strings, [2, 3])
        #expect(back.shape == [2, 3])
        #expect(back.strings == strings)
    }

    @Test("a tensor of nothing but empty strings comes back")
    func onlyEmpty() throws {
        #expect(try roundTrip([[], [], []], [3]).strings == [[], [], []])
    }

    @Test("a tensor without strings comes back")
    func none() throws {
        let back = try roundTrip([], [0])
        #expect(back.shape == [0])
        #expect(back.strings.isEmpty)
    }

    @Test("a value's own strings can be read before any run")
    func ownStrings() throws {
        let value = try Value(strings: ["a".utf8, "bc".utf8], shape: [2], in: Runtime.environment())
        #expect(try value.strings().map { String(decoding: $0, as: UTF8.self) } == ["a", "bc"])
        #expect(value.bytes.isEmpty)
    }

    @Test("zero bytes come back, wherever they stand", arguments: [0, 1, 3])
    func zeroByte(place: Int) throws {
        var second = Array("abc".utf8)
        second.insert(0, at: place)
        #expect(try roundTrip([Array("fine".utf8), second], [2]).strings == [Array("fine".utf8), second])
    }

    @Test("a shape that does not fit the number of strings is refused", arguments: [[3], [1], [-2], [Int.max, 4], []])
    func misfit(shape: [Int]) throws {
        let error = try failure {
            _ = try Value(strings: ["a".utf8, "b".utf8], shape: shape, in: Runtime.environment())
        }
        #expect(error.code == .invalidValue)
    }

    @Test("numbers hold no strings, and strings cannot lie over memory")
    func mixedUp() throws {
        let numbers = try Value(floats: [1], [1])
        #expect(try failure { _ = try numbers.strings() }.code == .invalidValue)
        #expect(try failure { _ = try Value(Buffer([UInt8(1)]), .string, [1]) }.code == .invalidValue)
    }
}
