// SPDX-License-Identifier: Apache-2.0

internal import StraitFormats

/// What takes bytes from outside, each with what must hold for any bytes at all.
///
/// Used twice: by the fuzzer (`make fuzz`), which looks for bytes for which it does not hold, and by a test that gives
/// each file under Tests/FuzzCorpus to it.
package enum FuzzedDecoder: String, CaseIterable, Sendable {
    /// The body of an inference request: its JSON, and behind a NUL byte, if there is one, its binary tensors.
    case request
    /// An inference request over gRPC: a message in protobuf.
    case wire
    /// What comes on a connection of gRPC: HTTP/2's frames.
    case frames
    /// The body of a request that is no inference: settings, parameters, a model's configuration in JSON.
    case control
    /// A body compressed with gzip, or with deflate where it does not begin like gzip; and a path.
    case compressed
    /// What a request says of its trace, and where traces go.
    case context
    /// The file that says whose requests are taken.
    case tokens
    /// A server's state, as `strait top` reads it.
    case page
    /// A model's config.pbtxt.
    case configuration
    /// A scenario in YAML.
    case scenario
    /// Recorded requests in CSV.
    case trace
    /// What a driver writes to `strait core`, line by line.
    case core
    /// What a server has learned of its models and devices.
    case learned
    /// Profiles of models.
    case profile
    /// What a scheduler did.
    case recording
    /// How close a simulation came to a server.
    case fidelity

    /// Decodes the bytes; says in words what should not have happened, or nil.
    ///
    /// What decodes is encoded and decoded again where there is an encoder, and must be equal; what does not must say
    /// why in a message that is no longer than a few lines of text and what the bytes add to it.
    package func flaw(_ bytes: [UInt8]) -> String? {
        switch self {
        case .request: RequestProperty.flaw(bytes)
        case .wire: WireProperty.flaw(bytes)
        case .frames: FramesProperty.flaw(bytes)
        case .control: ControlProperty.flaw(bytes)
        case .compressed: CompressedProperty.flaw(bytes)
        case .context: ContextProperty.flaw(bytes)
        case .tokens: TokensProperty.flaw(bytes)
        case .page: PageProperty.flaw(bytes)
        case .configuration: ConfigurationProperty.flaw(bytes)
        case .scenario: ScenarioProperty.flaw(bytes)
        case .trace: FileProperty.flawInTrace(bytes)
        case .core: CoreProperty.flaw(bytes)
        case .learned:
            FileProperty.flaw(
                bytes, { (path) throws(FormatError) in try LearnedStateFile(path: path) },
                { (file, path) throws(FormatError) in try file.write(to: path) })
        case .profile:
            FileProperty.flaw(
                bytes, { (path) throws(FormatError) in try ProfileFile(path: path) },
                { (file, path) throws(FormatError) in try file.write(to: path) })
        case .recording:
            FileProperty.flaw(
                bytes, { (path) throws(FormatError) in try Recording(path: path) },
                { (file, path) throws(FormatError) in try file.write(to: path) })
        case .fidelity:
            FileProperty.flaw(
                bytes,
                { (path) throws(FormatError) in
                    // Writing rounds, so only what was written once comes back as it is.
                    let file = try FidelityFile(path: path)
                    try file.write(to: path)
                    return try FidelityFile(path: path)
                },
                { (file, path) throws(FormatError) in try file.write(to: path) })
        }
    }

    /// The longest message in bytes: what is quoted from outside is cut, but several names of 256 bytes may stand in it.
    static let longestMessage = 2500

    /// What is wrong with the message of an error, or nil.
    static func flaw(inMessage message: String) -> String? {
        if message.isEmpty { return "an error without a message" }
        let length = message.utf8.count
        return length <= longestMessage ? nil : "a message of \(length) bytes"
    }
}
