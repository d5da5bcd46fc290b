// SPDX-License-Identifier: Apache-2.0

// Jobs that are stopped on their device, or taken off it.

extension VirtualAccelerator {
    /// Stops a job's kernels at a time: what was launched of them runs out first. Those of a job that is still being copied
    /// in do not start. Whatever was due before must have been taken with `advance`.
    package mutating func pause(job id: Int, at time: Int64) {
        guard let index = begin(id, at: time) else { return }
        records[index].isHeld = true
        if records[index].stage == .onKernels { kernels[records[index].job.device].pause(job: index, at: time) }
    }

    /// Lets a job go on that was paused.
    package mutating func resume(job id: Int, at time: Int64) {
        guard let index = begin(id, at: time) else { return }
        records[index].isHeld = false
        if records[index].stage == .onKernels { kernels[records[index].job.device].resume(job: index, at: time) }
    }

    /// Kills a job: after the time of a reset it is gone, with a last event `killed`, unless its kernels are done before.
    package mutating func kill(job id: Int, at time: Int64) {
        guard let index = begin(id, at: time), records[index].stage != .copyingOut,
            !kills.contains(where: { $0.index == index })
        else { return }
        kills.append((time + description.preemption.reset, index))
    }

    /// The record of a job that is not done.
    ///
    /// - Complexity: O(jobs).
    private mutating func begin(_ id: Int, at time: Int64) -> Int? {
        precondition(time >= now && time <= nextEvent ?? .max, "jobs are stopped in the order of time")
        now = time
        return records.firstIndex { $0.stage != .gone && $0.job.id == id }
    }

    mutating func carryOutKills(_ events: inout [AcceleratorEvent]) {
        while let kill = kills.first, kill.at <= now {
            kills.removeFirst()
            clearLists()
            let index = kill.index
            let job = records[index].job
            if records[index].stage == .copyingIn {
                copiesIn.cancel(job: index, device: job.device, at: now, started: &started)
            } else if let held = kernels[job.device].remove(job: index, at: now, started: &started) {
                records[index].times.kernels = now - records[index].startedAt - held
            }
            for other in started { records[other].startedAt = now }
            events.append(AcceleratorEvent(time: now, job: job.id, kind: .killed(records[index].times)))
            free(index)
        }
    }
}
