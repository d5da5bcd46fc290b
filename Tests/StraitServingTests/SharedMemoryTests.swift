// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Testing

/// A shared memory object of a test's own, gone afterwards.
private final class SharedObject {
    let key: String
    let descriptor: Int32

    init(_ bytes: [UInt8]) {
        key = "/strait-test-\(getpid())-\(UInt32.random(in: .min ... .max))"
        descriptor = shm_open(key, O_RDWR | O_CREAT | O_EXCL, 0o600)
        _ = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }

    deinit {
        close(descriptor)
        shm_unlink(key)
    }

    func shorten(to size: Int) { ftruncate(descriptor, off_t(size)) }

    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return Array(bytes[..<max(0, count)])
    }
}

@Suite struct SharedMemoryTests {
    private let registry = SharedMemoryRegistry()
    private let object = SharedObject((0..<64).map { UInt8($0) })

    private func problem(_ body: () throws -> Void) -> ProtocolError? {
        do { try body() } catch { return error as? ProtocolError }
        return nil
    }

    private func registering(_ name: String, _ key: String, _ offset: Int, _ count: Int) -> ProtocolError? {
        problem { try registry.register(name: name, key: key, offset: offset, byteCount: count) }
    }

    @Test func `what is registered is listed, until it is unregistered`() throws {
        try registry.register(name: "b", key: object.key, offset: 8, byteCount: 16)
        try registry.register(name: "a", key: String(object.key.dropFirst()), offset: 0, byteCount: 64)
        #expect(try registry.status(name: nil).map(\.name) == ["a", "b"])
        let b = SharedRegionStatus(name: "b", key: object.key, offset: 8, byteCount: 16)
        #expect(try registry.status(name: "b") == [b])
        #expect(registering("b", object.key, 0, 1)?.code == .alreadyExists)
        registry.unregister(name: "b")
        registry.unregister(name: "never was")
        #expect(problem { _ = try registry.status(name: "b") }?.code == .notFound)
        registry.unregisterAll()
        #expect(try registry.status(name: "").isEmpty)
    }

    @Test func `a key cannot lead anywhere else`() {
        for key in [
            "", "/", "..", "/..", ".", "/../etc/passwd", "a/b", "//etc/passwd", "/a\0b", "/dev/shm/x", "sem.x",
            "/sem.x",
        ] {
            #expect(registering("r", key, 0, 1)?.code == .invalidArgument, "\(key)")
        }
        #expect(registering("r", String(repeating: "k", count: 256), 0, 1)?.code == .invalidArgument)
        #expect(registering("r", "/strait-test-not-there", 0, 1)?.code == .notFound)
        #expect(registering("", object.key, 0, 1)?.code == .invalidArgument)
        #expect(registering(String(repeating: "n", count: 257), object.key, 0, 1)?.code == .invalidArgument)
    }

    @Test func `a region lies inside its object`() {
        let wrong = [(0, 65), (64, 1), (1, 64), (-1, 4), (0, 0), (0, -4), (.max, 1), (1, .max), (.max, .max)]
        for (offset, count) in wrong {
            #expect(registering("r", object.key, offset, count)?.code == .invalidArgument, "\(offset) \(count)")
        }
        #expect(registering("r", object.key, 63, 1) == nil)
    }
}

/// Inference from and to shared memory, on a device whose results are its inputs.
@Suite struct SharedTensorTests {
    private let device = ScriptedDevice()
    private let pool = SlabPool(budget: 1 << 20)
    private let log = ReplyLog()
    private let object = SharedObject([Float](arrayLiteral: 1, 2, 3, 4, 0, 0, 0, 0).withUnsafeBytes { Array($0) })
    private let service: InferenceService
    private let model: ServedModel

    init() throws {
        let folder = Folder()
        folder.write("", to: "m/1/model.onnx")
        let engine = Engine(policy: .edfPriority, device: device, clock: ManualClock())
        let catalog = try ModelCatalog(repository: folder.path, engine: engine)
        device.start(driver: engine)
        service = InferenceService(engine: engine, catalog: catalog, pool: pool)
        model = try catalog.find("m", version: nil)
        try service.sharedMemory.register(name: "r", key: object.key, offset: 0, byteCount: 32)
    }

