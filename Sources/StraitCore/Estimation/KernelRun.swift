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

    /// The share of a run at the slowest speed beyond which it teaches nothing: what ran at the believed limit tells
    /// about the limit, not about θ.
    private static let clampedShare = 0.1

    /// A run that has not started.
    package init() {}

    /// Lets time pass at the present speed, in nanoseconds.
    package mutating func pass(_ time: Double) {
        overlap += features * time
        done += speed * time
        elapsed += time
        if isClamped { clampedTime += time }
    }

    /// Goes on beside others from now on.
    ///
    /// - Parameters:
    ///   - features: φ beside those who run now; 0 alone.
    ///   - theta: what the speed follows from.
    package mutating func goOn(beside features: SIMD8<Double>, theta: SIMD8<Double>) {
        self.features = features
        speed = InterferenceFeatures.speed(theta, features)
        isClamped = speed <= InterferenceFeatures.slowest
    }

    /// What it teaches once its kernels have taken `time` nanoseconds: x and y of `y = θ·x + δ`; nil if nothing.
    package func lesson(took time: Double) -> (overlap: SIMD8<Double>, label: Double)? {
        guard time > 0, soloWork > 0, clampedTime <= Self.clampedShare * elapsed else { return nil }
        return (overlap * (1 / soloWork), time / soloWork - 1)
    }
}

extension SchedulerState {
    /// W of a batch: how long its kernels take alone on a device, as profiled or learned, without the model's bias.
    package func soloWork(_ work: WorkShape, rows: Int, on device: DeviceID) -> Double {
        guard let time = profiles.kernelTime(work, rows: rows) else {
            return Double(estimator.expectedTime(work, rows: rows).nanoseconds) * speeds[device.index]
        }
        return Double(time.nanoseconds) * corrections.factor(work, rows: rows) * speeds[device.index]
    }

    /// The work of a batch with the model's bias and pace: what it is expected to take alone, in nanoseconds.
    package func biasedWork(_ run: KernelRun, of model: ModelID) -> Double { biasedWork(run.soloWork, of: model) }

    /// The same for so much work by the profile.
    package func biasedWork(_ soloWork: Double, of model: ModelID) -> Double {
        guard options.strait.usesBias else { return soloWork }
        return soloWork * max(0.1, 1 + interference.bias(of: model.index)) * paces[model]
    }

    /// How long rows of a model are expected to take alone on a device, bias and pace included, in nanoseconds.
    package func expectedWork(_ work: WorkShape, rows: Int, on device: DeviceID) -> Double {
        biasedWork(soloWork(work, rows: rows, on: device), of: work.model)
    }

    /// Accounts for the time since the running set last changed. To be called before any change of it.
    ///
    /// - Complexity: O(batches on the device).
    mutating func account(_ device: DeviceID, until now: Instant) {
        let elapsed = Double((now - devices[device].accountedUntil).nanoseconds)
        devices.modify(device) { $0.accountedUntil = now }
        guard elapsed > 0 else { return }
        var runs = 0
        var sum = Demand(compute: 0, bandwidth: 0, cache: 0)
        for batch in devices[device].resident {
            batches.modify(batch) { record in
                guard record.phase == .running else { return }
                record.run.pass(elapsed)
                runs += 1
                sum.compute += record.run.demand.compute
                sum.bandwidth += record.run.demand.bandwidth
                sum.cache += record.run.demand.cache
            }
        }
        devices.modify(device) { $0.company.note(runs, needing: sum, for: elapsed) }
    }

    /// Computes the speeds of the running batches anew. To be called after any change of the running set.
    ///
    /// - Complexity: O(running²).
    mutating func refreshSpeeds(_ device: DeviceID) {
        runningSet.removeAll()
        for batch in devices[device].resident where batches[live: batch].phase == .running {
            runningSet.append(batches[live: batch].run.demand)
        }
        let theta = interference.theta
        var index = 0
        for batch in devices[device].resident where batches[live: batch].phase == .running {
            let features = runningSet.features(of: index)
            batches.modify(batch) { $0.run.goOn(beside: features, theta: theta) }
            index += 1
        }
    }

    /// Learns from a batch whose kernels took `duration`.
    mutating func learnInterference(_ record: BatchRecord, took duration: Duration) {
        guard let (overlap, label) = record.run.lesson(took: Double(duration.nanoseconds)) else { return }
        // A comparison with a guess tells nothing.
        guard profiles.profile(of: record.work.model) != nil || estimator.isMeasured(record.work) else { return }
        let fitted = interference.fitted(overlap, model: record.work.model.index)
        let ratio = (label + 1) / max(0.1, fitted)
        if profiles.profile(of: record.work.model) != nil {
            let isMeasured = profiles.hasCurve(for: record.work)
            guard corrections.learn(record.work, rows: record.rows, ratio: ratio, isMeasured: isMeasured) else {
                return
            }
        }
        interference.learn(overlap, model: record.work.model.index, label: label, device: record.device.index)
        speeds.learn(ratio, device: record.device.index)
    }
}
