// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitTensor
internal import Synchronization
internal import Testing

@testable internal import StraitServing

/// Models that come and go while others serve. All on the test's own thread.
@Suite struct CatalogTests {
    private let folder = Folder()
    private let lines = Lines()
    private let pool = SlabPool(budget: 1 << 22)
    private let log = ReplyLog()

    init() {
        folder.write("one", to: "a/1/model.onnx")
        folder.write("one", to: "b/1/model.onnx")
    }

    private func open(
        _ mode: ModelCatalog.Mode = .none, on device: any Device
    ) throws -> (catalog: ModelCatalog, engine: Engine) {
        let engine = Engine(
            policy: .edfPriority, devices: [device], clock: ManualClock(), timer: NoTimer(), upkeep: PromptTimer())
        engine.start()
        let catalog = try ModelCatalog(
            repository: folder.path, engine: engine, pool: pool, mode: mode, progress: lines.note)
        return (catalog, engine)
    }

    private func index(_ catalog: ModelCatalog) -> [String] {
        catalog.index(onlyReady: false).map { entry in
            "\(entry.name) \(entry.version) \(entry.state.rawValue)" + (entry.reason.isEmpty ? "" : " \(entry.reason)")
        }
    }

    private func problem(_ body: () throws -> Void) -> ProtocolError? {
        do { try body() } catch { return error as? ProtocolError }
        return nil
    }

    private func submit(_ number: Int, to model: ServedModel, _ engine: Engine) throws {
        let slab = try pool.take(8)
        let submission = Submission(
            model: model, inputs: [Tensor(name: "in", type: .fp32, shape: [1, 2], slab: slab, range: 0..<8)],
            rows: 1, requestClass: .high, arrived: .zero, deadline: .zero + .seconds(10))
        engine.submit(submission) { [log] in log.note(number, $0) }
    }

    // -- explicit -------------------------------------------------------------------------------------------------