    private func place(_ offset: Int, _ count: Int, of region: String = "r") throws -> SharedPlace {
        try SharedPlace(region: region, offset: offset, byteCount: count)
    }

    private func request(
        _ input: SharedPlace, shape: Shape = [1, 4], to output: SharedPlace? = nil, classes: Int = 0
    ) -> InferenceRequest {
        InferenceRequest(
            inputs: [], sharedInputs: [SharedInput(name: "in", type: .fp32, shape: shape, place: input)],
            outputs: [RequestedOutput(name: "out", classes: classes, place: output)])
    }

    private func submit(_ request: InferenceRequest) throws(Refusal) {
        _ = try service.infer(request, on: model, arrived: .zero) { [log] in log.note(0, $0) }
    }

    private func refusal(_ request: InferenceRequest) -> ProtocolError? {
        do throws(Refusal) {
            try submit(request)
            return nil
        } catch {
            return error.error
        }
    }

    @Test func `inputs are read and outputs written`() throws {
        let request = request(try place(0, 16), to: try place(16, 16))
        try submit(request)
        // What a client does to its memory after that changes nothing.
        _ = [UInt8](repeating: 9, count: 16).withUnsafeBytes { pwrite(object.descriptor, $0.baseAddress, 16, 0) }
        device.finish(lane: 0, taking: .milliseconds(1))
        let answer = try #require(log[0]?.answer)
        let response = try service.response(to: request, from: model, answer)
        #expect(response.inSharedMemory == ["out"])
        let written = object.bytes[16...].withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        #expect(written == [1, 2, 3, 4])
        let encoded = try InferenceResponseEncoder.encode(response) { _ in true }
        #expect(encoded.binaryTensors.isEmpty)
        let json = String(decoding: encoded.json, as: UTF8.self)
        #expect(json.hasSuffix(#""outputs":[{"name":"out","datatype":"FP32","shape":[1,4]}]}"#), "\(json)")
    }

    @Test func `classes go into shared memory, too`() throws {
        let request = request(try place(0, 16), to: try place(16, 16), classes: 1)
        try submit(request)
        device.finish(lane: 0, taking: .milliseconds(1))
        let response = try service.response(to: request, from: model, try #require(log[0]?.answer))
        #expect(response.outputs[0].shape == [1, 1])
        #expect(Array(object.bytes[16..<25]) == [5, 0, 0, 0] + Array("4.0:3".utf8))
    }

    @Test func `places outside of a region, and regions that are not there, are refused`() throws {
        #expect(refusal(request(try place(20, 16)))?.message.contains("go beyond region 'r'") == true)
        #expect(refusal(request(try place(0, 16), to: try place(17, 16)))?.code == .invalidArgument)
        #expect(refusal(request(try place(0, 12)))?.message.contains("FP32 of shape [1,4] takes 16 bytes") == true)
        #expect(refusal(request(try place(0, 16, of: "s")))?.code == .notFound)
        #expect(refusal(request(try place(0, 16), to: try place(0, 16, of: "s")))?.code == .notFound)
        #expect(throws: ProtocolError.self) { try place(.max, 1) }
        #expect(pool.bytesInUse == 0)
    }

    @Test func `an object that was shortened is an error and no signal`() throws {
        object.shorten(to: 8)
        #expect(refusal(request(try place(0, 16)))?.message.contains("shorter than it was") == true)
    }

    @Test func `an object that is shortened while the model runs fails the answer and stays short`() throws {
        let request = request(try place(0, 16), to: try place(16, 16))
        try submit(request)
        object.shorten(to: 20)
        device.finish(lane: 0, taking: .milliseconds(1))
        let answer = try #require(log[0]?.answer)
        #expect(throws: ProtocolError.self) { try service.response(to: request, from: model, answer) }
        #expect(object.bytes.count == 20)
    }

    @Test func `an output larger than its place is an error`() throws {
        let request = request(try place(0, 16), to: try place(16, 8))
        try submit(request)
        device.finish(lane: 0, taking: .milliseconds(1))
        let answer = try #require(log[0]?.answer)
        #expect(throws: ProtocolError.self) { try service.response(to: request, from: model, answer) }
    }
}
