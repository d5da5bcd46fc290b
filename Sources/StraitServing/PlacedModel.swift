// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitTensor

/// A model on all devices of a server, before it is served.
struct PlacedModel {
    /// The model on each device, in their order.
    let onDevices: [LoadedModel]
    private let devices: [any Device]

    /// The model on the first device.
    var first: LoadedModel { onDevices[0] }

    /// Loads a model on every device.
    ///
    /// - Throws: why one of them cannot, naming it where there are several; then none holds the model.
    init(_ source: ModelSource, on devices: [any Device]) throws(DeviceError) {
        var onDevices: [LoadedModel] = []
        do throws(DeviceError) {
            for device in devices {
                do throws(DeviceError) {
                    let loaded = try device.load(source)
                    onDevices.append(loaded)
                    guard loaded.inputs == onDevices[0].inputs, loaded.outputs == onDevices[0].outputs else {
                        throw DeviceError(.cannotLoad, "its inputs and outputs are others than on \(devices[0].name)")
                    }
                } catch {
                    throw devices.count > 1 ? DeviceError(error.code, "on \(device.name): \(error.message)") : error
                }
            }
        } catch {
            for (device, loaded) in zip(devices, onDevices) { device.unload(loaded) }
            throw error
        }
        self.onDevices = onDevices
        self.devices = devices
    }

    /// Frees it on every device.
    func unload() { for (device, loaded) in zip(devices, onDevices) { device.unload(loaded) } }

    /// Lets every device make ready for batches of 1, 2, 4, … rows. Only for a model whose inputs vary in nothing but rows:
    /// of others nobody knows what will come.
    ///
    /// - Throws: ``DeviceError`` of a device that cannot run the model so.
    func prepare(_ specification: ModelSpecification, pool: SlabPool) throws(DeviceError) {
        guard !SyntheticInputs.vary(specification, first) else { return }
        for rows in QuickProfiler.batches(upTo: specification.maxBatchSize) {
            // What is too large to be made up is not prepared for; it may be served all the same.
            guard let inputs = try? SyntheticInputs(specification, first, rows: rows, size: 1, pool: pool) else {
                return
            }
            let nobody = RequestID(slot: 0, generation: 0)
            for (index, device) in devices.enumerated() {
                try device.prepare(
                    DeviceBatch(
                        batch: BatchID(slot: 0, generation: 0), device: DeviceID(index: index), lane: LaneID(index: 0),
                        modelID: ModelID(index: 0), model: onDevices[index], isBatchable: specification.isBatchable,
                        parts: [DeviceBatch.Part(request: nobody, rows: inputs.rows, inputs: inputs.tensors)]))
            }
        }
    }
}
