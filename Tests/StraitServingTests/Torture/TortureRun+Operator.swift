// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitFormats
internal import StraitProtocol
internal import StraitTensor
internal import Synchronization

@testable internal import StraitServing

// What is done to the server by who runs it: drains, models that come and go, looks at it.

extension TortureRun {
    /// The server is told to end, perhaps not for the first time.
    func drain() {
        drains.begun += 1
        sights.insert("drains")
        engine.drain { [unowned self] in
            drains.ended += 1
            if drains.ended > drains.begun { fail("a drain ends twice") }
            let open = clients.indices.filter { clients[$0].state == .open }
            if !open.isEmpty { fail("a drain ends while requests \(open) are open") }
        }
    }

    /// A model joins while others serve.
    func addModel() {
        guard models.count < 9, keeping == nil else { return }
        let name = "late\(models.count + unloading.count)"
        guard let placed = try? PlacedModel(ModelSource(path: "none", name: name), on: devices) else { return }
        sights.insert("a model joins")
        let specification = ModelSpecification(
            name: name, version: 1, modelFile: "none", maxBatchSize: generator.one(of: [0, 1, 4, 8]),
            inputs: [TensorSpecification(name: "in", type: .fp32, shape: [-1, -1])],
            outputs: [TensorSpecification(name: "out", type: .fp32, shape: [-1, -1])],
            maxQueueSize: generator.chance(0.3) ? 3 : nil)
        let points = [1, 4].map { rows in
            ModelProfile.Point(
                rows: rows, kernelTime: .milliseconds(Double.random(in: 1...30, using: &generator) * Double(rows)),
                demand: generator.chance(0.5) ? Demand(compute: 0.6, bandwidth: 0.3, cache: 0.2) : nil)
        }
        let profile = ModelProfile(curves: [ModelProfile.Curve(bucket: 1, points: points)])
        models.append(
            engine.add(
                specification, onDevices: placed.onDevices, profile: generator.chance(0.6) ? profile : nil))
    }
}

extension TortureRun {
    /// A model goes while others serve; what waits for it is served first, or not.
    func unloadModel() {
        guard !models.isEmpty, keeping == nil else { return }
        let model = models.remove(at: Int.random(in: models.indices, using: &generator))
        unloading.insert(model.specification.name)
        sights.insert("a model goes")
        let before = pastStatistics.count
        pastStatistics.append(ModelStatistics(name: "", version: 0))
        engine.unload(model, drains: generator.chance(0.6)) { [unowned self] counted in
            sights.insert("a model has gone")
            pastStatistics[before] = counted
        }
    }
}

/// The models that every run finds, in a repository of their own.
struct TortureModels {
    static let names = ["batches", "queues", "single", "plain", "missing"]

    private let folder = Folder()
    var repository: String { "\(folder.path)/models" }

    init() {
        for name in Self.names where name != "missing" { folder.write("a model", to: "models/\(name)/1/model.onnx") }
        folder.write("max_batch_size: 8", to: "models/batches/config.pbtxt")
        folder.write(
            """
            max_batch_size: 4
            dynamic_batching { default_queue_policy { max_queue_size: 5 } }
            parameters { key: "strait.class" value { string_value: "high" } }
            """, to: "models/queues/config.pbtxt")
        folder.write("max_batch_size: 0", to: "models/single/config.pbtxt")
    }
}
