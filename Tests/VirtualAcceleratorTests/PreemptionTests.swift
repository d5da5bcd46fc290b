// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import VirtualAccelerator

/// Jobs that are stopped and killed on devices without noise: a batch of 8 rows takes 5 ms in 100 commands of 50 µs, of
/// which 8 are in flight.
@Suite struct PreemptionTests {
    /// Nanoseconds are rounded up, for each phase and each turn.
    private static let rounding: Int64 = 20

    private func near(_ time: Int64?, _ expected: Int64) -> Bool {
        time.map { ($0 - expected).magnitude <= Self.rounding } ?? false
    }

    /// A device on which jobs were handed in at 0, moved to a time by small steps.
    private struct Course {
        var accelerator: VirtualAccelerator
        var events: [AcceleratorEvent] = []

        init(_ jobs: [Job], _ models: [KernelModel] = [model()], _ description: AcceleratorDescription = quiet()) {
            accelerator = VirtualAccelerator(description, models: models, seed: 0)
            for job in jobs { accelerator.submit(job, at: 0) }
        }

        mutating func advance(to time: Int64) { accelerator.advance(to: time, into: &events) }

        mutating func end() {
            while let next = accelerator.nextEvent, next < 1_000_000_000 { advance(to: next) }
        }
    }

    @Test func `what was launched runs out, then it stands still, then it goes on after its relaunch`() {
        var course = Course([job(0)])
        course.advance(to: 1_000_000)
        course.accelerator.pause(job: 0, at: 1_000_000)
        course.end()
        // 1 ms of work and 0.4 ms in flight are done; nothing more happens by itself.
        #expect(time(of: 0, .kernelsDone, in: course.events) == nil && course.accelerator.nextEvent == nil)
        course.advance(to: 10_000_000)
        course.accelerator.resume(job: 0, at: 10_000_000)
        course.end()
        #expect(near(time(of: 0, .kernelsDone, in: course.events), 10_000_000 + 40_000 + 3_600_000))
        // It was served for 5 ms; what it stood still is not service.
        #expect(near(times(of: 0, in: course.events)?.kernels, 5_000_000))
    }

    @Test func `what ends within what was launched is not stopped`() {
        var course = Course([job(0)])
        course.advance(to: 4_700_000)
        course.accelerator.pause(job: 0, at: 4_700_000)
        course.end()
        #expect(near(time(of: 0, .kernelsDone, in: course.events), 5_000_000))
        #expect(course.accelerator.liveJobs == 0)
    }

    @Test func `a resume before all has run out costs nothing`() {
        var course = Course([job(0)])
        course.advance(to: 1_000_000)
        course.accelerator.pause(job: 0, at: 1_000_000)
        course.advance(to: 1_300_000)
        course.accelerator.resume(job: 0, at: 1_300_000)
        course.end()
        #expect(near(time(of: 0, .kernelsDone, in: course.events), 5_000_000))
    }

    @Test func `who is paused slows nobody down, until then he does`() {
        let models = [model(1), model(2)]
        var course = Course([job(0), job(1, model: 1)], models)
        course.advance(to: 1_000)
        course.accelerator.pause(job: 0, at: 1_000)
        course.end()
        let done = time(of: 1, .kernelsDone, in: course.events) ?? 0
        // Beside each other for 0.4 ms of work of the first, which takes 2 × 0.4 ms at the most.
        #expect((5_000_000...5_400_000).contains(done))
        #expect(done > 5_000_000 + 2 * Self.rounding)
        let both = run(quiet(), models, [job(0), job(1, model: 1)])
        #expect((time(of: 1, .kernelsDone, in: both) ?? 0) > 6_000_000)
    }

    @Test func `what is killed is gone after the reset, with what it was served`() {
        var course = Course([job(0)])
        course.advance(to: 2_000_000)
        course.accelerator.kill(job: 0, at: 2_000_000)
        course.end()
        #expect(course.events.last?.time == 2_040_000 && course.accelerator.liveJobs == 0)
        guard case .killed(let times)? = course.events.last?.kind else {
            Issue.record("it was not killed")
            return
        }
        #expect(near(times.kernels, 2_040_000))
    }

    @Test func `what is done before its reset is not killed`() {
        var course = Course([job(0)])
        course.advance(to: 4_980_000)
        course.accelerator.kill(job: 0, at: 4_980_000)
        course.end()
        #expect(near(time(of: 0, .kernelsDone, in: course.events), 5_000_000))
        #expect(times(of: 0, in: course.events) != nil && course.accelerator.liveJobs == 0)
    }

    @Test func `a copy that is killed makes way for the next, whether it was served or waited`() {
        // 1 MB a row at 24 GB/s: eight rows take a third of a millisecond.
        let models = [model(bytesIn: 1_000_000)]
        let copy: Int64 = 333_333
        for (victim, expected) in [(0, [Int64(40_000) + copy, 40_000 + 2 * copy]), (1, [copy, 2 * copy])] {
            var course = Course([job(0), job(1), job(2)], models)
            course.accelerator.kill(job: victim, at: 0)
            course.end()
            let copied = [0, 1, 2].filter { $0 != victim }.map { time(of: $0, .copiedIn, in: course.events) }
            #expect(near(copied[0], expected[0]) && near(copied[1], expected[1]), "\(copied)")
            #expect(time(of: victim, .copiedIn, in: course.events) == nil)
        }
    }

    @Test func `who is killed while he is paused had no service meanwhile`() {
        var course = Course([job(0)])
        course.advance(to: 1_000_000)
        course.accelerator.pause(job: 0, at: 1_000_000)
        course.advance(to: 8_000_000)
        course.accelerator.kill(job: 0, at: 8_000_000)
        course.end()
        guard case .killed(let times)? = course.events.last?.kind else {
            Issue.record("it was not killed")
            return
        }
        #expect(near(times.kernels, 1_400_000))
    }

    @Test func `who waits for a stream gets that of one that was killed`() {
        var description = quiet()
        description.devices[0].streams = 1
        var course = Course([job(0), job(1)], [model()], description)
        course.advance(to: 1_000_000)
        course.accelerator.kill(job: 0, at: 1_000_000)
        course.end()
        #expect(near(time(of: 1, .kernelsDone, in: course.events), 1_040_000 + 5_000_000))
        #expect(near(times(of: 1, in: course.events)?.kernels, 5_000_000))
    }
}
