// SPDX-License-Identifier: Apache-2.0

/// How the kernels of one batch run beside others: the work they have, how far they are, and the integrals over time
/// from which the interference model learns when they are done (design §5).
package struct KernelRun: Sendable {
    /// What it needs of the shared resources.
    package var demand = Demand(compute: 0, bandwidth: 0, cache: 0)
    /// W: the time that it would take alone on this device, without the model's bias, in nanoseconds.
    package var soloWork = 1.0
    /// φ beside the batches that run now.
    package var features = SIMD8<Double>()
    /// Its present speed, 1 being alone.
    package var speed = 1.0
    /// Whether that speed is the slowest that is believed.
    package var isClamped = false
    /// ∫ φ dt since it started, in nanoseconds.
    package var overlap = SIMD8<Double>()
    /// ∫ speed dt since it started: the work done, in nanoseconds.
    package var done = 0.0
    /// Time spent at the slowest speed, in nanoseconds.
    package var clampedTime = 0.0
    /// Time since it started, in nanoseconds.
    package var elapsed = 0.0
}

extension SchedulerState {
    /// W of a batch: how long its kernels take alone on a device, as profiled or learned, without the model's bias.
    package func soloWork(_ work: WorkShape, rows: Int, on device: DeviceID) -> Double {
        let time = profiles.kernelTime(work, rows: rows) ?? estimator.expectedTime(work, rows: rows)
        return Double(time.nanoseconds) * speeds[device.index]
    }

    /// The work of a batch with the model's bias: what it is expected to take alone, in nanoseconds.
    package func biasedWork(_ run: KernelRun, of model: ModelID) -> Double {
        let bias = options.strait.usesBias ? interference.bias(of: model.index) : 0
        return run.soloWork * max(0.1, 1 + bias)
    }

    /// Accounts for the time since the running set last changed. To be called before any change of it.
    ///
    /// - Complexity: O(batches on the device).
    mutating func account(_ device: DeviceID, until now: Instant) {
        let elapsed = Double((now - devices[device].accountedUntil).nanoseconds)
        devices.modify(device) { $0.accountedUntil = now }
        guard elapsed > 0 else { return }
        for batch in devices[device].resident {
            batches.modify(batch) { record in
                guard record.phase == .running else { return }
                record.run.overlap += record.run.features * elapsed
                record.run.done += record.run.speed * elapsed
                record.run.elapsed += elapsed
                if record.run.isClamped { record.run.clampedTime += elapsed }
            }
        }
    }

    /// Computes the speeds of the running batches anew. To be called after any change of the running set.
    ///
    /// - Complexity: O(running²).
    mutating func refreshSpeeds(_ device: DeviceID) {
        var set = RunningSet()
        for batch in devices[device].resident {
            if let record = batches[batch], record.phase == .running { set.append(record.run.demand) }
        }
        let theta = interference.theta
        var index = 0
        for batch in devices[device].resident {
            guard batches[batch]?.phase == .running else { continue }
            let features = set.features(of: index)
            let speed = set.speed(features, theta: theta)
            batches.modify(batch) { record in
                record.run.features = features
                record.run.isClamped = speed <= InterferenceFeatures.slowest
                record.run.speed = speed
            }
            index += 1
        }
    }

    /// Learns from a batch whose kernels took `duration`.
    mutating func learnInterference(_ record: BatchRecord, took duration: Duration) {
        let run = record.run
        let time = Double(duration.nanoseconds)
        // What ran at the believed limit tells about the limit, not about θ.
        guard time > 0, run.soloWork > 0, run.clampedTime <= 0.1 * run.elapsed else { return }
        // Nor does a comparison with a guess tell anything.
        guard profiles.profile(of: record.work.model) != nil || estimator.isMeasured(record.work) else { return }
        let overlap = run.overlap * (1 / run.soloWork)
        let label = time / run.soloWork - 1
        let fitted = interference.fitted(overlap, model: record.work.model.index)
        interference.learn(overlap, model: record.work.model.index, label: label, device: record.device.index)
        speeds.learn((label + 1) / max(0.1, fitted), device: record.device.index)
    }
}
