// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime
internal import StraitTensor

/// Where the tensors of a batch lie in a lane's memory: addresses count from the beginning of the inputs', and of the
/// outputs', memory.
struct BatchLayout {
    private(set) var inputs: [DeviceTensor] = []
    private(set) var inputBytes = 0
    /// nil for an output whose shape is known only when it has been computed.
    private(set) var outputs: [DeviceTensor?] = []
    private(set) var outputBytes = 0

    /// CUDA aligns what it allocates to so many bytes, and some kernels count on it.
    private static let alignment = 256

    /// The layout of a batch.
    ///
    /// - Throws: ``DeviceError`` for strings.
    init(of batch: DeviceBatch, _ model: LaneModel) throws(DeviceError) {
        let session = model.sessions[0]
        for index in session.inputs.indices {
            let tensors = batch.parts.map { $0.inputs[index] }
            guard tensors[0].type != .bytes else {
                throw DeviceError(.runFailed, "model \(model.name): strings cannot be put on a CUDA device")
            }
            var shape = tensors[0].shape.dimensions
            if batch.isBatchable { shape[0] = batch.rows }
            let byteCount = tensors.reduce(0) { $0 + $1.range.count }
            inputs.append(
                DeviceTensor(
                    type: OrtElementType(tensors[0].type), shape: shape, address: UInt(inputBytes), byteCount: byteCount
                ))
            inputBytes += byteCount.roundedUp(to: Self.alignment)
        }
        for output in session.outputs {
            guard let shape = output.knownShape(rows: batch.isBatchable ? batch.rows : nil),
                let size = output.type.byteSize, let count = Shape(shape).elementCount
            else {
                outputs.append(nil)
                continue
            }
            outputs.append(
                DeviceTensor(type: output.type, shape: shape, address: UInt(outputBytes), byteCount: count * size))
            outputBytes += (count * size).roundedUp(to: Self.alignment)
        }
    }

    /// Puts the rows of the inputs together.
    ///
    /// - Complexity: O(bytes).
    func gather(_ batch: DeviceBatch, into bytes: UnsafeMutableRawBufferPointer) {
        for (index, input) in inputs.enumerated() {
            var offset = Int(input.address)
            for part in batch.parts {
                let from = part.inputs[index].bytes
                UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + from.count)]).copyMemory(from: from)
                offset += from.count
            }
        }
    }

    /// The outputs as they are copied back: those that were allocated come behind the others.
    ///
    /// - Throws: ``DeviceError`` `unexpectedOutput` where one is missing.
    func all(
        _ session: any AcceleratorSession, _ allocated: [AllocatedOutput?]
    ) throws(DeviceError) -> [Flight.Output] {
        var all: [Flight.Output] = []
        var end = outputBytes
        for (index, info) in session.outputs.enumerated() {
            guard let tensor = outputs[index] ?? allocated[index]?.tensor, let type = ElementType(tensor.type) else {
                throw DeviceError(.unexpectedOutput, "a model gave no value for its output \(info.name)")
            }
            let start = outputs[index].map { Int($0.address) } ?? end
            if outputs[index] == nil { end += tensor.byteCount.roundedUp(to: Self.alignment) }
            all.append(
                Flight.Output(
                    name: info.name, type: type, shape: tensor.shape, range: start..<(start + tensor.byteCount),
                    owner: allocated[index]))
        }
        return all
    }
}

extension DeviceTensor {
    /// The same, so much further on.
    func moved(by offset: UInt) -> DeviceTensor {
        var moved = self
        moved.address += offset
        return moved
    }
}