    @Test func `a client loads and unloads models`() throws {
        let (catalog, _) = try open(.explicit(initial: ["b", "c"]), on: InstantDevice(folder))
        #expect(
            index(catalog) == [
                "a  UNAVAILABLE not loaded", "b 1 READY", "c  UNAVAILABLE it is not in the repository",
            ])
        #expect(problem { _ = try catalog.find("a", version: nil) }?.code == .notFound)
        try catalog.loadNow("a")
        #expect(try catalog.find("a", version: "1").specification.name == "a")
        try catalog.unloadNow("b")
        #expect(problem { _ = try catalog.find("b", version: nil) }?.code == .unavailable)
        #expect(index(catalog)[..<2] == ["a 1 READY", "b 1 UNAVAILABLE unloaded"])
        #expect(catalog.index(onlyReady: true).map(\.name) == ["a"])
        try catalog.loadNow("b")
        #expect(catalog.served.map(\.specification.name) == ["a", "b"])
        for name in ["z", "..", "../a", "", "a/1"] {
            #expect(problem { try catalog.loadNow(name) }?.code == .notFound, "\(name)")
            #expect(problem { try catalog.unloadNow(name) }?.code == .notFound, "\(name)")
        }
    }

    @Test func `all are loaded for a star, and in other modes clients have no say`() throws {
        #expect(try open(.explicit(initial: ["*"]), on: InstantDevice(folder)).catalog.served.count == 2)
        let (catalog, _) = try open(.none, on: InstantDevice(folder))
        var answers: [Result<Void, ProtocolError>] = []
        let note = Replies()
        catalog.load("a") { note.add($0) }
        catalog.unload("a") { note.add($0) }
        answers = note.all
        #expect(answers.count == 2)
        for answer in answers { #expect(problem { try answer.get() }?.code == .unavailable) }
    }

    @Test func `a model is loaded anew only when its files have changed`() throws {
        let device = InstantDevice(folder)
        let (catalog, _) = try open(.explicit(initial: ["a"]), on: device)
        try catalog.loadNow("a")
        #expect(device.loads.count == 1 && device.batches == 0)
        folder.write("another one", to: "a/1/model.onnx")
        try catalog.loadNow("a")
        // It has answered requests before it serves, and the old one is freed.
        #expect(device.loads.count == 2 && device.batches == 2 && device.unloads == [1])
        #expect(try catalog.find("a", version: nil).loaded.number == 2)
    }

    @Test func `what cannot be loaded anew goes on as it was`() throws {
        let (catalog, _) = try open(.explicit(initial: ["*"]), on: InstantDevice(folder))
        folder.write("broken", to: "a/1/model.onnx")
        #expect(problem { try catalog.loadNow("a") }?.message.contains("it is broken") == true)
        #expect(try catalog.find("a", version: nil).loaded.number == 1)
        #expect(index(catalog)[0].hasPrefix("a 1 READY it could not be loaded anew: "))
        folder.write("nonsense: 1", to: "a/config.pbtxt")
        #expect(problem { try catalog.loadNow("a") }?.message.contains("unknown field") == true)
        #expect(catalog.served.count == 2)
        unlink(folder.path + "/a/config.pbtxt")
        folder.write("mended", to: "a/1/model.onnx")
        try catalog.loadNow("a")
        #expect(index(catalog) == ["a 1 READY", "b 1 READY"])
    }

    @Test func `a broken model is unavailable with its reason, and the rest serve`() throws {
        folder.write("broken", to: "b/1/model.onnx")
        folder.write("max_batch_size: -1", to: "c/config.pbtxt")
        folder.write("one", to: "c/1/model.onnx")
        let (catalog, _) = try open(on: InstantDevice(folder))
        #expect(catalog.served.map(\.specification.name) == ["a"])
        #expect(index(catalog)[1] == "b 1 UNAVAILABLE model b: it is broken")
        #expect(index(catalog)[2].contains("max_batch_size is -1"))
        #expect(problem { _ = try catalog.find("c", version: nil) }?.message.contains("max_batch_size") == true)
    }

    @Test func `a client's configuration counts until the next load`() throws {
        let (catalog, _) = try open(.explicit(initial: ["a"]), on: InstantDevice(folder))
        try catalog.loadNow(
            "a", configuration: #"{"maxBatchSize": 2, "parameters": {"strait.class": {"string_value": "high"}}}"#)
        let model = try catalog.find("a", version: nil).specification
        #expect(model.maxBatchSize == 2 && model.defaultClass == .high)
        try catalog.loadNow("a")
        #expect(try catalog.find("a", version: nil).specification.maxBatchSize == 8)
        for text in ["", "[]", #"{"max_batch_size": "x"}"#, #"{"unknown": 1}"#, #"{"name": "b"}"#] {
            #expect(problem { try catalog.loadNow("a", configuration: text) }?.code == .invalidArgument, "\(text)")
        }
        #expect(try catalog.find("a", version: nil).specification.maxBatchSize == 8)
    }

    @Test func `the version policy holds as models are loaded anew`() throws {
        folder.write(#"version_policy { latest { num_versions: 2 } }"#, to: "a/config.pbtxt")
        folder.write("two", to: "a/2/model.onnx")
        let (catalog, _) = try open(.explicit(initial: ["a"]), on: InstantDevice(folder))
        #expect(catalog.versions(of: "a") == [1, 2])
        folder.write("three", to: "a/3/model.onnx")
        try catalog.loadNow("a")
        #expect(catalog.versions(of: "a") == [2, 3])
        #expect(try catalog.find("a", version: nil).specification.version == 3)
        #expect(problem { _ = try catalog.find("a", version: "1") }?.code == .unavailable)
        folder.write("broken", to: "a/4/model.onnx")
        #expect(problem { try catalog.loadNow("a") } != nil)
        // The latest that is ready.
        #expect(try catalog.find("a", version: nil).specification.version == 3)
    }

    // -- warm-up --------------------------------------------------------------------------------------------------

    @Test func `a model answers its warm-up requests before it serves`() throws {
        folder.write(
            """
            model_warmup { name: "w" batch_size: 2 count: 3
                           inputs { key: "in" value { data_type: TYPE_FP32 dims: [ 4 ] random_data: true } } }
            model_warmup { name: "v" batch_size: 1
                           inputs { key: "in" value { data_type: TYPE_FP32 dims: [ 2 ] input_data_file: "v" } } }
            """, to: "a/config.pbtxt")
        folder.write("12345678", to: "a/warmup/v")
        let device = InstantDevice(folder)
        let (catalog, _) = try open(.explicit(initial: []), on: device)
        try catalog.loadNow("a")
        #expect(device.batches == 4)
        #expect(pool.bytesInUse == 0)
    }

    @Test(arguments: [
        (#"inputs { key: "in" value { data_type: TYPE_INT32 dims: [ 4 ] } }"#, "expects FP32"),
        (#"inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 4 ] } }"#, "has no input"),
        (#"inputs { key: "in" value { data_type: TYPE_FP32 dims: [ 4 ] input_data_file: "none" } }"#, "cannot be read"),
        ("", "is missing"),
    ]) func `one that cannot be made keeps the model from serving`(_ inputs: String, _ reason: String) throws {
        folder.write("model_warmup { name: \"w\" batch_size: 1 \(inputs) }", to: "a/config.pbtxt")
        let device = InstantDevice(folder)
        let (catalog, _) = try open(.explicit(initial: []), on: device)
        #expect(problem { try catalog.loadNow("a") }?.message.contains(reason) == true, "\(lines.all)")
        #expect(catalog.served.isEmpty && device.unloads == [1])
    }

    @Test func `a model that fails its warm-up is unavailable`() throws {
        folder.write("fails", to: "a/1/model.onnx")
        folder.write(
            #"model_warmup { name: "w" batch_size: 1 inputs { key: "in" value { data_type: TYPE_FP32 dims: 4 } } }"#,
            to: "a/config.pbtxt")
        let (catalog, _) = try open(on: InstantDevice(folder))
        catalog.start()
        catalog.stop()
        #expect(catalog.served.map(\.specification.name) == ["b"])
        #expect(index(catalog)[0].contains("it always fails"))
    }

    // -- poll -----------------------------------------------------------------------------------------------------

    @Test func `the repository is followed`() throws {
        let device = InstantDevice(folder)
        let (catalog, _) = try open(.poll(seconds: 1), on: device)
        catalog.poll()
        #expect(device.loads.count == 2)
        folder.write("one", to: "c/1/model.onnx")
        folder.write("broken", to: "d/1/model.onnx")
        folder.write("changed", to: "a/1/model.onnx")
        rename(folder.path + "/b", folder.path + "/.b")
        catalog.poll()
        #expect(index(catalog) == ["a 1 READY", "c 1 READY", "d 1 UNAVAILABLE model d: it is broken"])
        #expect(device.unloads == [2, 1])
        // What is broken is not tried again and again.
        let count = lines.all.count
        catalog.poll()
        #expect(lines.all.count == count)
        rename(folder.path, folder.path + "-gone")
        catalog.poll()
        rename(folder.path + "-gone", folder.path)
        #expect(catalog.served.count == 2 && lines.have("cannot be looked at"))
    }

    @Test func `that a model is gone is told once, however long it takes to be free`() throws {
        let device = ScriptedDevice()
        let (catalog, engine) = try open(.poll(seconds: 1), on: device)
        try submit(1, to: try catalog.find("a", version: nil), engine)
        rename(folder.path + "/a", folder.path + "/.a")
        for _ in 0..<3 { catalog.poll() }
        #expect(index(catalog) == ["a 1 UNLOADING", "b 1 READY"])
        while !device.running.isEmpty { device.finish(lane: 0, taking: .milliseconds(1)) }
        #expect(log[1]?.answer != nil)
        catalog.poll()
        #expect(index(catalog) == ["b 1 READY"])
        #expect(lines.all.filter { $0.contains("a is gone") }.count == 1)
    }

    @Test func `a model that comes back as it was before all of it had gone is loaded again`() {
        var state = CatalogState()
        let entry = ModelRepository.entry(path: folder.path, name: "a", needsFiles: true)
        let stamps = ModelRepository.stamps(of: entry)
        state.noteStamps("a", stamps, hasOwnConfiguration: false)
        #expect(state.hasSeen("a", stamps))
        #expect(state.noteGone("a") && !state.noteGone("a"))
        #expect(!state.hasSeen("a", stamps))
        state.noteStamps("a", stamps, hasOwnConfiguration: false)
        #expect(state.hasSeen("a", stamps) && state.noteGone("a"))
    }

    // -- draining -------------------------------------------------------------------------------------------------

    @Test func `what was accepted before an unload is answered, and then the model is freed`() throws {
        let device = ScriptedDevice()
        let (catalog, engine) = try open(.explicit(initial: ["*"]), on: device)
        let model = try catalog.find("a", version: nil)
        for number in 0..<3 { try submit(number, to: model, engine) }
        try catalog.unloadNow("a")
        #expect(index(catalog)[0] == "a 1 UNLOADING")
        try submit(3, to: model, engine)
        #expect(log[3]?.refusal?.error.code == .unavailable)
        try submit(4, to: try catalog.find("b", version: nil), engine)
        while !device.running.isEmpty { device.finish(lane: 0, taking: .milliseconds(1)) }
        for number in [0, 1, 2, 4] { #expect(log[number]?.answer != nil) }
        #expect(index(catalog)[0] == "a 1 UNAVAILABLE unloaded")
        #expect(lines.have("a version 1 is unloaded"))
    }

    @Test func `a batch whose clients all went away still holds its model`() throws {
        let device = ScriptedDevice()
        let (catalog, engine) = try open(.explicit(initial: ["a"]), on: device)
        let model = try catalog.find("a", version: nil)
        let slab = try pool.take(8)
        let submission = Submission(
            model: model, inputs: [Tensor(name: "in", type: .fp32, shape: [1, 2], slab: slab, range: 0..<8)],
            rows: 1, requestClass: .high, arrived: .zero, deadline: .zero + .seconds(10))
        let id = try #require(engine.submit(submission) { _ in })
        engine.cancel(id)
        try catalog.unloadNow("a")
        #expect(!lines.have("is unloaded"))
        device.finish(lane: 0, taking: .milliseconds(1))
        #expect(lines.have("is unloaded"))
    }

    @Test func `statistics begin anew with a model that is loaded anew`() throws {
        let (catalog, engine) = try open(.explicit(initial: ["a"]), on: InstantDevice(folder))
        let old = try catalog.find("a", version: nil)
        try submit(0, to: old, engine)
        #expect(engine.statistics(of: old).success.count == 1)
        try catalog.unloadNow("a")
        try catalog.loadNow("a")
        let new = try catalog.find("a", version: nil)
        #expect(engine.statistics(of: new).success.count == 2, "its warm-up")
        try submit(1, to: old, engine)
        #expect(log[1]?.refusal?.error.code == .unavailable)
    }
}

/// Results by callbacks.
private final class Replies: Sendable {
    private let results = Mutex<[Result<Void, ProtocolError>]>([])

    func add(_ result: Result<Void, ProtocolError>) { results.withLock { $0.append(result) } }

    var all: [Result<Void, ProtocolError>] { results.withLock { $0 } }
}
