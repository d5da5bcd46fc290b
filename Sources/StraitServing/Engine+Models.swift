// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitDevices
package import StraitFormats
package import StraitProtocol
internal import Synchronization

// Models: how they come, what is counted and learned of them, how they go.

extension Engine {
    /// A model in the engine, under its number.
    struct ModelEntry {
        var model: ServedModel
        var statistics: ModelStatistics
        /// Its row in the metrics.
        var row = ModelRows.other
        /// Its requests that were accepted and not answered.
        var unanswered = 0
        /// Its batches that were handed to devices and not reported, those included that were taken back.
        var batches = 0
        /// Whether it takes no requests any more.
        var isUnloading = false
        /// Whether it was freed on the devices, or is being.
        var isFreed = false
        /// Who wants to know when it is.
        var whenFreed: [@Sendable (ModelStatistics) -> Void] = []

        /// Whether requests that name a model come to the one that is here, and it takes them.
        func takesRequests(of other: ServedModel) -> Bool { model.serial == other.serial && !isUnloading }
    }

    /// The most models at one time: far more than any memory holds, and every table has a row for each.
    package static let maximumModels = 4096

    /// Whether one more model can be added.
    package var hasRoomForModel: Bool { state.withLock { $0.scheduler.nextModel.index < Self.maximumModels } }

    /// Takes a loaded model into service.
    ///
    /// - Parameters:
    ///   - onDevices: the model on each of the devices.
    ///   - key: by what it is known from one run to the next.
    ///   - profile: what was measured of it beforehand.
    package func add(
        _ specification: ModelSpecification, onDevices: [LoadedModel], key: ModelKey? = nil,
        profile: ModelProfile? = nil
    ) -> ServedModel {
        precondition(onDevices.count == devices.count, "a model is loaded on every device")
        var effects = Effects()
        let model = state.withLock { state -> ServedModel in
            let id = state.scheduler.nextModel
            let model = ServedModel(
                id: id, serial: state.modelsAdded, specification: specification, onDevices: onDevices, key: key,
                profile: profile)
            state.modelsAdded += 1
            var entry = ModelEntry(
                model: model,
                statistics: ModelStatistics(name: specification.name, version: specification.version))
            entry.row = state.meter?.enter(specification) ?? entry.row
            state.enter(entry)
            state.window.add(id)
            let description = ModelDescription(
                maximumBatch: max(1, specification.maxBatchSize), maximumQueued: specification.maxQueueSize,
                profile: profile)
            // As any event: a lane may be found to hang just now, and what waits may be given up.
            step(.modelAdded(description), &state, into: &effects)
            if state.tape != nil {
                let recorded = state.recorded(model)
                state.tape?.joined(id, recorded, at: state.scheduler.lastStep)
            }
            return model
        }
        carryOut(effects)
        return model
    }

    /// Takes a model that is loaded on the only device into service.
    package func add(
        _ specification: ModelSpecification, loaded: LoadedModel, key: ModelKey? = nil, profile: ModelProfile? = nil
    ) -> ServedModel { add(specification, onDevices: [loaded], key: key, profile: profile) }

    /// Unloads a model: from now on its requests are refused; those that were accepted are served, and then its memory on
    /// all devices is freed.
    ///
    /// - Parameters:
    ///   - drains: whether what waits is served; else it is refused, and only what runs is finished.
    ///   - completion: called once when it is freed, on the engine's own thread, with all that was counted for it; at once
    ///     if it is already.
    package func unload(
        _ model: ServedModel, drains: Bool = true,
        completion: @escaping @Sendable (ModelStatistics) -> Void = { _ in }
    ) {
        var effects = Effects()
        let isFreed = state.withLock { state -> Bool in
            let found = state.change(model) { entry in
                guard !entry.isFreed else { return false }
                entry.whenFreed.append(completion)
                entry.isUnloading = true
                return true
            }
            guard found == true else { return true }
            effects.needUpkeep(at: max(state.scheduler.lastStep, clock.now()))
            let isCurrent = state.models[model.id.index].model.serial == model.serial
            if !drains, isCurrent { step(.modelRemoved(model.id), &state, into: &effects) }
            return false
        }
        carryOut(effects)
        if isFreed { completion(statistics(of: model)) }
    }

