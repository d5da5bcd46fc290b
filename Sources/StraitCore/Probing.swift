// SPDX-License-Identifier: Apache-2.0

// Shedding never absorbs. Estimates learn from completions only, so a model that is thought to be too slow for its
// deadlines would never complete anything again, and one bad sample would leave it unserved for ever. A model that has
// shed and completed nothing for a while therefore gets one probe: its next request runs alone on the next free lane,
// whatever is predicted of it, and what it takes replaces what was known (design §4).

extension SchedulerState {
    /// The shortest silence after which a model is probed.
    static let shortestSilence = Duration.seconds(1)
    /// The silence in multiples of the model's own time, once a probe has proven that time. It is multiplied by the
    /// number of models that shed, so that the probes of all of them together take at most a twentieth of a lane.
    static let silenceInSoloTimes = 20.0

    /// Whether a request that looks hopeless should run all the same.
    func mayProbe(_ request: Request, at now: Instant) -> Bool {
        let model = models[request.work.model.index]
        guard pendingProbe == nil, model.hasShedSince, !model.isProbing else { return false }
        // A lane that may never be free teaches nothing.
        guard devices.servingLanes > 0 else { return false }
        var silence = Self.shortestSilence
        // Before a probe has proven the estimate, it must not stretch the silence: it is what is in doubt.
        if model.isProven {
            let soloTime = estimator.expectedTime(request.work, rows: 1)
            silence = max(silence, soloTime * (Self.silenceInSoloTimes * Double(modelsShedding)))
        }
        return now - model.lastCompletion >= silence
    }

    /// Takes note that a request waits to be a probe.
    mutating func beginProbe(_ request: Request) {
        pendingProbe = request.id
        models[request.work.model.index].isProbing = true
    }

    /// Takes note that the request that waited to be a probe has left.
    mutating func abandonProbe(of model: ModelID) {
        pendingProbe = nil
        models[model.index].isProbing = false
    }

    /// Takes note that a request of a model was shed.
    mutating func noteShed(of model: ModelID) {
        guard !models[model.index].hasShedSince else { return }
        models[model.index].hasShedSince = true
        modelsShedding += 1
    }

    /// Takes note that a model completed a batch, or failed one: either way it has had its turn.
    mutating func noteCompletion(of model: ModelID, wasProbe: Bool, at now: Instant) {
        if models[model.index].hasShedSince { modelsShedding -= 1 }
        models[model.index].hasShedSince = false
        models[model.index].lastCompletion = now
        models[model.index].isProven = wasProbe
        if wasProbe { models[model.index].isProbing = false }
    }
}
