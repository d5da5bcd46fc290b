// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitProtocol
internal import Synchronization

// How a model leaves the engine while others serve.

/// What a model has to do with still.
struct ModelService: Sendable {
    /// Requests that were accepted and not answered yet.
    var openRequests = 0
    /// Batches that were handed to a device and have not ended. A batch may outlive its requests: those of clients that
    /// went away.
    var openBatches = 0
    var stage = Stage.serving

    /// How far a model has come.
    enum Stage: Sendable {
        /// It takes requests.
        case serving
        /// It takes none, and this is to be called when there are neither requests nor batches of it.
        case leaving(@Sendable () -> Void)
        /// Nothing is left of it.
        case gone
    }

    /// Whether the model takes requests.
    var isServing: Bool { if case .serving = stage { true } else { false } }

    /// Whether the model is to leave, and nothing is in its way.
    var isOver: Bool {
        if case .leaving = stage { openRequests == 0 && openBatches == 0 } else { false }
    }
}

extension Engine.State {
    /// Gives a model the place of its number.
    mutating func enter(_ model: ServedModel) {
        let statistics = ModelStatistics(name: model.specification.name, version: model.specification.version)
        if model.id.index == models.count {
            models.append(model)
            service.append(ModelService())
            self.statistics.append(statistics)
        } else {
            models[model.id.index] = model
            service[model.id.index] = ModelService()
            self.statistics[model.id.index] = statistics
        }
    }

    /// Takes note that a request is accepted.
    ///
    /// - Returns: false where the model takes none any more.
    mutating func begin(_ model: ServedModel) -> Bool {
        let index = model.id.index
        guard models[index].serial == model.serial, service[index].isServing else { return false }
        service[index].openRequests += 1
        return true
    }

    /// Takes note that a request is answered.
    ///
    /// - Returns: whether it was the last thing in the way of a retirement.
    mutating func endRequest(of model: ModelID) -> Bool {
        service[model.index].openRequests -= 1
        return service[model.index].isOver
    }

    /// Takes note that a batch has ended.
    ///
    /// - Returns: whether it was the last thing in the way of a retirement.
    mutating func endBatch(of model: ModelID) -> Bool {
        service[model.index].openBatches -= 1
        return service[model.index].isOver
    }
}

extension Engine {
    /// Takes a model out of service: refuses its requests from now on, and answers those that were accepted.
    ///
    /// - Parameter completion: called once, on any thread, when nothing is left of it, also on its device; before this
    ///   returns if that is so already. Never where a batch of it never ends.
    package func retire(_ model: ServedModel, completion: @escaping @Sendable () -> Void) {
        let isOver = state.withLock { state in
            let index = model.id.index
            // One that has left already, or is about to, keeps its first completion.
            guard state.models[index].serial == model.serial, state.service[index].isServing else {
                return false
            }
            state.service[index].stage = .leaving(completion)
            return state.service[index].isOver
        }
        if isOver { endRetirement(of: model) }
    }

    /// Frees the number of a model of which nothing is left.
    func endRetirement(of model: ServedModel) {
        let ended = state.withLock { state -> (completion: @Sendable () -> Void, effects: Effects)? in
            let index = model.id.index
            guard state.models[index].serial == model.serial, state.service[index].isOver,
                case .leaving(let completion) = state.service[index].stage
            else { return nil }
            state.service[index].stage = .gone
            return (completion, step(.modelRemoved(model.id), at: now(after: state.scheduler.lastStep), &state))
        }
        guard let ended else { return }
        carryOut(ended.effects)
        ended.completion()
    }
}
