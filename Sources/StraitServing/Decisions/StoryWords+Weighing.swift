// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

// What was staged in a request's stead, and what was weighed.

extension StoryWords {
    mutating func sayDisplacement() {
        let passed = story.displacement
        let count = passed.highBatches + passed.lowBatches
        guard count > 0 else { return }
        let least = passed.isPartial ? "at least " : ""
        let (high, low) = (
            "\(passed.highBatches) high (\(TimeWords.count(passed.highRequests, "request")))",
            "\(passed.lowBatches) low (\(TimeWords.count(passed.lowRequests, "request")))"
        )
        let last = passed.last.map { "\(short($0)) at \(after($0.stagedAt))" }.joined(separator: "; ")
        say(
            "while it waited, \(least)\(TimeWords.count(count, "batch")) were staged: \(high), \(low); the last: \(last)"
        )
    }

    /// The decisions that are told in full: the last ones.
    private static var decisionsTold: Int { 2 }

    mutating func sayWeighed() {
        let told = story.weighed.suffix(Self.decisionsTold)
        for weighed in told {
            if weighed.isOwn { sayChosen(weighed) } else { sayNotChosen(weighed) }
        }
        guard told.contains(where: { $0.own.worth != nil }) else { return }
        say("rank: what decides; regret less harm, and the less slack the higher")
        say("regret: the chances that the requests of a batch lose by waiting for the next opportunity, weighted")
        say("harm: the chances that requests which run beside it lose, weighted")
        say("slack: how much longer the requests of a batch could have waited")
        if told.contains(where: { $0.own.worth?.loss != nil || $0.chosen?.option.worth?.loss != nil }) {
            say("high requests lost: those that would find no lane in time if the batch were staged")
        }
    }

    private mutating func sayChosen(_ weighed: RequestStory.Weighed) {
        let others = weighed.options - 1
        say(
            "its batch was chosen at \(after(weighed.at)) "
                + (others == 0
                    ? "as the only one that could be staged" : "from \(weighed.options) that could be staged")
                + ": \(worth(weighed.own))")
    }

    private mutating func sayNotChosen(_ weighed: RequestStory.Weighed) {
        let own = "the one with this request (\(option(weighed.own)))"
        if let chosen = weighed.chosen {
            let taken = chosen.batch.map { short($0) } ?? option(chosen.option)
            say(
                "displaced at \(after(weighed.at)) by \(taken): of \(TimeWords.count(weighed.options, "batch")) weighed it had "
                    + "\(worth(chosen.option)); \(own) had \(worth(weighed.own))")
        } else {
            let often = weighed.times > 1 ? "\(weighed.times) times in a row, last " : ""
            say("not staged \(often)at \(after(weighed.at)), with nothing in its stead: \(own) \(whyNot(weighed.own))")
        }
    }

    private func whyNot(_ option: Weighing.Option) -> String {
        guard let worth = option.worth else { return Self.keptOut }
        if let loss = worth.loss, loss > 0 {
            return
                "would have cost \(TimeWords.decimal(loss, 2)) high requests their lane; it had \(self.worth(option))"
        }
        if worth.harm > worth.regret {
            return "would have harmed those beside it more than it gains; it had \(self.worth(option))"
        }
        return "could wait; it had \(self.worth(option))"
    }

    private static var keptOut: String {
        "was kept out by the gate: it would have slowed down the batches beside it by more than it is worth"
    }

    private func option(_ option: Weighing.Option) -> String {
        let name = option.model.index < models.count ? models[option.model.index] : "model \(option.model.index)"
        return "\(name), \(option.requestClass), \(TimeWords.count(option.rows, "row")), \(device(option.device.index))"
    }

    /// What an option was worth, by term.
    private func worth(_ option: Weighing.Option) -> String {
        guard let worth = option.worth else { return "no rank, for it " + Self.keptOut }
        let slack = worth.slack.isFinite ? "\(TimeWords.decimal(worth.slack / 1e6, 1)) ms" : "unlimited"
        var words =
            "rank \(TimeWords.decimal(worth.rank, 2)) (regret \(TimeWords.decimal(worth.regret, 3)), "
            + "harm \(TimeWords.decimal(worth.harm, 3)), slack \(slack)"
        if let loss = worth.loss { words += ", high requests lost \(TimeWords.decimal(loss, 2))" }
        words += ")"
        if let prediction = option.prediction { words += ", done at \(after(prediction.expected))" }
        return words
    }
}
