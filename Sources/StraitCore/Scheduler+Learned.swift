// SPDX-License-Identifier: Apache-2.0

// What was learned, to be kept and put back.

extension Scheduler {
    /// All that was learned so far and is worth keeping.
    ///
    /// - Complexity: O(models and the sizes of their batches, devices).
    public var learned: LearnedState {
        let interference = state.interference.state
        var learned = LearnedState(
            estimator: state.options.estimator, theta: interference.theta, matrix: interference.matrix,
            rightSide: interference.rightSide, classes: state.calibrations.map(\.quantiles))
        for (index, transfer) in state.transfers.enumerated() {
            let noise = index < interference.noise.count ? interference.noise[index] : InnovationNoise.initial
            learned.devices.append(
                LearnedState.Device(
                    speed: state.speeds[index], noise: noise, copyIn: transfer?.copyIn.sums,
                    copyOut: transfer?.copyOut.sums))
        }
        let curves = state.estimator.curves(models: state.models.count)
        for index in state.models.indices {
            let model = ModelID(index: index)
            let isKnown = index < interference.models.count && state.models[index].stage != .gone
            var known = isKnown ? interference.models[index] : nil
            if let idle = known?.idle { known?.idle = LearnedState.limited(idle) }
            learned.models.append(
                LearnedState.Model(
                    interference: known, pace: state.paces[model],
                    solo: curves[index], corrections: state.corrections.cells(of: model),
                    copies: state.copyFactors(of: model)))
        }
        return learned
    }

    /// Takes up what another scheduler has learned, in place of what this one has. Meant for one whose devices and models
    /// were added and that has not served yet; it does no harm later.
    ///
    /// From then on it predicts as the other did, to the last bit. Models of which the state knows nothing, or that it
    /// does not have, keep what was known of them. Since processes and caches are cold, the first completion of each size
    /// is not learned from, as after loading.
    ///
    /// - Throws: ``LearnedState/Refusal`` for a state that is broken, or of other devices or another estimator; then
    ///   nothing has changed.
    /// - Complexity: O(everything in the state).
    public mutating func restore(_ learned: LearnedState) throws(LearnedState.Refusal) {
        guard learned.estimator == state.options.estimator else {
            throw LearnedState.Refusal(
                "it was learned with \(learned.estimator.rawValue), and this is \(state.options.estimator.rawValue)")
        }
        guard learned.models.count <= state.models.count else {
            throw LearnedState.Refusal("it knows \(learned.models.count) models, and here are \(state.models.count)")
        }
        guard learned.devices.map({ $0.copyIn != nil }) == state.transfers.map({ $0 != nil }) else {
            throw LearnedState.Refusal("it is about \(learned.devices.count) devices that are not these")
        }
        if let broken = learned.brokenInvariant() { throw LearnedState.Refusal(broken) }
        var interference = state.interference
        guard interference.restore(learned.interference(newcomer: interference.newcomer)) else {
            throw LearnedState.Refusal("\(learned.estimator.rawValue) cannot have learned its coefficients")
        }
        state.interference = interference
        state.calibrations = learned.classes.map(Calibration.init)
        state.speeds = DeviceSpeeds(factors: learned.devices.map(\.speed))
        for index in state.transfers.indices {
            let device = learned.devices[index]
            guard let copyIn = device.copyIn, let copyOut = device.copyOut else { continue }
            let factors = learned.models.map { index < $0.copies.count ? $0.copies[index] : LearnedState.CopyFactors() }
            state.transfers[index] = (
                TransferModel(sums: copyIn, factors: factors.map(\.copyIn)),
                TransferModel(sums: copyOut, factors: factors.map(\.copyOut))
            )
        }
        for (index, model) in learned.models.enumerated() where model != LearnedState.Model() {
            state.paces.restore(model.pace, of: ModelID(index: index))
            state.estimator.restore(model.solo, of: ModelID(index: index))
            state.corrections.restore(model.corrections, of: ModelID(index: index))
        }
    }
}

extension SchedulerState {
    fileprivate func copyFactors(of model: ModelID) -> [LearnedState.CopyFactors] {
        guard transfers.contains(where: { $0 != nil }) else { return [] }
        return transfers.map { transfer in
            guard let transfer else { return LearnedState.CopyFactors() }
            return LearnedState.CopyFactors(
                copyIn: transfer.copyIn.factor(of: model), copyOut: transfer.copyOut.factor(of: model))
        }
    }
}
