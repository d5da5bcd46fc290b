// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitServing
internal import StraitTensor

/// The engine over one device with all models, profiled quickly, as `strait serve` would have it.
final class CheckedEngine: Sendable {
    /// A model as the engine serves it.
    struct Model: Sendable {
        let checked: CheckedModel
        let served: ServedModel
        /// Of one row, from the start of its copy to the end of its results'.
        let solo: TimeSummary
    }

    let models: [Model]
    let engine: Engine

    /// - Throws: what the device or a model reports.
    init(_ context: CheckContext, _ policy: PolicyName, on device: any Device) throws {
        let engine = Engine(policy: policy, device: device)
        let profiler = QuickProfiler(pool: context.pool)
        models = try CheckedModel.all(context, on: device).map { model in
            let batch = try model.batch(rows: 1, seed: 1, pool: context.pool)
            var times: [Duration] = []
            for _ in 0..<20 {
                let one = try device.rehearse(batch)
                times.append(one.copyIn + one.kernels + one.copyOut)
            }
            let profile = try? profiler.measure(model.specification, model.loaded, on: device).profile
            let served = engine.add(model.specification, loaded: model.loaded, profile: profile)
            return Model(checked: model, served: served, solo: TimeSummary(times))
        }
        self.engine = engine
        engine.start()
    }

    /// Asks for one row.
    func submit(
        _ model: Int, _ inputs: [Tensor], _ requestClass: RequestClass, within deadline: Duration,
        completion: @escaping @Sendable (Reply) -> Void
    ) {
        let now = engine.now()
        engine.submit(
            Submission(
                model: models[model].served, inputs: inputs, rows: 1, requestClass: requestClass, arrived: now,
                deadline: now + deadline), completion: completion)
    }

    /// Waits for what was asked, then ends the engine and its device.
    ///
    /// - Returns: whether all was answered in that time.
    func stop(within limit: Duration) -> Bool {
        guard engine.drain(within: limit) else { return false }
        engine.stop()
        return true
    }
}
