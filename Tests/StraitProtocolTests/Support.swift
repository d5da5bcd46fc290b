// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitTensor

@testable internal import StraitProtocol

/// Seeded, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// A request's body in memory, at the very end of its slab so that a sanitizer sees every read beyond it.
struct Body {
    let slab: Slab
    let range: Range<Int>
    var jsonLength: Int?

    init(_ json: [UInt8], binary: [UInt8]? = nil, pool: SlabPool) throws {
        let bytes = json + (binary ?? [])
        slab = try pool.take(max(1, bytes.count))
        let start = slab.bytes.count - bytes.count
        for (index, byte) in bytes.enumerated() { slab.bytes[start + index] = byte }
        range = start..<slab.bytes.count
        jsonLength = binary == nil ? nil : json.count
    }

    func decode(for model: ModelSpecification = anyModel, pool: SlabPool) throws(ProtocolError) -> InferenceRequest {
        try InferenceRequestDecoder.decode(body: slab, range: range, jsonLength: jsonLength, model: model, pool: pool)
    }
}

/// A model that a request with JSON need not fit.
let anyModel = ModelSpecification(
    name: "m", version: 1, modelFile: "m/1/model.onnx", maxBatchSize: 0, inputs: [], outputs: [])

/// Decodes a body given as text, and raw bytes behind it if any.
func decode(_ json: String, binary: [UInt8]? = nil, pool: SlabPool = SlabPool(budget: 1 << 26)) throws
    -> InferenceRequest
{
    try Body(Array(json.utf8), binary: binary, pool: pool).decode(pool: pool)
}

/// The error that decoding gives, or nil where it succeeds.
func decodingError(_ json: [UInt8], binary: [UInt8]? = nil, pool: SlabPool = SlabPool(budget: 1 << 26)) throws
    -> ProtocolError?
{
    let body = try Body(json, binary: binary, pool: pool)
    do throws(ProtocolError) {
        _ = try body.decode(pool: pool)
        return nil
    } catch {
        return error
    }
}

/// A request with one input, its data in JSON.
func oneInput(_ type: String, _ shape: String, _ data: String) -> String {
    #"{"inputs":[{"name":"x","datatype":"\#(type)","shape":\#(shape),"data":\#(data)}]}"#
}

extension Tensor {
    /// The elements as numbers of the given type.
    func values<Element: BitwiseCopyable>(_ type: Element.Type) -> [Element] {
        stride(from: 0, to: range.count, by: MemoryLayout<Element>.stride).map {
            bytes.loadUnaligned(fromByteOffset: $0, as: Element.self)
        }
    }

    /// The elements of a BYTES tensor; nil where the lengths do not add up.
    var strings: [[UInt8]]? {
        var elements: [[UInt8]] = []
        return BytesLayout.forEachElement(in: bytes, { elements.append(Array($0)) }) == nil ? nil : elements
    }

    /// A tensor over a copy of `content`.
    static func make(
        _ name: String, _ type: ElementType, _ shape: Shape, _ content: [UInt8], pool: SlabPool
    ) throws -> Tensor {
        let slab = try pool.take(max(1, content.count))
        for (index, byte) in content.enumerated() { slab.bytes[index] = byte }
        return Tensor(name: name, type: type, shape: shape, slab: slab, range: 0..<content.count)
    }
}

/// The bytes of numbers as they lie in memory.
func rawBytes<Element: BitwiseCopyable>(_ values: [Element]) -> [UInt8] {
    values.withUnsafeBytes { Array($0) }
}

/// Each string behind its length.
func lengthPrefixed(_ strings: [[UInt8]]) -> [UInt8] {
    strings.flatMap { rawBytes([UInt32($0.count)]) + $0 }
}

/// Whether `text` is one well-formed JSON value.
func isJSON(_ text: [UInt8]) -> Bool {
    text.withUnsafeBytes { bytes in
        var scanner = JSONScanner(bytes)
        do throws(ProtocolError) {
            try scanner.skipValue()
            try scanner.finish()
            return true
        } catch {
            return false
        }
    }
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// A folder of its own for one test, removed with it.
final class TemporaryFolder {
    let path: String
    private var made: [String] = []

    init() {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/strait-test-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? ""
    }

    /// Makes a folder, and those above it.
    func makeFolder(_ name: String) {
        var folder = path
        for part in name.split(separator: "/") {
            folder += "/" + part
            if mkdir(folder, 0o755) == 0 { made.append(folder) }
        }
    }

    /// Writes a file, making the folders above it.
    func write(_ name: String, _ content: String = "") {
        if let slash = name.lastIndex(of: "/") { makeFolder(String(name[..<slash])) }
        guard let file = fopen("\(path)/\(name)", "w") else { return }
        fputs(content, file)
        fclose(file)
        made.append("\(path)/\(name)")
    }

    /// Makes a link to something else in the folder.
    func link(_ name: String, to target: String) {
        symlink("\(path)/\(target)", "\(path)/\(name)")
        made.append("\(path)/\(name)")
    }

    deinit {
        for entry in made.reversed() { remove(entry) }
        rmdir(path)
    }
}
