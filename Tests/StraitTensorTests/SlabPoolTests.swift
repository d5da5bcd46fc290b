// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import Testing

@Suite struct SlabPoolTests {
    @Test func `slabs are aligned, large enough and reused`() throws {
        let pool = SlabPool(budget: 1 << 20)
        let first = try pool.take(5000)
        #expect(first.bytes.count >= 5000)
        #expect(Int(bitPattern: first.bytes.baseAddress) % SlabPool.alignment == 0)
        let address = first.bytes.baseAddress
        var holder: Slab? = first
        withExtendedLifetime(holder) {}
        holder = nil
        _ = consume first
        let second = try pool.take(6000)
        #expect(second.bytes.baseAddress == address)
    }

    @Test func `the budget bounds what is taken, and everything comes back`() throws {
        let pool = SlabPool(budget: 64 * 1024)
        var held = [try pool.take(30_000), try pool.take(30_000)]
        #expect(throws: SlabError.self) { try pool.take(1024) }
        #expect(throws: SlabError.self) { try pool.take(.max) }
        let beyond = pool.takeBeyondBudget(2048)
        #expect(beyond.bytes.count == 2048)
        held.removeAll()
        _ = consume beyond
        #expect(pool.bytesInUse == 0)
        #expect(try pool.take(60_000).bytes.count >= 60_000)
    }

    @Test(arguments: 0..<20)
    func `random use never loses or doubles a byte`(seed: UInt64) {
        var generator = SystemRandomNumberGenerator()
        _ = seed
        let pool = SlabPool(budget: 1 << 22)
        var held: [(Slab, UInt8)] = []
        for step in 0..<2000 {
            if Bool.random(using: &generator), let slab = try? pool.take(Int.random(in: 0...100_000)) {
                let mark = UInt8(truncatingIfNeeded: step)
                slab.bytes.storeBytes(of: mark, as: UInt8.self)
                slab.bytes.storeBytes(of: mark, toByteOffset: slab.bytes.count - 1, as: UInt8.self)
                held.append((slab, mark))
            } else if !held.isEmpty {
                let (slab, mark) = held.remove(at: Int.random(in: 0..<held.count))
                #expect(slab.bytes.first == mark && slab.bytes.last == mark)
            }
            #expect(pool.bytesInUse == held.reduce(0) { $0 + $1.0.bytes.count })
        }
    }
}
