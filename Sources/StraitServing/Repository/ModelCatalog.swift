// SPDX-License-Identifier: Apache-2.0

internal import StraitDevices
package import StraitProtocol
package import StraitTensor

/// The models of a repository: which take requests now, and how far the others are. Models come and go while others
/// serve.
///
/// Whoever asks, asks a value behind a lock. What takes time, loading, warming and unloading, happens on a thread of its
/// own, one model after the other.
package final class ModelCatalog: Sendable {
    /// Who decides which models are served; Triton's control modes.
    package enum Mode: Sendable, Hashable {
        /// The repository, once and for all.
        case none
        /// Clients, beginning with these models; `*` stands for all.
        case explicit(initial: [String])
        /// The repository, which is looked at now and then.
        case poll(seconds: Int)
    }

    /// One version of a model.
    package enum Version: Sendable {
        /// It takes requests.
        case served(ServedModel)
        /// It does not, and why.
        case unavailable(name: String, version: Int?, reason: String)
    }

    /// The memory for warm-up requests where there is none that they share with others, in bytes.
    package static let ownMemory = 256 << 20

    let state = CatalogStore()
    let loader: ModelLoader
    let mode: Mode
    private let worker: RepositoryWorker
    /// What was odd but not wrong when the catalog was made, for the log.
    package let warnings: [String]

    /// Loads the models of a repository on all devices of an engine, one after the other. A model is served if all devices
    /// can load it.
    ///
    /// - Parameters:
    ///   - pool: where inputs are put that devices prepare with, and those of warm-up requests.
    ///   - knowledge: what is known of models beforehand; nil to know nothing.
    ///   - mode: who decides which.
    ///   - progress: told what is being loaded, and what came of it, from whatever thread does it.
    /// - Throws: ``RepositoryError`` when the repository itself cannot be read. A model that cannot be loaded is kept as
    ///   unavailable; the others are served.
    package init(
        repository path: String, engine: Engine, pool: SlabPool = SlabPool(budget: ModelCatalog.ownMemory),
        knowledge: PriorKnowledge? = nil, mode: Mode = .none,
        progress: @escaping @Sendable (LogLine) -> Void = { _ in }
    ) throws(RepositoryError) {
        loader = ModelLoader(
            path: path, engine: engine, knowledge: knowledge, pool: pool, progress: progress)
        self.mode = mode
        worker = RepositoryWorker()
        var warnings: [String] = []
        for name in try ModelRepository.names(path: path) {
            if case .explicit(let initial) = mode, !initial.contains("*"), !initial.contains(name) { continue }
            let entry = ModelRepository.entry(path: path, name: name, needsFiles: loader.needsFiles)
            warnings += entry.warnings
            loader.load(entry, into: state, isServing: false)
        }
        self.warnings = warnings
        guard case .explicit(let initial) = mode else { return }
        for name in initial where name != "*" && !state.withLock({ $0.names.contains(name) }) {
            loader.noteMissing(name, in: state)
        }
    }

    /// All versions of all models that were loaded or could not be, by name and version.
    package var all: [Version] {
        state.withLock { $0.all }.map { name, entry in
            if let served = entry.served { return .served(served) }
            let reason = entry.reason.isEmpty ? entry.stage.rawValue : entry.reason
            return .unavailable(name: name, version: entry.number, reason: reason)
        }
    }

    /// The served models, by name and version.
    package var served: [ServedModel] { state.withLock { $0.all }.compactMap(\.entry.served) }

    /// The model of a name, in a version or else its latest that is ready.
    ///
    /// - Throws: ``ProtocolError``: `notFound` for a name or version that is not in the repository, `unavailable` with
    ///   the reason for one that takes no requests now.
    /// - Complexity: O(versions of the model).
    package func find(_ name: String, version: String?) throws(ProtocolError) -> ServedModel {
        try state.withLock { (state) throws(ProtocolError) in try state.find(name, version: version) }
    }

    /// The versions of a model that are served.
    package func versions(of name: String) -> [Int] {
        state.withLock { $0.entries(of: name) }.compactMap { $0.served == nil ? nil : $0.number }
    }

    /// How far the models of the repository are, by name and version.
    ///
    /// - Parameter onlyReady: leaves out all that take no requests.
    package func index(onlyReady: Bool) -> [ModelIndexEntry] {
        let (all, names) = state.withLock { ($0.all, $0.names) }
        var entries = all.map { name, entry in
            ModelIndexEntry(
                name: name, version: entry.number.map { String($0) } ?? "", state: entry.stage, reason: entry.reason)
        }
        if onlyReady { return entries.filter { $0.state == .ready } }
        // What clients could load.
        if case .explicit = mode, let found = try? ModelRepository.names(path: loader.path) {
            entries += found.filter { !names.contains($0) }.map {
                ModelIndexEntry(name: $0, version: "", state: .unavailable, reason: "not loaded")
            }
            entries.sort { ($0.name, Int($0.version) ?? 0) < ($1.name, Int($1.version) ?? 0) }
        }
        return entries
    }

    // -- changes --------------------------------------------------------------------------------------------------

    /// Loads a model, or loads it anew if its files have changed, and retires what it takes the place of.
    ///
    /// - Parameters:
    ///   - configuration: JSON that takes the place of config.pbtxt until the next load; nil to read that.
    ///   - completion: called once, on any thread, when the model takes requests or cannot.
    package func load(
        _ name: String, configuration: String? = nil,
        completion: @escaping @Sendable (Result<Void, ProtocolError>) -> Void
    ) {
        change(completion) { [self] () throws(ProtocolError) in try loadNow(name, configuration: configuration) }
    }

    /// Takes a model out of service. What was accepted is answered.
    ///
    /// - Parameter completion: called once, on any thread, when the model takes no requests any more.
    package func unload(_ name: String, completion: @escaping @Sendable (Result<Void, ProtocolError>) -> Void) {
        change(completion) { [self] () throws(ProtocolError) in try unloadNow(name) }
    }

    private func change(
        _ completion: @escaping @Sendable (Result<Void, ProtocolError>) -> Void,
        _ body: @escaping @Sendable () throws(ProtocolError) -> Void
    ) {
        guard case .explicit = mode else {
            return completion(
                .failure(
                    ProtocolError(
                        .unavailable,
                        "models are loaded and unloaded by clients only with --model-control-mode explicit")))
        }
        let isTaken = worker.add {
            do throws(ProtocolError) {
                try body()
                completion(.success(()))
            } catch {
                completion(.failure(error))
            }
        }
        if !isTaken {
            completion(
                .failure(
                    ProtocolError(.resourceExhausted, "too many models wait to be loaded or unloaded; try again later"))
            )
        }
    }

    /// Loads a model on the calling thread.
    package func loadNow(_ name: String, configuration: String? = nil) throws(ProtocolError) {
        let isThere = (try? ModelRepository.names(path: loader.path))?.contains(name) ?? false
        guard isThere else {
            throw ProtocolError(.notFound, "no model is named '\(shortened(name, to: 128))' in the repository")
        }
        let entry = ModelRepository.entry(
            path: loader.path, name: name, configuration: configuration, needsFiles: loader.needsFiles)
        if configuration == nil, entry.problem == nil,
            state.withLock({ $0.isCurrent(name, ModelRepository.stamps(of: entry)) })
        {
            return
        }
        for warning in entry.warnings { loader.progress("warning: \(warning)") }
        if let reason = loader.load(entry, into: state, isServing: true, hasOwnConfiguration: configuration != nil) {
            throw ProtocolError(.invalidArgument, "model '\(name)' cannot be loaded: \(reason)")
        }
    }

    /// Takes a model out of service on the calling thread.
    package func unloadNow(_ name: String) throws(ProtocolError) {
        let isThere = (try? ModelRepository.names(path: loader.path))?.contains(name) ?? false
        guard isThere || state.withLock({ $0.names.contains(name) }) else {
            throw ProtocolError(.notFound, "no model is named '\(shortened(name, to: 128))' in the repository")
        }
        retire(state.withLock { $0.takeOut(name) })
    }

    func retire(_ models: [ServedModel]) { loader.retire(models, in: state) }

    /// Looks at the repository: loads what is new or has changed, unloads what is gone.
    package func poll() {
        let path = loader.path
        let names: [String]
        do {
            names = try ModelRepository.names(path: path)
        } catch {
            // It may be gone for a moment only.
            return loader.progress("warning: the repository cannot be looked at: \(error)")
        }
        for name in state.withLock({ $0.names }).subtracting(names).sorted() {
            if state.withLock({ $0.noteGone(name) }) {
                loader.progress("\(name) is gone from the repository")
                retire(state.withLock { $0.takeOut(name) })
            }
            // What was accepted may take a while; then it is forgotten at a later look.
            state.withLock { $0.forget(name) }
        }
        for name in names {
            let entry = ModelRepository.entry(path: path, name: name, needsFiles: loader.needsFiles)
            guard state.withLock({ !$0.hasSeen(name, ModelRepository.stamps(of: entry)) }) else { continue }
            for warning in entry.warnings { loader.progress("warning: \(warning)") }
            loader.load(entry, into: state, isServing: true)
        }
    }

    /// Warms the models that ask for it, and begins to take changes. After the engine was started.
    package func start() {
        for model in served where !model.specification.warmups.isEmpty {
            if let reason = loader.warm(model) { loader.refuse(model, reason, in: state) }
        }
        if case .poll(let seconds) = mode {
            worker.start(everySeconds: seconds) { [weak self] in self?.poll() }
        } else {
            worker.start()
        }
    }

    /// Takes no changes any more, and waits for the last to be made.
    package func stop() { worker.stop() }
}

extension ModelCatalog.Version {
    /// The number of the version, where it has come to have one.
    package var number: Int? {
        switch self {
        case .served(let model): model.specification.version
        case .unavailable(_, let version, _): version
        }
    }
}
