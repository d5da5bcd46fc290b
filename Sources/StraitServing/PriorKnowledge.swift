// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitDevices
package import StraitFormats
internal import StraitProtocol

/// What is known of a server's models before they serve: what `strait profile` measured, what an earlier server learned,
/// and, where there is neither, what can be measured in a second.
package struct PriorKnowledge: Sendable {
    /// What this server's models run on: one device, or several of one kind.
    package let device: ProfileFile.Device
    /// What was measured on such a device; nil if nothing was.
    private let profiles: ProfileFile?
    /// What was learned on such a device, and nil if nothing was.
    package let learned: LearnedStateFile?
    private let quickProfiler: QuickProfiler?

    /// Where a profile is sought.
    package enum ProfileSource: Sendable {
        /// In a file that must be there.
        case file(String)
        /// Beside a repository, if there is one.
        case beside(repository: String)
    }

    /// Reads what is there. What is of another device, and a file that is broken, is told and passed over.
    ///
    /// - Parameters:
    ///   - learned: the path of the learned state, which need not be there; nil to start anew.
    ///   - quickProfiler: measures models of which no profile is known; nil to serve them without.
    ///   - log: told what was taken and what was not, and why.
    /// - Throws: what is wrong with a profile that was named.
    package init(
        for devices: [any Device], profile: ProfileSource, learned: String?, quickProfiler: QuickProfiler?,
        log: (String) -> Void
    ) throws(FormatError) {
        let identity = DeviceIdentity(of: devices)
        self.device = ProfileFile.Device(name: identity.name, driver: identity.driver)
        self.quickProfiler = quickProfiler
        let own = self.device
        switch profile {
        case .file(let path):
            profiles = Self.taken(try ProfileFile(path: path), of: \.device, by: own, "profile \(path)", log)
        case .beside(let repository):
            let path = ProfileFile.path(forRepository: repository)
            let found = Self.found(path, "profile", log) { (path) throws(FormatError) in try ProfileFile(path: path) }
            profiles = found.flatMap { Self.taken($0, of: \.device, by: own, "profile \(path)", log) }
        }
        self.learned = learned.flatMap { path in
            let found = Self.found(path, "learned state", log) { (path) throws(FormatError) in
                try LearnedStateFile(path: path)
            }
            return found.flatMap { Self.taken($0, of: \.device, by: own, "learned state \(path)", log) }
        }
    }

    /// A file that may be missing, and is not to keep a server from serving if it is broken.
    private static func found<File>(
        _ path: String, _ kind: String, _ log: (String) -> Void, read: (String) throws(FormatError) -> File
    ) -> File? {
        guard RepositoryFiles.exists(path) else { return nil }
        do throws(FormatError) { return try read(path) } catch {
            log("warning: \(kind) not used: \(error)")
            return nil
        }
    }

    private static func taken<File>(
        _ file: File, of device: KeyPath<File, ProfileFile.Device>, by own: ProfileFile.Device, _ name: String,
        _ log: (String) -> Void
    ) -> File? {
        guard let difference = own.difference(from: file[keyPath: device]) else { return file }
        log("\(name) not used: it is \(difference)")
        return nil
    }

    // -- models ---------------------------------------------------------------------------------------------------

    /// What is known of a model that was just loaded: by what it is known later, and its profile. Measures it if need be.
    ///
    /// - Parameters:
    ///   - measures: whether it may be measured, which needs an idle device.
    ///   - log: told where the profile is from, or why there is none.
    func knowledge(
        of specification: ModelSpecification, _ loaded: LoadedModel, on device: any Device, measures: Bool = true,
        log: (String) -> Void
    ) -> (key: ModelKey?, profile: ModelProfile?) {
        let name = "\(specification.name) version \(specification.version)"
        var key: ModelKey?
        do throws(FormatError) {
            let hash = try FileDigest.sha256(path: specification.modelFile)
            key = ModelKey(name: specification.name, version: specification.version, hash: hash)
        } catch {
            log("\(name): nothing of it will be kept: \(error)")
        }
        if let key, let profile = measured(key, log: log) { return (key, profile) }
        if let profile = device.knownProfile(of: loaded) {
            log("\(name): profile as its device has it")
            return (key, profile)
        }
        // Of an earlier server that measured it at load; what that learned refers to this very profile.
        if let key, let profile = learned?.profile(of: key) {
            log("\(name): profile kept with what was learned")
            return (key, profile)
        }
        guard let quickProfiler, measures else { return (key, nil) }
        do {
            let measurement = try quickProfiler.measure(specification, loaded, on: device)
            log("\(name): no profile; measured a quick one: \(measurement.words)")
            return (key, measurement.profile)
        } catch {
            log("\(name): no profile, and none could be measured (\(error)); its times are learned while it serves")
            return (key, nil)
        }
    }

    /// The profile of `strait profile`.
    private func measured(_ key: ModelKey, log: (String) -> Void) -> ModelProfile? {
        guard let model = profiles?.models.first(where: { $0.name == key.name && $0.version == key.version }) else {
            return nil
        }
        guard model.hash == key.hash else {
            log(
                "\(key.name) version \(key.version): profile not used: it is of a file \(model.hash), this is \(key.hash)"
            )
            return nil
        }
        log("\(key.name) version \(key.version): profile as measured")
        return model.profile
    }
}
