// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import VirtualAccelerator

@Suite struct CopyTests {
    /// 24 MB a batch of 8: 1 ms at 24 GB/s.
    private static let bytes = 3_000_000

    @Test func aCopyTakesItsOverheadAndItsBytes() throws {
        var description = quiet()
        description.devices[0].link.overhead = 10_000
        let events = run(description, [model(bytesIn: Self.bytes, bytesOut: Self.bytes / 2)], [job(0)])
        let service = try #require(times(of: 0, in: events))
        #expect(abs(service.copyIn - 1_010_000) <= 2)
        #expect(abs(service.copyOut - 510_000) <= 2)
    }

    @Test func pageableMemoryIsCopiedMoreSlowly() throws {
        let events = run(quiet(), [model(bytesIn: Self.bytes, isPinned: false)], [job(0)])
        #expect(abs(try #require(times(of: 0, in: events)).copyIn - 4_000_000) <= 2)
    }

    @Test func oneEngineServesCopiesInTheOrderTheyCame() throws {
        let events = run(quiet(), [model(bytesIn: Self.bytes)], [job(0), job(1), job(2)])
        for id in 0..<3 {
            let end = try #require(time(of: id, .copiedIn, in: events))
            #expect(abs(end - Int64(id + 1) * 1_000_000) <= 6)
            // Waiting for the engine is not service.
            #expect(abs(try #require(times(of: id, in: events)).copyIn - 1_000_000) <= 2)
        }
    }

    @Test func copiesInAndOutDoNotHinderEachOther() throws {
        var accelerator = VirtualAccelerator(
            quiet(), models: [model(bytesIn: Self.bytes, bytesOut: Self.bytes)], seed: 0)
        var events: [AcceleratorEvent] = []
        accelerator.submit(job(0), at: 0)
        accelerator.advance(to: 6_100_000, into: &events)
        #expect(time(of: 0, .kernelsDone, in: events) != nil)
        accelerator.submit(job(1), at: 6_100_000)
        accelerator.advance(to: 50_000_000, into: &events)
        for id in 0...1 {
            #expect(abs(try #require(times(of: id, in: events)).copyIn - 1_000_000) <= 2)
            #expect(abs(try #require(times(of: id, in: events)).copyOut - 1_000_000) <= 2)
        }
    }

    @Test func devicesBehindAnUplinkShareItFairly() throws {
        var description = quiet(3)
        description.uplinks = [36e9]
        for device in 0..<3 { description.devices[device].link.uplink = 0 }
        // The third copies from pageable memory, which asks for only 6 of its 12 GB/s: the others get 15 each.
        let models = [model(bytesIn: Self.bytes), model(2, bytesIn: Self.bytes, isPinned: false)]
        let events = run(
            description, models, [job(0, device: 0), job(1, device: 1), job(2, model: 1, device: 2)])
        #expect(abs(try #require(times(of: 0, in: events)).copyIn - 1_600_000) <= 4)
        #expect(abs(try #require(times(of: 1, in: events)).copyIn - 1_600_000) <= 4)
        #expect(abs(try #require(times(of: 2, in: events)).copyIn - 4_000_000) <= 4)
    }

    @Test func anUplinkIsSharedOnlyWhileBothCopy() throws {
        var description = quiet(2)
        description.uplinks = [24e9]
        for device in 0..<2 { description.devices[device].link.uplink = 0 }
        var accelerator = VirtualAccelerator(description, models: [model(bytesIn: Self.bytes)], seed: 0)
        var events: [AcceleratorEvent] = []
        accelerator.submit(job(0, device: 0), at: 0)
        accelerator.advance(to: 500_000, into: &events)
        accelerator.submit(job(1, device: 1), at: 500_000)
        accelerator.advance(to: 50_000_000, into: &events)
        // Each copies half its bytes at full speed and half at half speed.
        #expect(abs(try #require(times(of: 0, in: events)).copyIn - 1_500_000) <= 4)
        #expect(abs(try #require(times(of: 1, in: events)).copyIn - 1_500_000) <= 4)
    }
}
