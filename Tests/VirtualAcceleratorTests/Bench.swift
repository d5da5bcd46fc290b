// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import VirtualAccelerator

/// A model of 1 ms and 0.5 ms a row, without bytes unless said otherwise.
func model(
    _ seed: UInt64 = 1, compute: Double = 0.85, bandwidth: Double = 0.55, cache: Double = 0.4, bytesIn: Int = 0,
    bytesOut: Int = 0, isPinned: Bool = true
) -> KernelModel {
    KernelModel(
        name: "m\(seed)", baseTime: 1_000_000, timePerRow: 500_000, maximumRows: 32, bytesInPerRow: bytesIn,
        bytesOutPerRow: bytesOut, isPinned: isPinned,
        demand: ResourceDemand(compute: compute, bandwidth: bandwidth, cache: cache), cacheSensitivity: 0.4, seed: seed)
}

/// Devices without noise, whose copies cost nothing but their bytes.
func quiet(_ count: Int = 1, physics: Physics = .waterfill) -> AcceleratorDescription {
    var device = SimulatedDevice()
    device.link.overhead = 0
    var description = AcceleratorDescription(devices: Array(repeating: device, count: count))
    description.physics = physics
    description.noise = .none
    return description
}

/// Runs jobs, all handed in at time 0, to their ends.
func run(_ description: AcceleratorDescription, _ models: [KernelModel], _ jobs: [Job], seed: UInt64 = 0)
    -> [AcceleratorEvent]
{
    var accelerator = VirtualAccelerator(description, models: models, seed: seed)
    for job in jobs { accelerator.submit(job, at: 0) }
    var events: [AcceleratorEvent] = []
    while let next = accelerator.nextEvent { accelerator.advance(to: next, into: &events) }
    #expect(accelerator.liveJobs == 0)
    return events
}

func job(_ id: Int, model: Int = 0, rows: Int = 8, device: Int = 0) -> Job {
    Job(id: id, device: device, model: model, rows: rows, noiseKey: UInt64(id))
}

/// The service times of a job that finished.
func times(of job: Int, in events: [AcceleratorEvent]) -> ServiceTimes? {
    for event in events where event.job == job {
        if case .finished(let times) = event.kind { return times }
    }
    return nil
}

/// When something happened to a job.
func time(of job: Int, _ kind: AcceleratorEvent.Kind, in events: [AcceleratorEvent]) -> Int64? {
    events.first { $0.job == job && $0.kind == kind }?.time
}

/// Kernel time relative to alone of the first of several batches that run together.
func slowdown(_ physics: Physics, rows: Int, together count: Int) -> Double {
    let models = (0..<count).map { model(UInt64($0 + 1)) }
    let events = run(quiet(physics: physics), models, models.indices.map { job($0, model: $0, rows: rows) })
    return Double(times(of: 0, in: events)?.kernels ?? 0) / Double(models[0].soloTime(rows: rows))
}
