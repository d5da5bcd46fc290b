// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@Suite struct ModelPaceTests {
    @Test func `half of a model's batches end on each side of its prediction`() {
        var generator = SeededGenerator(seed: 14)
        var paces = ModelPaces()
        var longer = 0
        for step in 0..<6000 {
            // Skewed, with a median of 1.3.
            let actual =
                1.2 + Double.random(in: 0..<1, using: &generator) * Double.random(in: 0..<0.55, using: &generator)
            let z = actual / paces[ModelID(index: 2)]
            if step >= 1000, z > 1 { longer += 1 }
            paces.learn(z, model: ModelID(index: 2))
        }
        #expect((paces[ModelID(index: 2)] - 1.3).magnitude < 0.05)
        #expect((longer - 2500).magnitude < 100, "\(longer)")
        #expect(paces[ModelID(index: 0)] == 1 && paces[ModelID(index: 3)] == 1)
    }

    @Test func `it stays within bounds, and what is no number changes nothing`() {
        var paces = ModelPaces()
        for z in [Double.nan, -1, 0, -Double.infinity] { paces.learn(z, model: ModelID(index: 0)) }
        #expect(paces[ModelID(index: 0)] == 1)
        for _ in 0..<5000 { paces.learn(.infinity, model: ModelID(index: 0)) }
        #expect(paces[ModelID(index: 0)] == 2)
        for _ in 0..<5000 { paces.learn(0.01, model: ModelID(index: 0)) }
        #expect(paces[ModelID(index: 0)] == 0.5)
    }
}
