// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

extension LearnedStateFile {
    private static let keys = [
        "strait_learned", "device", "estimator", "theta", "matrix", "right_side", "classes", "devices", "models",
    ]
    private static let modelKeys = [
        "name", "version", "hash", "profile", "interference", "pace", "solo", "corrections", "copies",
    ]

    /// Reads a file.
    ///
    /// - Throws: a ``FormatError`` with the file, and for its content the line, the key and what was expected.
    package init(path: String) throws(FormatError) {
        let content = try Files.read(path, limit: Self.maximumBytes)
        self = try content.parsed(file: path) { (text) throws(FormatError) in try LearnedStateFile(text: text) }
    }

    init(text: UnsafeBufferPointer<UInt8>) throws(FormatError) {
        var fields = try JSONFields(try JSONReader.read(text))
        try fields.version("strait_learned", Self.version, otherwise: "remove the file")
        device = try ProfileFile.Device(json: try fields.node("device", "an object with name and driver"), at: "device")
        learned = LearnedState(
            estimator: try fields.choice("estimator", of: EstimatorName.self), theta: try fields.vector("theta"))
        for row in try fields.optionalArray("matrix", atMost: InterferenceFeatures.count) {
            learned.matrix.append(try SIMD8(json: row, at: "matrix[\(learned.matrix.count)]"))
        }
        if fields.has("right_side") { learned.rightSide = try fields.vector("right_side") }
        learned.classes = try LearnedState.Quantiles.ofClasses(
            json: try fields.node("classes", "an object with high and low"), at: "classes")
        let devices = try fields.array("devices", atMost: Bounds.devices)
        let nodes = try fields.optionalArray("models", atMost: Bounds.models)
        try fields.finish(known: Self.keys)
        for (index, node) in devices.enumerated() {
            learned.devices.append(try LearnedState.Device(json: node, at: "devices[\(index)]"))
        }
        models = []
        try readModels(nodes)
        // Each part is sound by itself; that they go together is seen in the end.
        if let broken = learned.brokenInvariant() { throw FormatError(.invalid, broken) }
    }

    private mutating func readModels(_ nodes: [JSONNode]) throws(FormatError) {
        var seen: Set<[String]> = []
        for (index, node) in nodes.enumerated() {
            let path = "models[\(index)]"
            var fields = try JSONFields(node, at: path)
            let key = try ModelKey(&fields)
            guard seen.insert([key.name, String(key.version)]).inserted else {
                throw FormatError(
                    .invalid, "\(JSONNode.quoted(key.name)) version \(key.version) stands twice in the file",
                    key: "\(path).name", offset: node.offset)
            }
            var model = Model(key: key, profile: nil)
            if let profile = fields.optional("profile") {
                model.profile = try ModelProfile(json: profile, at: fields.keyPath("profile"))
            }
            models.append(model)
            learned.models.append(try LearnedState.Model(&fields))
            try fields.finish(known: Self.modelKeys)
            if let broken = learned.models[index].brokenInvariant() {
                throw FormatError(.invalid, broken, key: path, offset: node.offset)
            }
        }
    }
}

extension ModelKey {
    /// Takes a model's name, version and hash.
    init(_ fields: inout JSONFields) throws(FormatError) {
        self.init(
            name: try fields.name("name"), version: try fields.whole("version", in: Self.versions),
            hash: try fields.name("hash"))
    }
}
