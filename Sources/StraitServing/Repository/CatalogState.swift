// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol
internal import Synchronization

/// Keeps the state of a catalog behind a lock, for the catalog and for what ends later.
final class CatalogStore: Sendable {
    private let state = Mutex(CatalogState())

    func withLock<Result: Sendable, Failure: Error>(
        _ body: (inout CatalogState) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try state.withLock { (state) throws(Failure) in try body(&state) }
    }
}

/// The models of a repository and how far each version has come: a value, which the catalog keeps behind a lock.
struct CatalogState: Sendable {
    /// One version of a model.
    struct Entry: Sendable {
        /// Its number; nil where the model has come to have none.
        let number: Int?
        var stage: ModelState
        /// Why it is no further, or why it could not be loaded anew.
        var reason = ""
        /// What takes requests; set exactly while it is ready.
        var served: ServedModel?
    }

    private struct Model: Sendable {
        /// Ascending by number.
        var entries: [Entry] = []
        /// What its files were when it was loaded last, or could not be.
        var stamps: [FileStamp] = []
        /// Whether the configuration it was loaded with was given by a client.
        var hasOwnConfiguration = false
        /// Whether its files are gone, and only what it has accepted is left.
        var isGone = false
    }

    private var models: [String: Model] = [:]

    /// All versions of all models, by name and version.
    var all: [(name: String, entry: Entry)] {
        models.keys.sorted().flatMap { name in (models[name]?.entries ?? []).map { (name, $0) } }
    }

    /// The versions of a model, ascending.
    func entries(of name: String) -> [Entry] { models[name]?.entries ?? [] }

    /// The names of all models that were ever loaded or found broken.
    var names: Set<String> { Set(models.keys) }

    /// Whether a model was loaded from just these files, and all of it is ready.
    func isCurrent(_ name: String, _ stamps: [FileStamp]) -> Bool {
        guard let model = models[name], !model.hasOwnConfiguration else { return false }
        return model.stamps == stamps && model.entries.contains { $0.stage == .ready && $0.reason.isEmpty }
            && model.entries.allSatisfy { $0.stage == .ready && $0.reason.isEmpty || $0.reason == Self.unloaded }
    }

    /// Whether the files of a model are those that were last looked at, whatever became of them.
    func hasSeen(_ name: String, _ stamps: [FileStamp]) -> Bool { models[name]?.stamps == stamps }

    /// What the reason of a version is that was unloaded because it was asked for.
    static let unloaded = "unloaded"

    // -- finding --------------------------------------------------------------------------------------------------

    /// The model of a name, in a version or else its latest that is ready.
    ///
    /// - Complexity: O(versions).
    func find(_ name: String, version: String?) throws(ProtocolError) -> ServedModel {
        guard let entries = models[name]?.entries else {
            throw ProtocolError(
                .notFound,
                "no model is named '\(shortened(name, to: 128))'; the statistics list those that are served")
        }
        var match = entries.last { $0.served != nil } ?? entries.last
        if let version, !version.isEmpty {
            match = entries.first { $0.number.map { String($0) } == version }
            guard match != nil else {
                let known = entries.compactMap(\.number).map { String($0) }.joined(separator: ", ")
                throw ProtocolError(
                    .notFound, "model '\(name)' has no version '\(shortened(version, to: 32))'; it has \(known)")
            }
        }
        guard let match else { throw ProtocolError(.unavailable, "model '\(name)' has no version") }
        if let served = match.served { return served }
        let why =
            switch match.stage {
            case .loading: "it is being loaded"
            case .unloading: "it is being unloaded"
            case .ready, .unavailable: match.reason
            }
        throw ProtocolError(.unavailable, "model '\(name)' is not available: \(why)")
    }

    // -- what becomes of models -----------------------------------------------------------------------------------

    private mutating func change(_ name: String, _ number: Int?, _ body: (inout Entry) -> Void) {
        var model = models[name] ?? Model()
        // A model without a number is one that could not be read at all: another number takes its place.
        if number != nil { model.entries.removeAll { $0.number == nil } }
        if let index = model.entries.firstIndex(where: { $0.number == number }) {
            body(&model.entries[index])
        } else {
            var entry = Entry(number: number, stage: .unavailable)
            body(&entry)
            let index = model.entries.firstIndex { ($0.number ?? 0) > (number ?? 0) } ?? model.entries.count
            model.entries.insert(entry, at: index)
        }
        models[name] = model
    }

    /// A model's files are looked at.
    mutating func noteStamps(_ name: String, _ stamps: [FileStamp], hasOwnConfiguration: Bool) {
        models[name, default: Model()].stamps = stamps
        models[name]?.hasOwnConfiguration = hasOwnConfiguration
        models[name]?.isGone = false
    }

    /// A version is being loaded. One that is ready stays so meanwhile.
    mutating func noteLoading(_ name: String, _ number: Int) {
        change(name, number) { entry in
            if entry.served == nil {
                entry.stage = .loading
                entry.reason = ""
            }
        }
    }

    /// A version is ready.
    ///
    /// - Returns: what it took the place of.
    mutating func noteReady(_ served: ServedModel) -> ServedModel? {
        var replaced: ServedModel?
        change(served.specification.name, served.specification.version) { entry in
            replaced = entry.served
            entry = Entry(number: served.specification.version, stage: .ready, served: served)
        }
        return replaced
    }

    /// A version, or where there is no number the model, could not be loaded. What is ready stays so.
    mutating func noteFailed(_ name: String, _ number: Int?, reason: String) {
        if number == nil, models[name]?.entries.contains(where: { $0.served != nil }) == true {
            for entry in models[name]?.entries ?? [] where entry.served != nil {
                change(name, entry.number) { $0.reason = "it could not be loaded anew: \(reason)" }
            }
            return
        }
        change(name, number) { entry in
            if entry.served == nil {
                entry.stage = .unavailable
                entry.reason = reason
            } else {
                entry.reason = "it could not be loaded anew: \(reason)"
            }
        }
    }

    /// A version that was ready takes no requests any more, because it failed.
    mutating func noteBroken(_ name: String, _ number: Int, reason: String) {
        change(name, number) { $0 = Entry(number: number, stage: .unavailable, reason: reason) }
    }

    /// Versions take no requests any more.
    ///
    /// - Parameter kept: the versions that go on; nil for none.
    /// - Returns: what is to be retired.
    mutating func takeOut(_ name: String, keeping kept: Set<Int> = []) -> [ServedModel] {
        var taken: [ServedModel] = []
        for entry in entries(of: name) {
            guard let number = entry.number, !kept.contains(number), let served = entry.served else { continue }
            taken.append(served)
            change(name, number) { entry in
                entry.served = nil
                entry.stage = .unloading
                entry.reason = ""
            }
        }
        return taken
    }

    /// Nothing is left of a version that was taken out.
    mutating func noteUnloaded(_ name: String, _ number: Int) {
        guard entries(of: name).contains(where: { $0.number == number && $0.stage == .unloading }) else { return }
        change(name, number) { entry in
            entry.stage = .unavailable
            entry.reason = Self.unloaded
        }
    }

    /// A model is in the repository no more. Should it come back, its files are new, whatever they are.
    ///
    /// - Returns: whether that is news.
    mutating func noteGone(_ name: String) -> Bool {
        guard let model = models[name], !model.isGone else { return false }
        models[name]?.isGone = true
        models[name]?.stamps = []
        return true
    }

    /// Forgets models that are in the repository no more and of which nothing is left.
    mutating func forget(_ name: String) {
        guard entries(of: name).allSatisfy({ $0.stage == .unavailable }) else { return }
        models[name] = nil
    }
}
