// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// The file next to a model repository that holds what `strait profile` measured of its models on one kind of device.
///
/// JSON with one point a line, so that people can read, compare and mend it.
package struct ProfileFile: Sendable, Hashable {
    /// The version of the form that is written; a file of any other is refused.
    package static let version = 1
    /// The longest file that is read: thousands of models.
    package static let maximumBytes = 16 << 20

    /// What the models were measured on.
    package struct Device: Sendable, Hashable {
        /// Such as a GPU's or a processor's name, 1 to 256 bytes.
        package var name: String
        /// The driver or runtime with its version, 1 to 256 bytes.
        package var driver: String

        /// A device with its driver.
        package init(name: String, driver: String) {
            self.name = name
            self.driver = driver
        }
    }

    /// What was measured of one model.
    package struct Model: Sendable, Hashable {
        /// Its name in the repository.
        package var name: String
        /// Its version, at least 1.
        package var version: Int
        /// A digest of its file, so that another model under the same name is noticed; 1 to 256 bytes.
        package var hash: String
        /// What was measured.
        package var profile: ModelProfile

        /// A measured model.
        package init(name: String, version: Int, hash: String, profile: ModelProfile) {
            self.name = name
            self.version = version
            self.hash = hash
            self.profile = profile
        }
    }

    /// What the models were measured on.
    package var device: Device
    /// The models, each name and version once.
    package var models: [Model]
    /// When that was, in milliseconds since 1970; nil where it is not known.
    package var calendarMilliseconds: Int64?
    /// What the profiles were made from. Schedulers have no use for it; people and pictures have.
    package var records: [ProfileRecord] = []

    /// A file's content.
    package init(device: Device, models: [Model]) {
        self.device = device
        self.models = models
    }

    /// Where the profile of a repository stands: beside its folder, `models` has `models.profile.json`.
    package static func path(forRepository repository: String) -> String {
        RepositoryFiles.path(beside: repository, kind: "profile")
    }

    /// The profile of a model if it was measured on that device with that file; nil otherwise.
    package func profile(name: String, version: Int, hash: String, on device: Device) -> ModelProfile? {
        guard device == self.device else { return nil }
        return models.first { $0.name == name && $0.version == version && $0.hash == hash }?.profile
    }

    // -- reading --------------------------------------------------------------------------------------------------

    private static let keys = ["strait_profile", "device", "calendar_ms", "models", "measurements"]
    private static let modelKeys = ["name", "version", "hash", "profile"]

    /// Reads a file.
    ///
    /// - Throws: a ``FormatError`` with the file, and for its content the line, the key and what was expected.
    package init(path: String) throws(FormatError) {
        let content = try Files.read(path, limit: Self.maximumBytes)
        self = try content.parsed(file: path) { (text) throws(FormatError) in try ProfileFile(text: text) }
    }

    private init(text: UnsafeBufferPointer<UInt8>) throws(FormatError) {
        var fields = try JSONFields(try JSONReader.read(text))
        try fields.version("strait_profile", Self.version, otherwise: "measure again with strait profile")
        let deviceNode = try fields.node("device", "an object with name and driver")
        let nodes = try fields.optionalArray("models", atMost: Bounds.models)
        let measurements = try fields.optionalArray("measurements", atMost: Bounds.measurements)
        calendarMilliseconds = try fields.optionalWhole("calendar_ms", in: Bounds.calendar)
        try fields.finish(known: Self.keys)
        device = try Device(json: deviceNode, at: "device")
        models = []
        var seen: Set<[String]> = []
        for (index, node) in nodes.enumerated() {
            let model = try Self.model(node, at: "models[\(index)]")
            guard seen.insert([model.name, String(model.version)]).inserted else {
                throw FormatError(
                    .invalid, "\(JSONNode.quoted(model.name)) version \(model.version) stands twice in the file",
                    key: "models[\(index)].name", offset: node.offset)
            }
            models.append(model)
        }
        for (index, node) in measurements.enumerated() {
            var fields = try JSONFields(node, at: "measurements[\(index)]")
            records.append(try ProfileRecord(&fields))
        }
    }

    private static func model(_ node: JSONNode, at path: String) throws(FormatError) -> Model {
        var fields = try JSONFields(node, at: path)
        let profile = try fields.node("profile", "an object with curves")
        let model = Model(
            name: try fields.name("name"), version: try fields.whole("version", in: ModelKey.versions),
            hash: try fields.name("hash"), profile: try ModelProfile(json: profile, at: fields.keyPath("profile")))
        try fields.finish(known: modelKeys)
        return model
    }

    // -- writing --------------------------------------------------------------------------------------------------

    /// Writes a file in one step: whoever reads it sees the old content or the new one.
    ///
    /// - Throws: a ``FormatError`` with the file, also where the content is such that it could not be read back.
    package func write(to path: String) throws(FormatError) {
        if let flaw = flaw() { throw FormatError(.invalid, "not written, because \(flaw)", file: path) }
        try Files.replace(path, with: json())
    }

    private func flaw() -> String? {
        let names = [device.name, device.driver] + models.flatMap { [$0.name, $0.hash] }
        if !names.allSatisfy({ (1...Bounds.name).contains($0.utf8.count) }) { return "a name is empty or too long" }
        if models.count > Bounds.models { return "there are more than \(Bounds.models) models" }
        if Set(models.map { [$0.name, String($0.version)] }).count < models.count {
            return "a model stands twice in it"
        }
        for model in models {
            if !ModelKey.versions.contains(model.version) { return "\(model.name) has the version \(model.version)" }
            if let flaw = model.profile.flaw() { return "in the profile of \(model.name) \(flaw)" }
        }
        if let calendarMilliseconds, !Bounds.calendar.contains(calendarMilliseconds) { return "its date is none" }
        if records.count > Bounds.measurements { return "there are more than \(Bounds.measurements) measurements" }
        for record in records { if let flaw = record.flaw() { return flaw } }
        return nil
    }

    private func json() -> [UInt8] {
        var text = JSONText()
        text.raw("{\n  \"strait_profile\": ")
        text.integer(Self.version)
        text.raw(",\n  \"device\": ")
        device.write(to: &text)
        if let calendarMilliseconds {
            text.raw(",\n  \"calendar_ms\": ")
            text.integer(Int(calendarMilliseconds))
        }
        text.raw(",\n  \"models\": [")
        for (index, model) in models.enumerated() {
            text.raw(index > 0 ? ",\n    {" : "\n    {")
            text.raw("\n      \"name\": ")
            text.string(model.name)
            text.raw(",\n      \"version\": ")
            text.integer(model.version)
            text.raw(",\n      \"hash\": ")
            text.string(model.hash)
            text.raw(",\n      \"profile\": {\n")
            model.profile.write(to: &text, indentation: "        ")
            text.raw("\n      }\n    }")
        }
        text.raw("\n  ]")
        if !records.isEmpty { text.raw(",\n  \"measurements\": [") }
        for (index, record) in records.enumerated() {
            text.raw(index > 0 ? ",\n    " : "\n    ")
            record.write(to: &text)
        }
        text.raw(records.isEmpty ? "\n}\n" : "\n  ]\n}\n")
        return text.bytes
    }
}

extension ProfileFile.Device {
    private static let keys = ["name", "driver"]

    /// Reads a device.
    init(json node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(name: try fields.name("name"), driver: try fields.name("driver"))
        try fields.finish(known: Self.keys)
    }

    /// Whether it could be read back.
    var isWritable: Bool { [name, driver].allSatisfy { (1...Bounds.name).contains($0.utf8.count) } }

    /// Writes the device on one line.
    func write(to text: inout JSONText) {
        text.raw("{\"name\": ")
        text.string(name)
        text.raw(", \"driver\": ")
        text.string(driver)
        text.raw("}")
    }
}

extension [UInt8] {
    /// What a file of this content says; errors have its name and the line.
    func parsed<Value>(
        file: String, _ read: (UnsafeBufferPointer<UInt8>) throws(FormatError) -> Value
    ) throws(FormatError) -> Value {
        let result = withUnsafeBufferPointer { text -> Result<Value, FormatError> in
            do throws(FormatError) { return .success(try read(text)) } catch {
                return .failure(error.located(in: text, file: file))
            }
        }
        return try result.get()
    }
}
