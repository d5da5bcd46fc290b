// SPDX-License-Identifier: Apache-2.0

internal import StraitDevices
internal import StraitProtocol
internal import StraitTensor

/// Makes models of files: loads them on all devices, takes them into the engine's service, and out of it again.
struct ModelLoader: Sendable {
    /// The repository's folder.
    let path: String
    let engine: Engine
    let knowledge: PriorKnowledge?
    let pool: SlabPool
    let progress: @Sendable (LogLine) -> Void

    /// Whether a model must have a file, which it must where one of the devices wants it.
    var needsFiles: Bool { engine.devices.contains(where: \.needsModelFiles) }

    /// Loads the versions of a model that its policy chooses, and retires all that they take the place of. Where one cannot
    /// be loaded, what serves in its place goes on.
    ///
    /// - Parameter isServing: whether others are being served, which measuring would disturb, and which warm-up requests
    ///   must go between.
    /// - Returns: what was wrong; nil where all went well.
    @discardableResult
    func load(
        _ entry: RepositoryEntry, into state: CatalogStore, isServing: Bool,
        hasOwnConfiguration: Bool = false
    ) -> String? {
        // Before the files are read: what changes meanwhile is then seen the next time.
        let stamps = ModelRepository.stamps(of: entry)
        state.withLock { $0.noteStamps(entry.name, stamps, hasOwnConfiguration: hasOwnConfiguration) }
        if let problem = entry.problem {
            progress(.unavailable(entry.name, nil, reason: "\(problem)"))
            state.withLock { $0.noteFailed(entry.name, nil, reason: "\(problem)") }
            return "\(problem)"
        }
        var wrong: [String] = []
        for version in entry.chosenVersions {
            state.withLock { $0.noteLoading(entry.name, version) }
            progress("loading \(entry.name) version \(version)")
            do {
                let model = try load(entry, version, isServing: isServing)
                if isServing, let reason = warm(model) {
                    engine.unload(model)
                    throw WarmUpFailure(description: reason)
                }
                let replaced = state.withLock { $0.noteReady(model) }
                progress(.ready(model))
                if let replaced { retire([replaced], in: state) }
            } catch {
                progress(.unavailable(entry.name, version, reason: "\(error)"))
                state.withLock { $0.noteFailed(entry.name, version, reason: "\(error)") }
                wrong.append("version \(version): \(error)")
            }
        }
        retire(state.withLock { $0.takeOut(entry.name, keeping: Set(entry.chosenVersions)) }, in: state)
        return wrong.isEmpty ? nil : wrong.joined(separator: "; ")
    }

    private struct WarmUpFailure: Error, CustomStringConvertible {
        let description: String
    }

    private func load(_ entry: RepositoryEntry, _ version: Int, isServing: Bool) throws -> ServedModel {
        guard engine.hasRoomForModel else {
            throw DeviceError(.cannotLoad, "\(Engine.maximumModels) models are loaded, which is the most; unload one")
        }
        let placed = try PlacedModel(ModelSource(entry, version: version), on: engine.devices)
        do {
            let interface = ModelInterface(placed.first)
            let specification = try ModelSpecification.resolve(entry: entry, version: version, interface: interface)
            try placed.prepare(specification, pool: pool)
            // The other devices are of its kind.
            let known = knowledge?.knowledge(
                of: specification, placed.first, on: engine.devices[0], measures: !isServing,
                log: { [progress] in progress(LogLine($0)) })
            return engine.add(
                specification, onDevices: placed.onDevices, key: known?.key, profile: known?.profile)
        } catch {
            placed.unload()
            throw error
        }
    }

    /// Lets models answer what they have accepted, and frees them.
    func retire(_ models: [ServedModel], in state: CatalogStore) {
        for model in models {
            let (name, version) = (model.specification.name, model.specification.version)
            progress("unloading \(name) version \(version)")
            engine.unload(model) { [progress] _ in
                state.withLock { $0.noteUnloaded(name, version) }
                progress(
                    LogLine(
                        .modelUnloaded, "\(name) version \(version) is unloaded",
                        ["model": name, "version": "\(version)"]))
            }
        }
    }

    /// Keeps in mind, and says, that a model which was asked for by name is not in the repository.
    func noteMissing(_ name: String, in state: CatalogStore) {
        let reason = "it is not in the repository"
        progress(.unavailable(name, nil, reason: reason))
        state.withLock { $0.noteFailed(name, nil, reason: reason) }
    }

    /// Takes a model out of service that cannot be warmed.
    func refuse(_ model: ServedModel, _ reason: String, in state: CatalogStore) {
        let (name, version) = (model.specification.name, model.specification.version)
        progress(.unavailable(name, version, reason: reason))
        state.withLock { $0.noteBroken(name, version, reason: reason) }
        retire([model], in: state)
    }
}

extension LogLine {
    /// A model takes requests.
    fileprivate static func ready(_ model: ServedModel) -> LogLine {
        let (name, version) = (model.specification.name, model.specification.version)
        return LogLine(
            .modelReady, "\(name) version \(version) is loaded", ["model": name, "version": "\(version)"])
    }

    /// A model, or a version of it, cannot be served.
    fileprivate static func unavailable(_ name: String, _ version: Int?, reason: String) -> LogLine {
        let words = version.map { "\(name) version \($0)" } ?? name
        return LogLine(
            .modelUnavailable, "\(words): UNAVAILABLE: \(reason)", kind: .error,
            ["model": name, "version": version.map { "\($0)" } ?? "", "reason": reason])
    }
}
