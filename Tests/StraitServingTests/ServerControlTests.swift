// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitProtocol
internal import StraitTensor
internal import Synchronization
internal import Testing

@testable internal import StraitServing

/// Requests that are no inferences, without a socket.
@Suite struct ServerControlTests {
    private let folder = Folder()
    private let lines = Lines()
    private let control: ServerControl

    init() throws {
        folder.write("one", to: "a/1/model.onnx")
        let device = InstantDevice(folder)
        let engine = Engine(policy: .edfPriority, device: device, clock: ManualClock())
        let pool = SlabPool(budget: 1 << 20)
        let catalog = try ModelCatalog(
            repository: folder.path, engine: engine, pool: pool, mode: .explicit(initial: ["a"]))
        control = ServerControl(
            service: InferenceService(engine: engine, catalog: catalog, pool: pool),
            description: ServerDescription(name: "s", version: "1", lanes: 3), readiness: Readiness(),
            log: ServerLog(write: lines.note))
    }

    private func ask(_ operation: Operation, model: String? = nil, region: String? = nil, _ body: String = "") throws
        -> String
    {
        let answered = Answered()
        control.answer(Route(operation, model: model, region: region), body: Array(body.utf8)) { answered.note($0) }
        return String(decoding: try #require(answered.result).get(), as: UTF8.self)
    }

    private func code(_ body: () throws -> Void) -> ProtocolError.Code? {
        do { try body() } catch { return (error as? ProtocolError)?.code }
        return nil
    }

    @Test func `every operation has an answer that is not answered elsewhere or later`() throws {
        let later: Set<Operation> = [.infer, .loadModel, .unloadModel, .events, .page]
        for operation in Operation.allCases where !later.contains(operation) {
            do {
                _ = try ask(operation, model: operation.isOfModel ? "a" : nil, region: "r", "{}")
            } catch let error as ProtocolError {
                #expect([.invalidArgument, .notFound, .unsupported].contains(error.code), "\(operation): \(error)")
            }
        }
    }

    @Test func `what the server is, and how its models are`() throws {
        #expect(try ask(.serverMetadata).hasPrefix(#"{"name":"s","version":"1","extensions":["binary_tensor_data","#))
        #expect(try ask(.repositoryIndex) == #"[{"name":"a","version":"1","state":"READY"}]"#)
        #expect(try ask(.modelConfiguration, model: "a").contains(#""count":3"#))
        #expect(try ask(.statistics).contains(#""model_stats":[{"name":"a","version":"1""#))
        #expect(code { _ = try ask(.statistics, model: "z") } == .notFound)
        #expect(try ask(.live) == #"{"live":true}"# && (try ask(.ready)) == #"{"ready":true}"#)
        #expect(try ask(.modelReady, model: "a") == #"{"name":"a","ready":true}"#)
        control.readiness.stop()
        #expect(code { _ = try ask(.ready) } == .unavailable)
    }

    @Test func `settings of traces are the server's until a model has its own`() throws {
        _ = try ask(.updateTraceSettings, #"{"trace_rate":"7"}"#)
        #expect(try ask(.traceSettings, model: "a").contains(#""trace_rate":"7""#))
        let own = try ask(.updateTraceSettings, model: "a", #"{"trace_level":["TENSORS"],"trace_rate":"8"}"#)
        #expect(own.contains(#""trace_level":["TENSORS"],"trace_rate":"8""#))
        #expect(try ask(.traceSettings).contains(#""trace_level":["OFF"],"trace_rate":"7""#))
        _ = try ask(.updateTraceSettings, model: "a", #"{"trace_rate":null}"#)
        _ = try ask(.updateTraceSettings, #"{"trace_rate":"9"}"#)
        #expect(try ask(.traceSettings, model: "a").contains(#""trace_level":["TENSORS"],"trace_rate":"9""#))
        #expect(code { _ = try ask(.updateTraceSettings, model: "z", "{}") } == .notFound)
        #expect(code { _ = try ask(.updateTraceSettings, #"{"trace_rate":"-1"}"#) } == .invalidArgument)
    }

    @Test func `settings of the log act`() throws {
        control.log.note("one")
        _ = try ask(.updateLogSettings, #"{"log_info":false,"log_verbose_level":1}"#)
        control.log.note("two")
        control.log.note("  warning: three")
        control.log.verbose(2, "four")
        control.log.verbose(1, "five")
        let changed = "settings of log changed: log_info = false, log_verbose_level = 1"
        #expect(
            lines.all.filter { !$0.contains("updateLogSettings") } == ["one", changed, "  warning: three", "five"])
        #expect(lines.have("updateLogSettings: done"))
        _ = try ask(.updateLogSettings, #"{"log_warning":false,"log_verbose_level":0,"log_format":"ISO8601"}"#)
        control.log.note("warning: six")
        control.log.note(.error, "seven")
        let last = try #require(lines.all.last)
        #expect(last.hasSuffix("Z seven") && last.dropFirst(4).hasPrefix("-") && last.count == 30)
    }

    @Test(arguments: [
        (UInt64(0), "1970-01-01T00:00:00.000Z"), (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_709_251_199_042, "2024-02-29T23:59:59.042Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ]) func `times are dates`(_ milliseconds: UInt64, _ text: String) {
        #expect(CalendarTime(milliseconds: milliseconds).description == text)
    }

    @Test func `what is not done is refused in words`() throws {
        #expect(code { _ = try ask(.registerCudaMemory, region: "r", "{}") } == .unsupported)
        #expect(try ask(.cudaMemoryStatus) == "[]")
        let files = #"{"parameters":{"config":"{}","file:1/model.onnx":"AAAA"}}"#
        #expect(code { _ = try ask(.loadModel, model: "a", files) } == .unsupported)
        #expect(code { _ = try ask(.loadModel, model: "a", #"{"parameters":{"config":1}}"#) } == .invalidArgument)
        #expect(code { _ = try ask(.registerSharedMemory, region: "r", #"{"key":"/x"}"#) } == .invalidArgument)
        #expect(code { _ = try ask(.updateLogSettings, "[]") } == .invalidArgument)
        #expect(try ask(.logSettings, "whatever").hasPrefix("{"))
    }
}

private final class Answered: Sendable {
    private let answer = Mutex<Result<[UInt8], ProtocolError>?>(nil)

    func note(_ result: Result<[UInt8], ProtocolError>) { answer.withLock { $0 = result } }

    var result: Result<[UInt8], ProtocolError>? { answer.withLock { $0 } }
}

extension Operation {
    fileprivate var isOfModel: Bool {
        [.modelReady, .modelMetadata, .modelConfiguration, .statistics].contains(self)
    }
}
