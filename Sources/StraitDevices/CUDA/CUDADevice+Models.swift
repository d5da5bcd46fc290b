// SPDX-License-Identifier: Apache-2.0

internal import CUDARuntime
internal import Glibc
internal import OnnxRuntime
package import StraitCore
internal import StraitPlatform
internal import Synchronization

// Models on a CUDA device: each lane has sessions of its own, and what they take is counted.

extension CUDADevice {
    /// What a model takes beyond the size of its file, at least: buffers between its layers, and the provider's own.
    private static let estimateFactor = 1.25

    package func load(path: String, name: String) throws(DeviceError) -> LoadedModel {
        let sessions = lanes.reduce(0) { $0 + $1.streams.count }
        var file = stat()
        let fileBytes = stat(path, &file) == 0 ? Int(file.st_size) : 0
        let estimate = Int(Double(fileBytes * sessions) * Self.estimateFactor)
        let used = state.withLock { $0.usedBytes }
        guard used + estimate <= memoryBudget else { throw refusal(name, needs: estimate, used, sessions) }
        do {
            try hardware.choose()
            let before = try hardware.memory().free
            var onLanes: [LaneModel] = []
            for lane in lanes {
                var made: [any AcceleratorSession] = []
                for stream in lane.streams {
                    made.append(
                        try loader.load(
                            path: path, model: name, on: stream, memoryLimit: memoryBudget - used,
                            usesGraphs: options.usesGraphs))
                }
                onLanes.append(LaneModel(name: name, sessions: made))
            }
            let taken = max(0, before - (try hardware.memory().free))
            guard used + taken <= memoryBudget else { throw refusal(name, needs: taken, used, sessions) }
            let session = onLanes[0].sessions[0]
            let strings = (session.inputs + session.outputs).filter { $0.type == .string }.map(\.name)
            guard strings.isEmpty else {
                throw DeviceError(
                    .cannotLoad,
                    "model \(name): its tensors \(strings.joined(separator: ", ")) are strings, which cannot be put on a "
                        + "CUDA device; serve it with --device cpu")
            }
            var (inputs, outputs): ([TensorSignature], [TensorSignature]) = ([], [])
            for info in session.inputs { inputs.append(try TensorSignature(info, of: name)) }
            for info in session.outputs { outputs.append(try TensorSignature(info, of: name)) }
            let metadata = try session.metadata()
            let number = state.withLock { state in
                state.usedBytes += taken
                state.models[state.nextModel] = onLanes
                defer { state.nextModel += 1 }
                return state.nextModel
            }
            return LoadedModel(number: number, inputs: inputs, outputs: outputs, metadata: metadata)
        } catch {
            let error = DeviceError(any: error)
            throw error.code == .runFailed ? DeviceError(.cannotLoad, error.message) : error
        }
    }

    func refusal(_ model: String, needs: Int, _ used: Int, _ sessions: Int) -> DeviceError {
        func megabytes(_ bytes: Int) -> Int { bytes / 1_000_000 }
        return DeviceError(
            .outOfMemory,
            "model \(model): its \(sessions) sessions need about \(megabytes(needs)) MB on \(name), and "
                + "\(megabytes(max(0, memoryBudget - used))) of the \(megabytes(memoryBudget)) MB that may be used are left; "
                + "use fewer lanes, no priorities, or a larger memory budget")
    }

    /// Runs of a batch that prepare it: the first one tries algorithms and allocates; a graph is recorded by one of the
    /// next and replayed by the last.
    private static let (warmUps, graphWarmUps) = (2, 4)

    package func prepare(_ batch: DeviceBatch) throws(DeviceError) {
        guard let models = state.withLock({ $0.models[batch.model.number] }) else { throw unknown(batch) }
        // One lane after the other: a graph is recorded only while nothing else on the device allocates or waits.
        for lane in lanes {
            for requestClass in lane.streams.count > 1 ? [RequestClass.low, .high] : [.low] {
                let batch = batch.of(requestClass)
                let runs = options.usesGraphs ? Self.graphWarmUps : Self.warmUps
                let model = models[lane.index]
                let usesGraphs = options.usesGraphs
                try lane.performAndWait { (lane) -> Result<Void, DeviceError> in
                    do throws(DeviceError) {
                        if usesGraphs { try lane.prepareGraph(batch, model) }
                        for _ in 0..<runs { _ = try lane.runAlone(batch, model).get() }
                        return .success(())
                    } catch {
                        return .failure(error)
                    }
                }
            }
        }
        try chargeWarmUp(batch.model.number, models[0].name)
    }

    /// Counts what warming up took.
    func chargeWarmUp(_ number: Int, _ name: String) throws(DeviceError) {
        do {
            try hardware.choose()
            let memory = try hardware.memory()
            guard memory.free > 0 else {
                throw DeviceError(.outOfMemory, "model \(name): no memory of \(self.name) is left after its warm-up")
            }
        } catch {
            throw DeviceError(any: error)
        }
    }

    package func unload(_ model: LoadedModel) {
        guard state.withLock({ $0.models[model.number] }) != nil else { return }
        let (left, isFreed) = (Countdown(lanes.count), Wakeup())
        for lane in lanes {
            lane.perform { [self] in
                lane.forget(model: model.number)
                guard left.isLast() else { return }
                // Lanes hold nothing of it any more.
                release(model.number)
                isFreed.signal()
            }
        }
        // Who unloads looks after other devices, too, and must not wait for a lane that hangs: that frees it when it goes on.
        _ = isFreed.wait(untilNanoseconds: MonotonicClock.nanoseconds() + options.unloadPatience.nanoseconds)
    }

    private func release(_ number: Int) {
        try? hardware.choose()
        let before = (try? hardware.memory().free) ?? 0
        _ = state.withLock { $0.models.removeValue(forKey: number) }
        let freed = max(0, ((try? hardware.memory().free) ?? before) - before)
        state.withLock { $0.usedBytes = max(0, $0.usedBytes - freed) }
    }

    func unknown(_ batch: DeviceBatch) -> DeviceError {
        DeviceError(.runFailed, "\(name) has no model \(batch.model.number) any more")
    }

    package func rehearse(_ batch: DeviceBatch) throws(DeviceError) -> MeasuredTimes {
        try runAlone(batch).times
    }

    /// Runs a batch on its lane and waits for it, while nothing was started: to see its results.
    ///
    /// - Throws: ``DeviceError``.
    package func runAlone(_ batch: DeviceBatch) throws(DeviceError) -> BatchResult {
        guard let models = state.withLock({ $0.models[batch.model.number] }) else { throw unknown(batch) }
        let lane = lanes[batch.lane.index]
        return try lane.performAndWait { lane in lane.runAlone(batch, models[lane.index]) }
    }
}

extension DeviceBatch {
    /// The same of a class.
    fileprivate func of(_ requestClass: RequestClass) -> DeviceBatch {
        DeviceBatch(
            batch: batch, device: device, lane: lane, modelID: modelID, model: model, isBatchable: isBatchable,
            requestClass: requestClass, parts: parts)
    }
}

/// Tells which of several that come to the same point is the last.
private final class Countdown: Sendable {
    private let left: Atomic<Int>

    init(_ count: Int) { left = Atomic(count) }

    func isLast() -> Bool { left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }
}
