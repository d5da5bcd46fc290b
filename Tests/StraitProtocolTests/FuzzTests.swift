// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Testing

@testable internal import StraitProtocol

@Suite struct FuzzTests {
    private struct Seed {
        var json: [UInt8]
        var binary: [UInt8]?
    }

    private static let seeds: [Seed] = [
        Seed(
            json: Array(
                #"{"id":"a\u00e9","parameters":{"priority":1,"timeout":500},"inputs":[{"name":"x","shape":[2,3],"datatype":"FP32","data":[[1,2.5,-3e1],[4,5,6]]},{"name":"s","shape":[2],"datatype":"BYTES","data":["q\n","\ud83d\ude00"]}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}"#
                    .utf8)),
        Seed(
            json: Array(
                #"{"inputs":[{"name":"x","shape":[3],"datatype":"INT16","parameters":{"binary_data_size":6}},{"name":"b","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}},{"name":"k","shape":[2],"datatype":"BOOL","parameters":{"binary_data_size":2}}],"parameters":{"binary_data_output":true}}"#
                    .utf8), binary: [1, 0, 2, 0, 3, 0, 1, 0, 0, 0, 65, 2, 0, 0, 0, 66, 67, 0, 1]),
        Seed(
            json: Array(
                #"{"inputs":[{"data":[18446744073709551615,0],"datatype":"UINT64","name":"u","shape":[2]},{"data":[true,false,true],"datatype":"BOOL","name":"t","shape":[3,1]},{"shape":[],"name":"z","datatype":"FP64","data":[1e-7]}],"other":{"deep":[[[{"a":[1,2,{}]}]]]}}"#
                    .utf8)),
    ]

    /// Pieces of the language, so that mutations reach beyond the first syntax error.
    private static let pieces: [[UInt8]] = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000", "\\ud800", "null", "true", "-", "1e9", "0.5", "[[",
        "\"shape\":", "\"data\":[", "\"datatype\":\"INT8\"", "\"binary_data_size\":3", "99999999999", " ", "\u{0}", "é",
        "9223372036854775807", "[]", "{}", "NaN", "BYTES", "FP16",
    ].map { Array($0.utf8) }

    private func mutate(_ bytes: inout [UInt8], using generator: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let position = Int.random(in: 0...bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0 where position < bytes.count: bytes[position] = UInt8.random(in: 0...255, using: &generator)
            case 1 where position < bytes.count: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 2:
                let end = min(bytes.count, position + Int.random(in: 0...12, using: &generator))
                bytes.removeSubrange(position..<end)
            case 3: bytes.insert(contentsOf: Self.pieces.randomElement(using: &generator) ?? [], at: position)
            case 4:
                let end = min(bytes.count, position + Int.random(in: 0...40, using: &generator))
                bytes.insert(contentsOf: bytes[position..<end], at: position)
            default:
                // Digits into other digits: sizes and shapes that lie.
                guard let digit = bytes[position...].firstIndex(where: { (0x30...0x39).contains($0) }) else { continue }
                bytes[digit] = UInt8.random(in: 0x30...0x39, using: &generator)
            }
        }
    }

    /// 8 × 5,000 mutated bodies: each is refused with a `ProtocolError` or gives tensors that lie within their slabs.
    @Test(arguments: 0..<UInt64(8))
    func mutatedBodiesNeverTrapAndNeverLie(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let pool = SlabPool(budget: 1 << 24)
        var decoded = 0
        for round in 0..<5000 {
            guard var mutant = Self.seeds.randomElement(using: &generator) else { return }
            mutate(&mutant.json, using: &generator)
            if var binary = mutant.binary, Bool.random(using: &generator) {
                mutate(&binary, using: &generator)
                mutant.binary = binary
            }
            let body = try Body(mutant.json, binary: mutant.binary, pool: pool)
            do throws(ProtocolError) {
                let request = try body.decode(pool: pool)
                decoded += 1
                for tensor in request.inputs { check(tensor, "seed \(seed), round \(round)") }
            } catch {
                #expect(error.code == .invalidArgument || error.code == .unsupported, "seed \(seed), round \(round)")
                #expect(error.message.utf8.count < 1000, "seed \(seed), round \(round)")
            }
        }
        #expect(pool.bytesInUse == 0)
        #expect(decoded > 100, "the mutations are too rough to reach the tensors")
    }

    private func check(_ tensor: Tensor, _ origin: String) {
        #expect(tensor.range.lowerBound >= 0 && tensor.range.upperBound <= tensor.slab.bytes.count, "\(origin)")
        #expect(TensorContent.problem(in: tensor.bytes, type: tensor.type, shape: tensor.shape) == nil, "\(origin)")
    }
}
