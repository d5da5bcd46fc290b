// SPDX-License-Identifier: Apache-2.0

/// A model that was found on the server, with a request for each class.
struct PreparedTarget: Sendable {
    let model: String
    let weight: Double
    /// By class.
    let requests: [EncodedRequest]
    /// Nanoseconds allowed, by class; nil for no limit.
    let deadlines: [Int64?]

    /// Looks the model up, makes or reads its input, and sends one request on trial.
    static func prepare(
        _ target: LoadTarget, plan: LoadPlan, client: SetupClient, warn: (String) -> Void
    ) async throws(LoadError) -> PreparedTarget {
        let metadata = try await client.ask(.metadata(of: target.model, plan))
        guard metadata.status == 200 else {
            if metadata.wantsToken, plan.token == nil { throw .tokenWanted(by: plan.server) }
            // Of a call over gRPC, what was told says more than HTTP's number for it.
            let number = plan.transport == .http ? ["status \(metadata.status)"] : []
            let said = (number + [metadata.message(plan.transport)].compactMap { $0 }).joined(separator: ": ")
            throw LoadError(
                .unknownModel, "The server at \(plan.server) does not serve model \(target.model) (\(said)).")
        }
        let template: RequestTemplate
        if let file = target.requestFile {
            template = try RequestTemplate(file: file)
        } else {
            // Seeded by the name, so that a model gets the same input whatever other models are driven beside it.
            let part = target.model.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xFFFF_FFFF }
            var random = RandomSource(seed: plan.seed, part: part)
            let declared = try ModelMetadata(metadata.body, plan.transport, model: target.model)
            let made = try InputGenerator.template(for: declared, shapes: target.shapes, random: &random)
            for assumption in made.assumptions { warn(assumption) }
            template = made.template
        }
        let trial = try await client.ask(
            .inference(template, of: target.model, requestClass: .low, timeout: nil, plan, keepAlive: false))
        // A busy server may refuse the trial; that says nothing against the request.
        guard Outcome(status: trial.status, latency: 0, deadline: nil) != .failed else {
            let said = trial.message(plan.transport) ?? "no reason given"
            throw LoadError(
                .badInput,
                "Model \(target.model) answers a trial request with status \(trial.status): \(said)")
        }
        var requests: [EncodedRequest] = []
        for requestClass in LoadClass.allCases {
            let timeout = target.deadline(of: requestClass).map { max(1, $0.nanoseconds / 1000) }
            requests.append(
                try .inference(
                    template, of: target.model, requestClass: requestClass, timeout: timeout, plan, keepAlive: true))
        }
        return PreparedTarget(
            model: target.model, weight: target.weight, requests: requests,
            deadlines: LoadClass.allCases.map { target.deadline(of: $0)?.nanoseconds })
    }
}
