// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitProtocol
package import StraitTensor

/// What both transports do with an inference request once it is decoded: find the model, check the request against it,
/// settle its class and deadline, and hand it to the engine.
package struct InferenceService: Sendable {
    /// Takes the requests.
    package let engine: Engine
    /// The models.
    package let catalog: ModelCatalog
    /// Where tensors live.
    package let pool: SlabPool
    /// Deadlines of requests and models that name none.
    package let defaultDeadlines: DefaultDeadlines

    /// How long a request may take that does not say, and whose model does not say either (design §3).
    package struct DefaultDeadlines: Sendable, Hashable {
        /// For the high class.
        package var high = Duration.seconds(1)
        /// For the low class.
        package var low = Duration.seconds(30)

        package init() {}
    }

    package init(
        engine: Engine, catalog: ModelCatalog, pool: SlabPool, defaultDeadlines: DefaultDeadlines = DefaultDeadlines()
    ) {
        self.engine = engine
        self.catalog = catalog
        self.pool = pool
        self.defaultDeadlines = defaultDeadlines
    }

    /// The share of the tensor memory that low requests may fill: the rest is kept for high ones.
    private static let lowShareOfMemory = 0.8

    /// The low class is refused while the tensors in flight take more than its share of the memory.
    private static let memoryRetry = Duration.seconds(1)

    /// The longest deadline taken as one; anything beyond means "whenever".
    private static let longestDeadline = Duration.seconds(24 * 3600)

    /// Starts an inference.
    ///
    /// - Parameters:
    ///   - request: as decoded.
    ///   - model: as found in the catalog.
    ///   - arrived: when the request reached the server.
    ///   - fallbackTimeout: what the transport knows of the client's patience, where the request itself says nothing.
    ///   - completion: called exactly once unless this throws, on any thread, possibly before this returns.
    /// - Returns: what to cancel it by.
    /// - Throws: ``Refusal`` for a request that does not fit the model, or for which there is no memory.
    package func infer(
        _ request: InferenceRequest, on model: ServedModel, arrived: Instant, fallbackTimeout: Duration? = nil,
        completion: @escaping @Sendable (Reply) -> Void
    ) throws(Refusal) -> RequestID? {
        let rows: Int
        do {
            rows = try validate(request: request, against: model.specification).rows
        } catch {
            throw Refusal(error)
        }
        let requestClass = requestClass(of: request, model)
        if requestClass == .low, Double(pool.bytesInUse) > Double(pool.budget) * Self.lowShareOfMemory {
            throw Refusal(
                ProtocolError(.resourceExhausted, "the server's tensor memory is full for the low class"),
                retryAfter: Self.memoryRetry)
        }
        let timeout = request.timeoutMicroseconds.map { Duration.microseconds($0) } ?? fallbackTimeout
        let patience = timeout ?? model.specification.deadlineMilliseconds.map { Duration.milliseconds($0) }
        let usual = requestClass == .high ? defaultDeadlines.high : defaultDeadlines.low
        let submission = Submission(
            model: model, inputs: model.inRuntimeOrder(request.inputs), rows: rows, requestClass: requestClass,
            arrived: arrived, deadline: arrived + min(patience ?? usual, Self.longestDeadline))
        return engine.submit(submission, completion: completion)
    }

    private func requestClass(of request: InferenceRequest, _ model: ServedModel) -> RequestClass {
        if let priority = request.priority { return priority == 1 ? .high : .low }
        return model.specification.defaultClass == .high ? .high : .low
    }

    /// The response to a request that ran, with the outputs it asked for.
    package func response(to request: InferenceRequest, from model: ServedModel, _ answer: Answer) -> InferenceResponse
    {
        var outputs = answer.outputs
        if !request.outputs.isEmpty {
            outputs = request.outputs.compactMap { wanted in answer.outputs.first { $0.name == wanted.name } }
        }
        var parameters: [Parameter] = []
        if answer.isLate { parameters.append(Parameter("strait_late", .bool(true))) }
        if answer.isSynthetic { parameters.append(Parameter("strait_synthetic", .bool(true))) }
        return InferenceResponse(
            modelName: model.specification.name, modelVersion: String(model.specification.version), id: request.id,
            parameters: parameters, outputs: outputs)
    }
}

extension ServedModel {
    /// A request's inputs, which are all there and may come in any order, in the order of the runtime's.
    fileprivate func inRuntimeOrder(_ inputs: [Tensor]) -> [Tensor] {
        inputNames.compactMap { name in inputs.first { $0.name == name } }
    }
}
