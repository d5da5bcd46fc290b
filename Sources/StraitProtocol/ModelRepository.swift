// SPDX-License-Identifier: Apache-2.0

/// One model of a repository as the folder shows it; the model's file has not been opened.
package struct RepositoryEntry: Sendable {
    /// The model's name: that of its folder.
    package var name: String
    /// The model's folder.
    package var directory: String
    /// The versions that have a folder, ascending.
    package var availableVersions: [Int]
    /// The versions that the version policy serves, ascending.
    package var chosenVersions: [Int]
    /// What config.pbtxt says; nil where there is none, or where it is the problem.
    package var config: ModelConfiguration?
    /// What was set or laid out in vain, as `path:line: message`.
    package var warnings: [String]
    /// Why the model cannot be served; nil where nothing speaks against it so far.
    package var problem: RepositoryError?

    /// A model as scanned, or as a test makes it up.
    package init(
        name: String, directory: String, availableVersions: [Int] = [], chosenVersions: [Int] = [],
        config: ModelConfiguration? = nil, warnings: [String] = [], problem: RepositoryError? = nil
    ) {
        self.name = name
        self.directory = directory
        self.availableVersions = availableVersions
        self.chosenVersions = chosenVersions
        self.config = config
        self.warnings = warnings
        self.problem = problem
    }

    /// The file of one version: `model.onnx` unless config.pbtxt names another.
    package func modelFile(version: Int) -> String {
        let filename = config?.defaultModelFilename ?? ModelRepository.defaultModelFilename
        let path = "\(directory)/\(version)/\(filename)"
        // A model with external weights may be a folder that holds both.
        guard FileSystem.kind(path) == .directory else { return path }
        return "\(path)/\(ModelRepository.defaultModelFilename)"
    }

    /// Whether there is a file of one version. Where scanning needed files, there is one of each.
    package func hasModelFile(version: Int) -> Bool { FileSystem.kind(modelFile(version: version)) == .file }
}

