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
    /// The memory that clients share with the server.
    package let sharedMemory: SharedMemoryRegistry
    /// Who reads large requests and writes large replies.
    package let helpers = HelperThreads()

    /// How long a request may take that does not say, and whose model does not say either (design §3).
    package struct DefaultDeadlines: Sendable, Hashable {
        /// For the high class.
        package var high = Duration.seconds(1)
        /// For the low class.
        package var low = Duration.seconds(30)

        package init() {}
    }

    package init(
        engine: Engine, catalog: ModelCatalog, pool: SlabPool, defaultDeadlines: DefaultDeadlines = DefaultDeadlines(),
        sharedMemory: SharedMemoryRegistry = SharedMemoryRegistry()
    ) {
        self.engine = engine
        self.catalog = catalog
        self.pool = pool
        self.defaultDeadlines = defaultDeadlines
        self.sharedMemory = sharedMemory
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
    ///   - span: of a request that is traced.
    ///   - caller: who asks; the transport has checked that it may use the model.
    ///   - later: as for ``Engine/submit(_:later:completion:)``.
    ///   - permit: its place among its tenant's requests, given back before the completion is called.
    ///   - completion: called exactly once unless this throws, on any thread, possibly before this returns.
    /// - Returns: what to cancel it by.
    /// - Throws: ``Refusal`` for a request that does not fit the model, or for which there is no memory.
    package func infer(
        _ request: InferenceRequest, on model: ServedModel, arrived: Instant, fallbackTimeout: Duration? = nil,
        span: RequestSpan? = nil, caller: Caller = .trusted, permit: Permit? = nil, later: Engine.Later? = nil,
        completion: @escaping @Sendable (Reply) -> Void
    ) throws(Refusal) -> RequestID? {
        let rows: Int
        let requestClass: RequestClass
        var request = request
        do {
            try caller.checkSharedMemory(of: request)
            requestClass = try self.requestClass(of: request, model, caller)
            try readShared(&request)
            rows = try validate(request: request, against: model.specification).rows
        } catch {
            engine.noteRefused(error, askedClass(of: request, model), model: model)
            throw Refusal(error)
        }
        let timeout = request.timeoutMicroseconds.map { Duration.microseconds($0) } ?? fallbackTimeout
        let patience = timeout ?? model.specification.deadlineMilliseconds.map { Duration.milliseconds($0) }
        let usual = requestClass == .high ? defaultDeadlines.high : defaultDeadlines.low
        let submission = Submission(
            model: model, inputs: model.inRuntimeOrder(request.inputs), rows: rows, requestClass: requestClass,
            arrived: arrived, deadline: arrived + min(patience ?? usual, Self.longestDeadline), clientID: request.id)
        if requestClass == .low, Double(pool.bytesInUse) > Double(pool.budget) * Self.lowShareOfMemory {
            let refusal = Refusal(
                ProtocolError(.resourceExhausted, "the server's tensor memory is full for the low class"),
                retryAfter: Self.memoryRetry)
            throw engine.turnAway(submission, .tensorMemoryFull, refusal)
        }
        guard span != nil || permit != nil else {
            return engine.submit(submission, later: later, completion: completion)
        }
        span?.noteSubmitted(submission, id: request.id)
        return engine.submit(submission, later: later) { reply in
            permit?.end()
            span?.noteReply(reply)
            completion(reply)
        }
    }

    private func requestClass(
        of request: InferenceRequest, _ model: ServedModel, _ caller: Caller
    ) throws(ProtocolError) -> RequestClass {
        try caller.requestClass(claimed: claimedClass(of: request), usual: askedClass(of: request, model))
    }

    private func askedClass(of request: InferenceRequest, _ model: ServedModel) -> RequestClass {
        claimedClass(of: request) ?? (model.specification.defaultClass == .high ? .high : .low)
    }

    private func claimedClass(of request: InferenceRequest) -> RequestClass? {
        request.priority.map { $0 == 1 ? .high : .low }
    }

    /// The response to a request that ran, with the outputs it asked for, in the form it asked for. Those that go into
    /// shared memory are there when this returns.
    ///
    /// - Parameter naming: whether the response names the request by the server's number, for where no header can; a late
    ///   one does in any case.
    /// - Throws: ``ProtocolError`` where an output does not fit the place in shared memory that was meant for it.
    package func response(
        to request: InferenceRequest, from model: ServedModel, _ answer: Answer, naming: Bool = false
    ) throws(ProtocolError) -> InferenceResponse {
        let specification = model.specification
        var parameters: [Parameter] = []
        if answer.isLate { parameters.append(Parameter("strait_late", .bool(true))) }
        if answer.isLate || naming {
            parameters.append(Parameter("strait_request", .int(Int64(clamping: answer.number))))
        }
        if answer.isSynthetic { parameters.append(Parameter("strait_synthetic", .bool(true))) }
        var response = InferenceResponse(
            modelName: specification.name, modelVersion: String(specification.version), id: request.id,
            parameters: parameters, outputs: answer.outputs)
        guard !request.outputs.isEmpty else { return response }
        response.outputs = []
        for wanted in request.outputs {
            guard var output = answer.outputs.first(where: { $0.name == wanted.name }) else { continue }
            if wanted.classes > 0 {
                let labels = specification.outputs.first { $0.name == wanted.name }?.labels ?? []
                output = Classification.best(
                    wanted.classes, of: output, isBatched: specification.isBatchable, labels: labels, pool: pool)
            }
            if let place = wanted.place {
                try write(output, to: place)
                response.inSharedMemory.insert(wanted.name)
            }
            response.outputs.append(output)
        }
        return response
    }
}

// -- shared memory ------------------------------------------------------------------------------------------------

extension InferenceService {
    /// Copies the inputs that lie in shared memory, so that what a client does to them later changes nothing. Checks the
    /// places for outputs, so that what cannot be put anywhere is not computed.
    private func readShared(_ request: inout InferenceRequest) throws(ProtocolError) {
        for output in request.outputs {
            if let place = output.place { try sharedMemory.find(place.region).check(place) }
        }
        for input in request.sharedInputs {
            let region = try sharedMemory.find(input.place.region)
            try region.check(input.place)
            let slab = try pool.takeForTensors(input.place.byteCount)
            try region.read(input.place, into: slab.bytes)
            let tensor = Tensor(
                name: input.name, type: input.type, shape: input.shape, slab: slab, range: 0..<input.place.byteCount)
            if let problem = TensorContent.problem(in: tensor.bytes, type: input.type, shape: input.shape) {
                throw ProtocolError(
                    .invalidArgument,
                    "input \"\(input.name)\" in shared memory: shared_memory_byte_size is \(input.place.byteCount): "
                        + problem)
            }
            request.inputs.append(tensor)
        }
        request.sharedInputs = []
    }

    private func write(_ output: Tensor, to place: SharedPlace) throws(ProtocolError) {
        guard output.range.count <= place.byteCount else {
            throw ProtocolError(
                .invalidArgument,
                "output \"\(output.name)\" has \(output.range.count) bytes; shared_memory_byte_size is "
                    + "\(place.byteCount)")
        }
        let used = try SharedPlace(region: place.region, offset: place.offset, byteCount: output.range.count)
        try sharedMemory.find(place.region).write(output.bytes, to: used)
    }
}

extension ServedModel {
    /// A request's inputs, which are all there and may come in any order, in the order of the runtime's.
    func inRuntimeOrder(_ inputs: [Tensor]) -> [Tensor] {
        inputNames.compactMap { name in inputs.first { $0.name == name } }
    }
}
