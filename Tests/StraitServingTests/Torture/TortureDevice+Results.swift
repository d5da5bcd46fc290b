// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitTensor

// What becomes of batches.

extension TortureDevice {
    /// A batch begins on a lane.
    func begin(_ batch: DeviceBatch, on index: Int) {
        starts(batch)
        var time = Duration.milliseconds(
            (1 + 3 * Double(batch.model.number)) * (1 + 0.4 * Double(batch.rows))
                * Double.random(in: 0.7...1.5, using: &generator))
        if clock.time >= faults.slowFrom { time = time * 5 }
        if generator.chance(faults.slow) { time = time * 10 }
        var phases = copying == nil ? [time] : [time * 0.2, time * 0.7, time * 0.1]
        if !isLost, generator.chance(faults.hangs) {
            let phase = Int.random(in: phases.indices, using: &generator)
            phases[phase] = .seconds(Double.random(in: 1...90, using: &generator))
            sights.insert("a lane hangs for a while")
            if generator.chance(0.3) {
                phases[phase] = Self.forever
                sights.insert("a lane hangs for ever")
            }
        }
        let isGarbage = generator.chance(faults.garbage)
        if isGarbage { sights.insert("a device answers garbage times") }
        let honest = MeasuredTimes(copyIn: time * 0.1, kernels: time * 0.8, copyOut: time * 0.1)
        var failing: Set<Int>?
        if generator.chance(faults.splits) {
            failing = Set(batch.parts.indices.filter { _ in generator.chance(0.4) })
            sights.insert("a batch is split")
        }
        let first = phases.removeFirst()
        lanes[index].running = Running(
            batch: batch, since: clock.time, end: clock.time + first, ahead: phases,
            phase: copying == nil ? .kernels : .copyIn, fails: generator.chance(faults.fails), failingParts: failing,
            isLost: isLost, measured: isGarbage ? garbage() : honest)
    }

    /// Added to any time, never.
    private static let forever = Duration(nanoseconds: .max)

    /// Times that no clock that works would give.
    private func garbage() -> MeasuredTimes {
        let spans: [Duration] = [
            .zero, Duration(nanoseconds: 1), .milliseconds(-5), .seconds(-1e6), .seconds(1e6),
            Duration(nanoseconds: .max), Duration(nanoseconds: .min), .milliseconds(3),
        ]
        return MeasuredTimes(
            copyIn: generator.one(of: spans), kernels: generator.one(of: spans), copyOut: generator.one(of: spans))
    }

    /// What a model makes of a value, so that each answer tells of its request and its model.
    static func output(of value: Float, model: Int) -> Float { value * 16 + Float(model) }

    /// What a batch comes back with.
    func result(of running: Running) -> Result<BatchResult, DeviceError> {
        let batch = running.batch
        guard !running.isLost else {
            // Which of the two is known by chance; both say that it may run elsewhere.
            return .failure(DeviceError(running.batch.rows % 2 == 0 ? .abandoned : .deviceLost, "\(name) was lost"))
        }
        guard !running.fails else { return .failure(DeviceError(.runFailed, "model \(batch.model.number): it broke")) }
        // As on a real device, the parts share one slab.
        let inputs = batch.parts.map { $0.inputs[0] }
        let slab = pool.takeBeyondBudget(inputs.reduce(0) { $0 + $1.range.count })
        let floats = slab.bytes.bindMemory(to: Float.self)
        var outputs: [[Tensor]] = []
        var offset = 0
        for input in inputs {
            let range = offset..<offset + input.range.count
            let values = input.bytes.bindMemory(to: Float.self)
            for index in values.indices {
                floats[offset / 4 + index] = Self.output(of: values[index], model: batch.model.number)
            }
            outputs.append([Tensor(name: "out", type: .fp32, shape: input.shape, slab: slab, range: range)])
            offset = range.upperBound
        }
        let failing = running.failingParts ?? []
        let told = outputs.enumerated().map { index, tensors -> Result<[Tensor], DeviceError> in
            failing.contains(index)
                ? .failure(DeviceError(.runFailed, "model \(batch.model.number): it broke")) : .success(tensors)
        }
        return .success(
            BatchResult(outputs: told, times: running.measured, wasSplit: running.failingParts != nil))
    }
}
