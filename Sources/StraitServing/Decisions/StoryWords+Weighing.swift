// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

// What was staged in a request's stead, and what was weighed.

extension StoryWords {
    mutating func sayDisplacement() {
        let passed = story.displacement
        let count = passed.highBatches + passed.lowBatches
        guard count > 0 else { return }
        let least = passed.isPartial ? "at least " : ""
        let kinds = [
            passed.highBatches > 0
                ? "\(passed.highBatches) high (\(TimeWords.count(passed.highRequests, "request")))" : nil,
            passed.lowBatches > 0
                ? "\(passed.lowBatches) low (\(TimeWords.count(passed.lowRequests, "request")))" : nil,
        ].compactMap(\.self).joined(separator: ", ")
        let last = passed.last.map { "\(short($0)) at \(after($0.stagedAt))" }.joined(separator: "; ")
        say(
            "while it waited, \(least)\(TimeWords.count(count, "batch")) \(count == 1 ? "was" : "were") staged: \(kinds); "
                + "the last: \(last)")
    }

    /// The decisions that are told in full: the last ones.
    private static var decisionsTold: Int { 2 }

    mutating func sayWeighed() {
        let told = story.weighed.suffix(Self.decisionsTold)
        for weighed in told {
            if weighed.isOwn { sayChosen(weighed) } else { sayNotChosen(weighed) }
        }
        guard explainsTerms, told.contains(where: { $0.own.worth != nil }) else { return }
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
        guard !weighed.passedOver.isEmpty else { return }
        say("it displaced " + weighed.passedOver.map { "\(option($0)): \(worth($0))" }.joined(separator: "; "))
    }

    private mutating func sayNotChosen(_ weighed: RequestStory.Weighed) {
        let own = "the one with this request (\(option(weighed.own))) was not taken because \(whyNot(weighed))"
        if let chosen = weighed.chosen {
            let taken = chosen.batch.map { short($0) } ?? option(chosen.option)
            say(
                "displaced at \(after(weighed.at)) by \(taken), of \(TimeWords.count(weighed.options, "batch")) weighed: "
                    + "\(worth(chosen.option)); \(own)")
        } else {
            let often = weighed.times > 1 ? "\(weighed.times) times in a row, last " : ""
            say("not staged \(often)at \(after(weighed.at)), with nothing in its stead: \(own)")
        }
    }

    /// What spoke against the batch with the request (docs/scheduler.md): in the order in which the policy looks.
    private func whyNot(_ weighed: RequestStory.Weighed) -> String {
        guard let worth = weighed.own.worth else { return Self.keptOut }
        let numbers = self.worth(weighed.own)
        let isBehind = weighed.chosen.map { worth.rank <= $0.option.rank ?? -.infinity } ?? false
        if worth.harm > worth.regret { return "it would have harmed those beside it by more than it gains: \(numbers)" }
        if isBehind { return "it ranked lower: \(numbers)" }
        if let loss = worth.loss, loss > 0 { return "it would have cost high requests their lane: \(numbers)" }
        if weighed.own.requestClass == .high, worth.loss == nil, weighed.own.rows > 1 {
            return "at that size its high requests would have been late, and a smaller one was without this request: "
                + numbers
        }
        return weighed.chosen == nil ? "it could wait: \(numbers)" : "others were more urgent: \(numbers)"
    }

    private static var keptOut: String {
        "the gate kept it out: it would have slowed down the batches beside it by more than it is worth"
    }

    private func option(_ option: Weighing.Option) -> String {
        let name = option.model.index < models.count ? models[option.model.index] : "model \(option.model.index)"
        let place = devices.count > 1 ? ", \(device(option.device.index))" : ""
        return "\(name), \(option.requestClass), \(TimeWords.count(option.rows, "row"))\(place)"
    }

    /// What an option was worth, by term.
    private func worth(_ option: Weighing.Option) -> String {
        guard let worth = option.worth else { return "no rank, for " + Self.keptOut }
        let slack = worth.slack.isFinite ? "\(TimeWords.decimal(worth.slack / 1e6, 1)) ms" : "unlimited"
        var words =
            "rank \(TimeWords.decimal(worth.rank, 2)) (regret \(TimeWords.decimal(worth.regret, 3)), "
            + "harm \(TimeWords.decimal(worth.harm, 3)), slack \(slack)"
        if let loss = worth.loss { words += ", high requests lost \(TimeWords.decimal(loss, 2))" }
        words += ")"
        if let prediction = option.prediction { words += ", to be done at \(after(prediction.expected))" }
        return words
    }
}