/// A folder of models in Triton's layout: `<model>/[config.pbtxt]` and `<model>/<version>/model.onnx`.
package enum ModelRepository {
    /// The name of the model's file inside a version's folder, unless config.pbtxt names another.
    package static let defaultModelFilename = "model.onnx"
    /// The most models in a repository, and versions of a model: enough for any machine, and a wrong path ends soon.
    package static let maximumEntries = 4096
    /// The longest name of a model, in bytes.
    package static let maximumNameLength = 128

    /// The models in the folder at `path`, sorted by name.
    ///
    /// A model with a problem does not stop the others: it is listed with the problem. Plain files in the folder and
    /// names that start with a dot are passed over.
    ///
    /// - Parameter needsFiles: whether a model whose file is missing has a problem. Where it has not, because no device
    ///   reads files, a model needs no folder of a version either, if it has a config.pbtxt: it is version 1 then.
    /// - Throws: ``RepositoryError`` where the folder itself is missing or cannot be read.
    package static func scan(path: String, needsFiles: Bool = true) throws(RepositoryError) -> [RepositoryEntry] {
        try names(path: path).map { name in entry(path: path, name: name, needsFiles: needsFiles) }
    }

    /// The names of the models in the folder at `path`, sorted.
    ///
    /// - Throws: ``RepositoryError`` where the folder itself is missing or cannot be read.
    package static func names(path: String) throws(RepositoryError) -> [String] {
        let root = root(path)
        switch FileSystem.kind(root) {
        case nil:
            throw RepositoryError(
                .missing, "there is no model repository here; expected a folder of models", path: root)
        case .file, .other:
            throw RepositoryError(.missing, "not a folder; expected a model repository", path: root)
        case .directory: break
        }
        return try FileSystem.names(in: root, limit: maximumEntries).filter { name in
            FileSystem.kind("\(root)/\(name)") == .directory
        }
    }

    /// One model in the folder at `path`; the entry has a problem where there is none.
    ///
    /// - Parameters:
    ///   - configuration: JSON that takes the place of config.pbtxt; nil to read that.
    ///   - needsFiles: as for ``scan(path:needsFiles:)``.
    package static func entry(
        path: String, name: String, configuration: String? = nil, needsFiles: Bool = true
    ) -> RepositoryEntry {
        var entry = RepositoryEntry(name: name, directory: "\(root(path))/\(name)")
        do throws(RepositoryError) {
            try inspect(&entry, configuration, needsFiles: needsFiles)
        } catch {
            entry.problem = error
        }
        return entry
    }

    private static func root(_ path: String) -> String {
        path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    private static func inspect(
        _ entry: inout RepositoryEntry, _ configuration: String?, needsFiles: Bool
    ) throws(RepositoryError) {
        guard isServable(entry.name) else {
            throw RepositoryError(
                .badName,
                "a model's name has at most \(maximumNameLength) letters, digits and -_.+ of ASCII, and starts with no dot; "
                    + "rename the folder",
                path: entry.directory)
        }
        let configPath = "\(entry.directory)/config.pbtxt"
        let isConfigured = configuration != nil || FileSystem.kind(configPath) != nil
        try readVersions(&entry, orOne: isConfigured && !needsFiles)
        if let configuration {
            let outcome = try ModelConfigurationParser.parse(json: configuration, model: entry.name)
            entry.config = outcome.configuration
            entry.warnings += outcome.warnings
        } else if isConfigured {
            let text = try FileSystem.read(configPath, limit: ModelConfigurationParser.maximumSize)
            let outcome = try ModelConfigurationParser.parse(text, path: configPath, model: entry.name)
            entry.config = outcome.configuration
            entry.warnings += outcome.warnings
        }
        try chooseVersions(&entry)
        guard needsFiles else { return }
        for version in entry.chosenVersions {
            let file = entry.modelFile(version: version)
            guard FileSystem.kind(file) == .file else {
                throw RepositoryError(.missing, "the model's file is missing; expected an ONNX model here", path: file)
            }
        }
    }

    /// A name that needs no escaping in URLs, metrics and paths.
    private static func isServable(_ name: String) -> Bool {
        // Of those that start with a dot one is the folder itself, and another leads out of it.
        !name.isEmpty && !name.hasPrefix(".") && name.utf8.count <= maximumNameLength
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                    UInt8(ascii: "+"):
                    true
                default: false
                }
            }
    }

    /// - Parameter isOneEnough: whether there is version 1 where there is none with a folder.
    private static func readVersions(_ entry: inout RepositoryEntry, orOne isOneEnough: Bool) throws(RepositoryError) {
        for name in try FileSystem.names(in: entry.directory, limit: maximumEntries) {
            guard name.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { continue }
            let path = "\(entry.directory)/\(name)"
            guard FileSystem.kind(path) == .directory else { continue }
            guard !name.hasPrefix("0"), let version = Int(name) else {
                entry.warnings.append("\(path): ignored; a version is a number from 1 without leading zeros")
                continue
            }
            entry.availableVersions.append(version)
        }
        entry.availableVersions.sort()
        if entry.availableVersions.isEmpty, isOneEnough { entry.availableVersions = [1] }
        guard !entry.availableVersions.isEmpty else {
            throw RepositoryError(
                .missing, "the model has no version; expected a folder such as 1/ with \(defaultModelFilename) in it",
                path: entry.directory)
        }
    }

    private static func chooseVersions(_ entry: inout RepositoryEntry) throws(RepositoryError) {
        let policy = entry.config?.versionPolicy ?? .latest(count: 1)
        entry.chosenVersions = policy.choose(from: entry.availableVersions)
        guard case .specific(let wanted) = policy else { return }
        let missing = wanted.filter { !entry.availableVersions.contains($0) }.map { String($0) }
        guard !missing.isEmpty else { return }
        let text = "version_policy names version \(missing.joined(separator: ", ")), which has no folder"
        let path = "\(entry.directory)/config.pbtxt"
        guard !entry.chosenVersions.isEmpty else { throw RepositoryError(.missing, text, path: path) }
        entry.warnings.append("\(path): \(text)")
    }
}
