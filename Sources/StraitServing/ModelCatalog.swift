// SPDX-License-Identifier: Apache-2.0

package import StraitDevices
package import StraitProtocol
internal import StraitTensor

/// The models of a repository: those that are served, and those that cannot be, with why.
package struct ModelCatalog: Sendable {
    /// One version of a model.
    package enum Version: Sendable {
        /// It takes requests.
        case served(ServedModel)
        /// It could not be loaded.
        case unavailable(name: String, version: Int?, reason: String)
    }

    /// Versions by model name, ascending.
    private let models: [String: [Version]]
    /// What was odd but not wrong, for the log.
    package let warnings: [String]

    /// Loads all models of a repository, one after the other.
    ///
    /// - Parameters:
    ///   - knowledge: what is known of models beforehand; nil to know nothing.
    ///   - progress: told what is being loaded, and what came of it.
    /// - Throws: ``RepositoryError`` when the repository itself cannot be read. A model that cannot be loaded is kept as
    ///   unavailable; the others are served.
    package init(
        repository path: String, on device: any Device, engine: Engine, knowledge: PriorKnowledge? = nil,
        progress: (String) -> Void = { _ in }
    ) throws(RepositoryError) {
        var models: [String: [Version]] = [:]
        var warnings: [String] = []
        for entry in try ModelRepository.scan(path: path, needsFiles: device.needsModelFiles) {
            warnings += entry.warnings
            if let problem = entry.problem {
                models[entry.name] = [.unavailable(name: entry.name, version: nil, reason: "\(problem)")]
                progress("\(entry.name): UNAVAILABLE: \(problem)")
                continue
            }
            models[entry.name] = entry.chosenVersions.map { version in
                progress("loading \(entry.name) version \(version)")
                do {
                    return .served(try Self.load(entry, version, on: device, engine, knowledge, progress))
                } catch {
                    progress("\(entry.name) version \(version): UNAVAILABLE: \(error)")
                    return .unavailable(name: entry.name, version: version, reason: "\(error)")
                }
            }
        }
        self.models = models
        self.warnings = warnings
    }

    private static func load(
        _ entry: RepositoryEntry, _ version: Int, on device: any Device, _ engine: Engine,
        _ knowledge: PriorKnowledge?, _ progress: (String) -> Void
    ) throws -> ServedModel {
        let loaded = try device.load(ModelSource(entry, version: version))
        let interface = ModelInterface(loaded)
        let specification = try ModelSpecification.resolve(entry: entry, version: version, interface: interface)
        let known = knowledge?.knowledge(of: specification, loaded, on: device, log: progress)
        return engine.add(specification, loaded: loaded, key: known?.key, profile: known?.profile)
    }

    /// All versions of all models, by name and version.
    package var all: [Version] { models.keys.sorted().flatMap { models[$0] ?? [] } }

    /// The served models, by name and version.
    package var served: [ServedModel] {
        all.compactMap { if case .served(let model) = $0 { model } else { nil } }
    }

    /// The model of a name, in a version or else its latest.
    ///
    /// - Throws: ``ProtocolError``: `notFound` for a name or version that is not in the repository, `unavailable` with
    ///   the reason for one that could not be loaded.
    package func find(_ name: String, version: String?) throws(ProtocolError) -> ServedModel {
        guard let versions = models[name] else {
            throw ProtocolError(
                .notFound, "no model is named '\(name)'; GET /v2/models/stats lists those that are served")
        }
        var match = versions.last
        if let version, !version.isEmpty {
            match = versions.first { $0.number.map { String($0) } == version }
            guard match != nil else {
                let known = versions.compactMap(\.number).map { String($0) }.joined(separator: ", ")
                throw ProtocolError(.notFound, "model '\(name)' has no version '\(version)'; it has \(known)")
            }
        }
        switch match {
        case .served(let model): return model
        case .unavailable(_, _, let reason):
            throw ProtocolError(.unavailable, "model '\(name)' is not available: \(reason)")
        case nil: throw ProtocolError(.unavailable, "model '\(name)' has no version")
        }
    }

    /// The versions of a model that are served.
    package func versions(of name: String) -> [Int] {
        (models[name] ?? []).compactMap { if case .served = $0 { $0.number } else { nil } }
    }
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
