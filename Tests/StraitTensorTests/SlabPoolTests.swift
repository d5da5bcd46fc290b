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

    @Test func `what the system refuses is an error, and is not counted`() throws {
        let pool = SlabPool(budget: .max)
        let held = try pool.take(2048)
        // One that is idle, which is given up first.
        _ = try pool.take(4096)
        // No machine has so many addresses.
        let tooMuch = 1 << 60
        #expect(throws: SlabError.systemRefused(requested: tooMuch)) { try pool.take(tooMuch) }
        #expect(pool.bytesInUse == held.bytes.count)
        #expect(try pool.take(4096).bytes.count == 4096)
    }

    @Test func `what is idle is freed once, and what is taken stays`() throws {
        let pool = SlabPool(budget: 1 << 20)
        let held = try pool.take(3000)
        held.bytes.storeBytes(of: 7, as: UInt8.self)
        _ = try pool.take(5000)
        _ = try pool.take(20_000)
        #expect(pool.releaseIdle() == 8192 + 32_768)
        #expect(pool.releaseIdle() == 0)
        #expect(pool.bytesInUse == held.bytes.count)
        #expect(held.bytes.load(as: UInt8.self) == 7)
        // What was freed is no longer handed out, and what comes back is kept again.
        #expect(try pool.take(5000).bytes.count == 8192)
        #expect(pool.releaseIdle() == 8192)
    }

    @Test func `a budget goes down, never up`() throws {
        let pool = SlabPool(budget: 1 << 20)
        let held = try pool.take(1 << 16)
        pool.lowerBudget(to: 1 << 15)
        pool.lowerBudget(to: 1 << 18)
        #expect(pool.budget == 1 << 15)
        #expect(throws: SlabError.budgetExceeded(requested: 1024, inUse: held.bytes.count, budget: 1 << 15)) {
            try pool.take(1024)
        }
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
