// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore

/// The file that a profile grows in: a line for what is measured, then one for each measurement as soon as it is made. A
/// profile that was cut off goes on from it.
package struct ProfileJournal: Sendable {
    /// What is measured.
    package struct Head: Sendable, Hashable {
        /// The device.
        package var device: ProfileFile.Device
        /// How: measurements that were made in another way do not count. 1 to 256 bytes.
        package var settings: String
        /// The models' files.
        package var models: [ModelKey]

        /// A head.
        package init(device: ProfileFile.Device, settings: String, models: [ModelKey]) {
            self.device = device
            self.settings = settings
            self.models = models
        }
    }

    fileprivate static let version = 1
    private static let maximumBytes = 64 << 20

    /// The file.
    package let path: String
    private let file: Int32
    private var text = JSONText()

    // -- reading --------------------------------------------------------------------------------------------------

    /// What an earlier session measured in the same way on the same device, of the models whose files are the same; nothing
    /// where there is no such file.
    ///
    /// The last line may have been cut off, so reading ends at the first that cannot be read.
    ///
    /// - Throws: where there is a file that is no journal: it is somebody's, and not to be written over.
    package static func records(at path: String, for head: Head) throws(FormatError) -> [ProfileRecord] {
        guard RepositoryFiles.exists(path) else { return [] }
        var found: Head?
        var records: [ProfileRecord] = []
        var isCut = false
        try Files.readLines(path, limit: maximumBytes) { (line) throws(FormatError) in
            guard !isCut else { return }
            guard found != nil else { return found = try Head(line) }
            do throws(FormatError) {
                var fields = try JSONFields(try JSONReader.read(line))
                records.append(try ProfileRecord(&fields))
            } catch { isCut = true }
        }
        guard let found, found.device == head.device, found.settings == head.settings else { return [] }
        let same = Set(found.models).intersection(head.models).map { [$0.name, String($0.version)] }
        return records.filter { record in
            record.subjects.allSatisfy { same.contains([$0.model, String($0.version)]) }
        }
    }

    // -- writing --------------------------------------------------------------------------------------------------

    /// Begins a file, in the place of what was there, with what is taken over from it.
    ///
    /// - Throws: `unwritable` with the file.
    package init(path: String, _ head: Head, keeping records: [ProfileRecord]) throws(FormatError) {
        self.path = path
        text.raw("{\"strait_profile_journal\": ")
        text.integer(Self.version)
        text.raw(", \"device\": ")
        head.device.write(to: &text)
        text.raw(", \"settings\": ")
        text.string(head.settings)
        text.raw(", \"models\": [")
        for (index, model) in head.models.enumerated() {
            text.raw(index > 0 ? ", {\"name\": " : "{\"name\": ")
            text.string(model.name)
            text.raw(", \"version\": ")
            text.integer(model.version)
            text.raw(", \"hash\": ")
            text.string(model.hash)
            text.raw("}")
        }
        text.raw("]}\n")
        for record in records {
            record.write(to: &text)
            text.raw("\n")
        }
        // In one step, so that nothing of what was measured is lost if this is cut off.
        try Files.replace(path, with: text.bytes)
        text.removeAll()
        file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard file >= 0 else { throw FormatError(.unwritable, "cannot be opened: \(Files.reason())", file: path) }
    }

    /// Adds a measurement. It is in the file when this returns, whatever becomes of the process.
    ///
    /// - Throws: `unwritable` with the file, `invalid` for what could not be read back.
    package mutating func append(_ record: ProfileRecord) throws(FormatError) {
        if let flaw = record.flaw() { throw FormatError(.invalid, "not written, because \(flaw)", file: path) }
        defer { text.removeAll() }
        record.write(to: &text)
        text.raw("\n")
        if let reason = Files.append(text.bytes, to: file) {
            throw FormatError(.unwritable, "cannot be written: \(reason)", file: path)
        }
    }

    /// Ends writing.
    ///
    /// - Parameter removing: whether the file is needed no longer.
    package func close(removing: Bool) {
        Glibc.close(file)
        if removing { unlink(path) }
    }
}

extension ProfileJournal.Head {
    private static let keys = ["strait_profile_journal", "device", "settings", "models"]

    fileprivate init(_ line: UnsafeBufferPointer<UInt8>) throws(FormatError) {
        var fields = try JSONFields(try JSONReader.read(line))
        try fields.version(
            "strait_profile_journal", ProfileJournal.version, otherwise: "remove it, or name another output")
        let device = try ProfileFile.Device(
            json: try fields.node("device", "an object with name and driver"), at: "device")
        let settings = try fields.name("settings")
        let nodes = try fields.optionalArray("models", atMost: Bounds.models)
        try fields.finish(known: Self.keys)
        self.init(device: device, settings: settings, models: [])
        for (index, node) in nodes.enumerated() {
            var fields = try JSONFields(node, at: "models[\(index)]")
            models.append(
                ModelKey(
                    name: try fields.name("name"), version: try fields.whole("version", in: ModelKey.versions),
                    hash: try fields.name("hash")))
            try fields.finish(known: ["name", "version", "hash"])
        }
    }
}

extension ProfileRecord {
    /// The batches that it is about.
    package var subjects: [Subject] {
        switch self {
        case .solo(let solo): [solo.subject]
        case .stressed(let stressed): [stressed.subject]
        case .pair(let pair): [pair.first, pair.second]
        case .reference: []
        }
    }
}
