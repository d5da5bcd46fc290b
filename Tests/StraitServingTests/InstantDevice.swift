// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitTensor
internal import Synchronization

/// A device that answers at once, on the thread that hands it a batch; the results are the inputs. A file that says
/// `broken` cannot be loaded, and one that says `fails` fails whenever it runs.
final class InstantDevice: Device {
    let name = "instant"
    let laneCount = 1

    private struct State {
        var driver: (any LaneDriver)?
        var files: [Int: String] = [:]
        var loads: [String] = []
        var unloads: [Int] = []
        var batches = 0
    }

    private let state = Mutex(State())
    private let folder: Folder

    init(_ folder: Folder) { self.folder = folder }

    /// The paths of all files that were loaded, in order.
    var loads: [String] { state.withLock { $0.loads } }
    /// The numbers of models that were freed.
    var unloads: [Int] { state.withLock { $0.unloads } }
    /// Batches that ran.
    var batches: Int { state.withLock { $0.batches } }

    func load(path: String, name: String) throws(DeviceError) -> LoadedModel {
        let text = folder.read(String(path.dropFirst(folder.path.count + 1)))
        if text.hasPrefix("broken") { throw DeviceError(.cannotLoad, "model \(name): it is broken") }
        let number = state.withLock { state in
            state.loads.append(path)
            state.files[state.loads.count] = text
            return state.loads.count
        }
        return LoadedModel(
            number: number,
            inputs: [TensorSignature(name: "in", type: .fp32, dimensions: [-1, -1], symbols: ["batch", "n"])],
            outputs: [TensorSignature(name: "out", type: .fp32, dimensions: [-1, -1], symbols: ["batch", "n"])])
    }

    func unload(_ model: LoadedModel) {
        state.withLock { state in
            state.files[model.number] = nil
            state.unloads.append(model.number)
        }
    }

    func start(driver: any LaneDriver) { state.withLock { $0.driver = driver } }

    func run(_ batch: DeviceBatch, on lane: LaneID) {
        var next: DeviceBatch? = batch
        while let batch = next {
            let (driver, text) = state.withLock { state in
                state.batches += 1
                return (state.driver, state.files[batch.model.number])
            }
            guard let text else { preconditionFailure("a batch of a model that was freed") }
            next = driver?.laneFinished(batch, text.hasPrefix("fails") ? failure : success(batch))
        }
    }

    private var failure: Result<BatchResult, DeviceError> { .failure(DeviceError(.runFailed, "it always fails")) }

    private func success(_ batch: DeviceBatch) -> Result<BatchResult, DeviceError> {
        let times = MeasuredTimes(copyIn: .zero, kernels: .milliseconds(1), copyOut: .zero)
        let outputs = batch.parts.map { part in
            part.inputs.map { input in
                Tensor(name: "out", type: input.type, shape: input.shape, slab: input.slab, range: input.range)
            }
        }
        return .success(BatchResult(outputs: outputs.map { .success($0) }, times: times))
    }

    func stop() {}
}
