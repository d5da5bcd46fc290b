// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitPlatform
internal import StraitProtocol
internal import StraitTensor
internal import Synchronization
internal import Testing

@testable internal import StraitServing

/// The whole engine over virtual accelerators, on real threads, with a repository that has no model files.
@Suite struct VirtualServingTests {
    private static let declared = """
        max_batch_size: 4
        input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
        output [ { name: "y" data_type: TYPE_INT64 dims: [ 2, 2 ] } ]
        parameters { key: "strait.virtual_base_ms" value { string_value: "2" } }
        parameters { key: "strait.virtual_input_bytes" value { string_value: "600000" } }
        """

    private let folder = Folder()
    private let pool = SlabPool(budget: 1 << 20)
    private let lines = Lines()

    private func service(_ device: String, policy: PolicyName = .strait) throws -> InferenceService {
        let group = VirtualGroup(try VirtualSpec(device), environment: nil, pool: pool, log: lines.note)
        let virtual = try #require(group.devices().first)
        let engine = Engine(policy: policy, device: virtual)
        let knowledge = try PriorKnowledge(
            for: [virtual], profile: .beside(repository: folder.path), learned: nil,
            quickProfiler: QuickProfiler(pool: pool), log: lines.note)
        let catalog = try ModelCatalog(
            repository: folder.path, engine: engine, pool: pool, knowledge: knowledge, progress: lines.note)
        return InferenceService(engine: engine, catalog: catalog, pool: pool)
    }

    private func request(rows: Int) throws -> InferenceRequest {
        let input = Tensor(
            name: "x", type: .fp32, shape: [rows, 3], slab: try pool.take(rows * 12), range: 0..<rows * 12)
        return InferenceRequest(inputs: [input])
    }

    @Test(arguments: ["l4,speed=100,noise=0", "fixed,ms=0.02"])
    func modelsWithoutFilesAreServedAndMarked(device: String) throws {
        folder.write(Self.declared, to: "bare/config.pbtxt")
        let service = try service(device)
        let model = try service.catalog.find("bare", version: nil)
        #expect(lines.have("bare version 1: profile as its device has it"), "\(lines.all)")
        let points = try #require(model.profile?.curves.first?.points)
        #expect(points.allSatisfy { $0.kernelTime == .microseconds(20) })
        service.engine.start()
        for rows in 1...4 {
            let request = try request(rows: rows)
            let reply = Mutex<Reply?>(nil)
            let answered = Wakeup()
            _ = try service.infer(request, on: model, arrived: service.engine.now()) { given in
                reply.withLock { $0 = given }
                answered.signal()
            }
            answered.wait()
            let answer = try #require(reply.withLock { $0?.answer })
            #expect(answer.isSynthetic && answer.timing.compute >= .microseconds(20))
            let response = try service.response(to: request, from: model, answer)
            #expect(response.parameters.contains(Parameter("strait_synthetic", .bool(true))))
            #expect(response.outputs.map(\.shape) == [[rows, 2, 2]])
            #expect(response.outputs[0].bytes.allSatisfy { $0 == 0 })
        }
        #expect(service.engine.drain(within: .seconds(600)))
        service.engine.stop()
        #expect(RequestClass.allCases.reduce(0) { $0 + service.engine.counters(of: $1).arrived } == 4)
    }

    @Test func whatIsMissingIsSaid() throws {
        folder.write("max_batch_size: 4\n", to: "untold/config.pbtxt")
        folder.write(
            Self.declared.split(separator: "\n").dropLast(2).joined(separator: "\n"), to: "timeless/config.pbtxt")
        let service = try service("l4")
        for (name, words) in [("untold", "does not say the name"), ("timeless", "strait.virtual_base_ms")] {
            let problem = #expect(throws: ProtocolError.self) { try service.catalog.find(name, version: nil) }
            #expect(problem?.message.contains(words) == true, "\(String(describing: problem))")
        }
    }

    /// Where a real device is beside it, or alone, a model without a file is none.
    @Test func realDevicesNeedFiles() throws {
        folder.write(Self.declared, to: "bare/config.pbtxt")
        let device = ScriptedDevice()
        let catalog = try ModelCatalog(
            repository: folder.path, engine: Engine(policy: .fifo, device: device), pool: pool)
        #expect(throws: ProtocolError.self) { try catalog.find("bare", version: nil) }
    }
}
