// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1

/// A request as it goes over the wire: encoded once, sent any number of times.
struct WireRequest: Sendable {
    let head: HTTPRequestHead
    let body: ByteBuffer

    /// The header that tells the JSON part of a body from the binary tensors behind it.
    private static let jsonLengthHeader = "Inference-Header-Content-Length"

    init(method: HTTPMethod, path: String, server: ServerAddress, body: RequestBody?, keepAlive: Bool) {
        var headers = HTTPHeaders([("Host", server.authority)])
        if let body {
            headers.add(
                name: "Content-Type", value: body.jsonLength == nil ? "application/json" : "application/octet-stream")
            headers.add(name: "Content-Length", value: "\(body.bytes.count)")
            if let length = body.jsonLength { headers.add(name: Self.jsonLengthHeader, value: "\(length)") }
        }
        if !keepAlive { headers.add(name: "Connection", value: "close") }
        head = HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: headers)
        self.body = ByteBuffer(bytes: body?.bytes ?? [])
    }
}

/// A model that was found on the server, with a request for each class.
struct PreparedTarget: Sendable {
    let model: String
    let weight: Double
    /// By class.
    let requests: [WireRequest]
    /// Nanoseconds allowed, by class; nil for no limit.
    let deadlines: [Int64?]

    /// Looks the model up, makes or reads its input, and sends one request on trial.
    static func prepare(
        _ target: LoadTarget, plan: LoadPlan, client: SetupClient, warn: (String) -> Void
    ) async throws(LoadError) -> PreparedTarget {
        let path = plan.server.path(ofModel: target.model)
        let metadata = try await client.ask(.GET, path: path)
        guard metadata.status == 200 else {
            let said = errorMessage(in: metadata.body).map { ": \($0)" } ?? ""
            throw LoadError(
                .unknownModel,
                "The server at \(plan.server) does not serve model \(target.model) (status \(metadata.status)\(said)).")
        }
        let template: RequestTemplate
        if let file = target.requestFile {
            template = try RequestTemplate(file: file)
        } else {
            // Seeded by the name, so that a model gets the same input whatever other models are driven beside it.
            let part = target.model.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xFFFF_FFFF }
            var random = RandomSource(seed: plan.seed, part: part)
            let declared = try ModelMetadata(json: metadata.body, model: target.model)
            let made = try InputGenerator.template(for: declared, shapes: target.shapes, random: &random)
            for assumption in made.assumptions { warn(assumption) }
            template = made.template
        }
        let inferPath = path + "/infer"
        let trial = try await client.ask(
            .POST, path: inferPath,
            body: RequestBody(template, requestClass: .low, timeout: nil, encoding: plan.encoding))
        // A busy server may refuse the trial; that says nothing against the request.
        guard Outcome(status: trial.status, latency: 0, deadline: nil) != .failed else {
            let said = errorMessage(in: trial.body) ?? "no reason given"
            throw LoadError(
                .badInput,
                "Model \(target.model) answers a trial request with status \(trial.status): \(said)")
        }
        var requests: [WireRequest] = []
        for requestClass in LoadClass.allCases {
            let timeout = target.deadline(of: requestClass).map { max(1, $0.nanoseconds / 1000) }
            let body = try RequestBody(
                template, requestClass: requestClass, timeout: timeout, encoding: plan.encoding)
            requests.append(
                WireRequest(method: .POST, path: inferPath, server: plan.server, body: body, keepAlive: true))
        }
        return PreparedTarget(
            model: target.model, weight: target.weight, requests: requests,
            deadlines: LoadClass.allCases.map { target.deadline(of: $0)?.nanoseconds })
    }
}
