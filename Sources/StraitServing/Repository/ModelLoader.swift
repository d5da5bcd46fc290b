// SPDX-License-Identifier: Apache-2.0

internal import StraitDevices
internal import StraitProtocol
internal import StraitTensor

/// Makes models of files: loads them on the device, takes them into the engine's service, and out of it again.
struct ModelLoader: Sendable {
    /// The repository's folder.
    let path: String
    let device: any Device
    let engine: Engine
    let knowledge: PriorKnowledge?
    let pool: SlabPool
    let progress: @Sendable (String) -> Void

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
            progress("\(entry.name): UNAVAILABLE: \(problem)")
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
                    engine.retire(model) { [device] in device.unload(model.loaded) }
                    throw WarmUpFailure(description: reason)
                }
                let replaced = state.withLock { $0.noteReady(model) }
                if let replaced { retire([replaced], in: state) }
            } catch {
                progress("\(entry.name) version \(version): UNAVAILABLE: \(error)")
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
        let loaded = try device.load(ModelSource(entry, version: version))
        do {
            let interface = ModelInterface(loaded)
            let specification = try ModelSpecification.resolve(entry: entry, version: version, interface: interface)
            let known = knowledge?.knowledge(
                of: specification, loaded, on: device, measures: !isServing, log: progress)
            return engine.add(specification, loaded: loaded, key: known?.key, profile: known?.profile)
        } catch {
            device.unload(loaded)
            throw error
        }
    }

    /// Lets models answer what they have accepted, and frees them.
    func retire(_ models: [ServedModel], in state: CatalogStore) {
        for model in models {
            let (name, version) = (model.specification.name, model.specification.version)
            progress("unloading \(name) version \(version)")
            engine.retire(model) { [device, progress] in
                device.unload(model.loaded)
                state.withLock { $0.noteUnloaded(name, version) }
                progress("\(name) version \(version) is unloaded")
            }
        }
    }

    /// Takes a model out of service that cannot be warmed.
    func refuse(_ model: ServedModel, _ reason: String, in state: CatalogStore) {
        let (name, version) = (model.specification.name, model.specification.version)
        progress("\(name) version \(version): UNAVAILABLE: \(reason)")
        state.withLock { $0.noteBroken(name, version, reason: reason) }
        retire([model], in: state)
    }
}
