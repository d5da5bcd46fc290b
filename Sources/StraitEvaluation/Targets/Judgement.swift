// SPDX-License-Identifier: Apache-2.0

/// What one comparison says about a target: a number that is to be at most a bound.
struct Judgement {
    /// Where, and against whom.
    var place: String
    /// The number.
    var estimate: Estimate
    /// What it may be at most.
    var bound: Double
    /// What became of it.
    var verdict: TargetRow.Verdict

    /// Decided where the whole interval is on one side of the bound, or where it is narrow: half its width is at most half
    /// of the target's margin.
    init(_ place: String, _ estimate: Estimate, atMost bound: Double, margin: Double) {
        self.place = place
        self.estimate = estimate
        self.bound = bound
        verdict =
            if estimate.upper <= bound {
                .met
            } else if estimate.lower > bound {
                .missed
            } else if estimate.halfWidth <= margin / 2 {
                estimate.value <= bound ? .met : .missed
            } else {
                .undecided
            }
    }

    /// What holds because there is nobody to compare with.
    init(unopposed place: String) {
        self.place = place
        estimate = Estimate(value: 0, halfWidth: 0)
        bound = .infinity
        verdict = .met
    }

    /// By how much it holds; negative where it does not.
    var room: Double { bound - estimate.value }
}

extension TargetRow {
    /// A target that has to hold everywhere.
    init(_ name: String, _ target: String, unit: String = "pp", _ judgements: [Judgement], otherwise reason: String) {
        self.init(name: name, target: target, verdict: .unmeasured, unit: unit, detail: reason)
        guard let worst = judgements.min(by: { $0.room < $1.room }) else { return }
        self.worst = worst.estimate
        worstCell = worst.place
        room = worst.room.isFinite ? worst.room : nil
        let missed = judgements.count { $0.verdict == .missed }
        let undecided = judgements.count { $0.verdict == .undecided }
        verdict = missed > 0 ? .missed : undecided > 0 ? .undecided : .met
        detail = "holds in \(judgements.count - missed - undecided) of \(judgements.count)"
        if missed > 0 { detail += ", fails in \(missed)" }
        if undecided > 0 { detail += ", undecided in \(undecided)" }
    }

    /// The same row that is met if enough of its judgements are.
    func needing(_ share: Double, of judgements: [Judgement]) -> TargetRow {
        guard verdict != .unmeasured else { return self }
        var row = self
        let needed = Int((Double(judgements.count) * share).rounded(.up))
        let met = judgements.count { $0.verdict == .met }
        let possible = met + judgements.count { $0.verdict == .undecided }
        row.verdict = met >= needed ? .met : possible < needed ? .missed : .undecided
        return row
    }
}