    /// Frees the models that are to be unloaded and of which nothing is left.
    func freeModels() {
        var effects = Effects()
        let freed = state.withLock { state -> [ModelEntry] in
            // A batch that was taken back from a device that hangs may still use a model that is gone.
            var freed = state.leaving.filter { $0.batches == 0 }
            state.leaving.removeAll { $0.batches == 0 }
            for index in state.models.indices where state.models[index].isUnloading && !state.models[index].isFreed {
                let id = state.models[index].model.id
                guard state.models[index].unanswered == 0 else { continue }
                step(.modelRemoved(id), &state, into: &effects)
                guard state.models[index].batches == 0, state.scheduler.isGone(id) else { continue }
                state.models[index].isFreed = true
                freed.append(state.models[index])
            }
            for entry in freed { state.meter?.leave(entry.row, entry.statistics) }
            return freed
        }
        carryOut(effects)
        for entry in freed {
            for (device, model) in zip(devices, entry.model.onDevices) { device.unload(model) }
            for completion in entry.whenFreed { completion(entry.statistics) }
        }
    }

    // -- what is counted and learned ------------------------------------------------------------------------------

    /// What has been counted for a model; nothing for one that was unloaded.
    package func statistics(of model: ServedModel) -> ModelStatistics {
        let known = state.withLock { state in state.change(model) { $0.statistics } }
        return known ?? ModelStatistics(name: model.specification.name, version: model.specification.version)
    }

    /// What has been counted for a class.
    package func counters(of requestClass: RequestClass) -> ClassCounters {
        state.withLock { $0.scheduler.counters(of: requestClass) }
    }

    /// All that was learned while serving, to be kept.
    ///
    /// - Complexity: O(models), under the engine's lock: some microseconds.
    package func learned() -> LearnedState { state.withLock { $0.scheduler.learned } }

    /// The same with the model that each number stands for; nil for one that is free, or soon will be.
    func learnedWithModels() -> (learned: LearnedState, models: [ServedModel?]) {
        state.withLock { state in
            (state.scheduler.learned, state.models.map { $0.isUnloading ? nil : $0.model })
        }
    }

    /// Takes up what was learned before, with the models in the order in which they were added here.
    ///
    /// - Throws: what the scheduler finds wrong with it; then nothing has changed.
    package func restore(_ learned: LearnedState) throws(LearnedState.Refusal) {
        try state.withLock { (state) throws(LearnedState.Refusal) in
            try state.scheduler.restore(learned)
            state.hasLearned = true
        }
    }
}

extension Engine.State {
    /// Enters a model under its number. The one that had it before may still be on a lane.
    mutating func enter(_ entry: Engine.ModelEntry) {
        let index = entry.model.id.index
        guard index < models.count else { return models.append(entry) }
        if !models[index].isFreed { leaving.append(models[index]) }
        models[index] = entry
    }

    /// Looks at or changes the entry of a model; nil for one that was freed, and whose number another has.
    mutating func change<Value>(_ model: ServedModel, _ body: (inout Engine.ModelEntry) -> Value) -> Value? {
        if models[model.id.index].model.serial == model.serial { return body(&models[model.id.index]) }
        return leaving.firstIndex { $0.model.serial == model.serial }.map { body(&leaving[$0]) }
    }

    /// Takes note that a batch was reported.
    mutating func noteReported(_ batch: DeviceBatch) {
        devices[batch.device.index].batches -= 1
        let (device, number) = (batch.device.index, batch.model.number)
        if models[batch.modelID.index].model.onDevices[device].number == number {
            models[batch.modelID.index].batches -= 1
        } else if let index = leaving.firstIndex(where: { $0.model.onDevices[device].number == number }) {
            leaving[index].batches -= 1
        }
    }
}
