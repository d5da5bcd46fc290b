// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import VirtualAccelerator

/// Devices that go with all that is on them and come back with nothing; a batch of 8 rows takes 5 ms.
@Suite struct OutageTests {
    private func description(_ outages: [[Outage]]) -> AcceleratorDescription {
        var description = quiet(outages.count)
        for (device, outages) in outages.enumerated() { description.devices[device].outages = outages }
        return description
    }

    private func devices(_ outages: [[Outage]], _ models: [KernelModel] = [model()]) -> VirtualAccelerator {
        VirtualAccelerator(description(outages), models: models, seed: 0)
    }

    private func ends(_ accelerator: inout VirtualAccelerator, until limit: Int64 = 1_000_000_000) -> [AcceleratorEvent]
    {
        var events: [AcceleratorEvent] = []
        while let next = accelerator.nextEvent, next <= limit { accelerator.advance(to: next, into: &events) }
        return events
    }

    @Test func `what is on a device is dropped with it wherever it is, and nothing on another`() {
        // 24 MB each in: the first is on its kernels, the second is being copied, the third waits for that.
        let large = model(bytesIn: 3_000_000)
        var accelerator = devices([[Outage(from: 3_000_000, until: 9_000_000)], []], [large])
        for id in 0..<3 { accelerator.submit(job(id), at: 0) }
        accelerator.submit(job(3, device: 1), at: 0)
        let events = ends(&accelerator)
        let dropped = events.filter { $0.kind == .dropped }
        #expect(dropped.map(\.job).sorted() == [0, 1, 2] && dropped.allSatisfy { $0.time == 3_000_000 })
        #expect(events.filter { $0.job == -1 }.map(\.kind) == [.deviceLost(0), .deviceReturned(0)])
        #expect((1_000_000..<1_000_003).contains(time(of: 0, .copiedIn, in: events) ?? 0))
        #expect(times(of: 0, in: events) == nil)
        // Each of its phases ends at a whole nanosecond.
        #expect((times(of: 3, in: events)?.kernels ?? 0) - 5_000_000 < 20)
        #expect(accelerator.liveJobs == 0 && accelerator.nextEvent == nil)
    }

    @Test func `a device that is back is as empty as at the beginning`() {
        var accelerator = devices([[Outage(from: 1_000_000, until: 2_000_000)]])
        for id in 0..<20 { accelerator.submit(job(id), at: 0) }
        _ = ends(&accelerator, until: 2_000_000)
        #expect(accelerator.liveJobs == 0 && !accelerator.isAway(0))
        accelerator.submit(job(20), at: 2_000_000)
        let events = ends(&accelerator)
        let done = time(of: 20, .kernelsDone, in: events) ?? 0
        #expect((7_000_000..<7_000_020).contains(done))
    }

    @Test func `what comes to a device that is gone is dropped at once`() {
        var accelerator = devices([[Outage(from: 1_000_000, until: .max)], []])
        var events: [AcceleratorEvent] = []
        accelerator.advance(to: 5_000_000, into: &events)
        #expect(accelerator.isAway(0) && !accelerator.isAway(1))
        accelerator.submit(job(7), at: 5_000_000)
        accelerator.submit(job(8, device: 1), at: 5_000_000)
        #expect(accelerator.nextEvent == 5_000_000 && accelerator.liveJobs == 1)
        events = ends(&accelerator)
        #expect(time(of: 7, .dropped, in: events) == 5_000_000 && events.first?.job == 7)
        #expect(times(of: 8, in: events) != nil && times(of: 7, in: events) == nil)
    }

    @Test func `one comes back at an instant before another goes, and what ends then has ended`() {
        var accelerator = devices([
            [Outage(from: 0, until: 4_000_000)], [Outage(from: 4_000_000, until: 6_000_000)],
        ])
        #expect(
            ends(&accelerator).map(\.kind) == [
                .deviceLost(0), .deviceReturned(0), .deviceLost(1), .deviceReturned(1),
            ])
        let alone = run(quiet(), [model()], [job(0)])
        var exact = devices([[Outage(from: alone.last?.time ?? 0, until: .max)]])
        exact.submit(job(0), at: 0)
        #expect(times(of: 0, in: ends(&exact)) == times(of: 0, in: alone))
    }

    @Test func `a job that is being killed is dropped once`() {
        var accelerator = devices([[Outage(from: 1_010_000, until: .max)]])
        accelerator.submit(job(0), at: 0)
        var events: [AcceleratorEvent] = []
        accelerator.advance(to: 1_000_000, into: &events)
        accelerator.kill(job: 0, at: 1_000_000)
        events = ends(&accelerator)
        #expect(events.map(\.kind) == [.deviceLost(0), .dropped])
    }

    @Test func `who does not see outages come expects none`() {
        var accelerator = devices([[Outage(from: 1_000_000, until: .max)]])
        accelerator.submit(job(0), at: 0)
        var steady = accelerator.withoutOutages
        #expect(ends(&steady) == run(quiet(), [model()], [job(0)]))
        #expect(times(of: 0, in: ends(&accelerator)) == nil)
    }
}
