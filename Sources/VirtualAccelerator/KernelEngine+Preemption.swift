// SPDX-License-Identifier: Apache-2.0

// Kernels that are stopped, go on, or are taken off the device.

extension KernelEngine {
    /// Stops a batch: what was launched runs out, and then it stands still.
    mutating func pause(job: Int, at now: Int64) {
        if let index = waiting.firstIndex(where: { $0.job == job }) {
            waiting[index].hold(at: now)
            return
        }
        guard let index = running.firstIndex(where: { $0.job == job }) else { return }
        progress(to: now)
        switch running[index].hold {
        case .none:
            let commands = courses[running[index].model].model.commands
            let inFlight = Double(min(preemption.commandsInFlight, commands)) / Double(commands)
            running[index].hold = .draining(running[index].time * inFlight)
        case .relaunching: running[index].hold = .held
        case .draining, .held: break
        }
        refresh(at: now)
    }

    /// Lets a batch go on that was paused: at once if what was launched has not run out.
    mutating func resume(job: Int, at now: Int64) {
        if let index = waiting.firstIndex(where: { $0.job == job }) {
            waiting[index].endHold(at: now)
            return
        }
        guard let index = running.firstIndex(where: { $0.job == job }) else { return }
        progress(to: now)
        switch running[index].hold {
        case .draining: running[index].hold = .none
        case .held: running[index].hold = .relaunching(until: now + preemption.relaunch)
        case .none, .relaunching: break
        }
        refresh(at: now)
    }

    /// Takes a batch off the device.
    ///
    /// - Parameter started: gets the jobs that waited for a stream and start now.
    /// - Returns: for how long it stood still; nil if it had not started.
    mutating func remove(job: Int, at now: Int64, started: inout [Int]) -> Int64? {
        if let index = waiting.firstIndex(where: { $0.job == job }) {
            waiting.remove(at: index)
            return nil
        }
        guard let index = running.firstIndex(where: { $0.job == job }) else { return nil }
        progress(to: now)
        running[index].endHold(at: now)
        let held = running[index].heldTime
        running.remove(at: index)
        admitWaiting(&started)
        refresh(at: now)
        return held
    }

    /// Takes all batches off the device.
    mutating func drop(at now: Int64) {
        progress(to: now)
        running.removeAll()
        waiting.removeAll()
        refresh(at: now)
    }
}

extension KernelEngine.Kernel {
    /// Nanoseconds at full speed until something changes for it.
    var leftUntilTurn: Double {
        // A hiccup is inside a command, so it passes first.
        if case .draining(let left) = hold, phase >= 0 { return min(remaining, max(0, left)) }
        return remaining
    }

    /// Lets nanoseconds pass at its speed.
    mutating func pass(_ elapsed: Double) {
        let work = elapsed * speed
        remaining -= work
        if case .draining(let left) = hold, phase >= 0 { hold = .draining(left - work) }
    }

    /// Stops where what was launched has run out, and goes on where it was launched again.
    mutating func turn(at now: Int64) {
        switch hold {
        case .draining(let left) where left <= 0 && phase >= 0: hold(at: now)
        case .relaunching(let until) where until <= now: endHold(at: now)
        default: break
        }
    }

    mutating func hold(at now: Int64) {
        guard moves else { return }
        hold = .held
        heldSince = now
    }

    mutating func endHold(at now: Int64) {
        if !moves { heldTime += now - heldSince }
        hold = .none
    }
}
