// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime
internal import StraitTensor

extension DeviceBatch {
    /// The results of the whole batch, cut into those of its parts, without copying.
    ///
    /// - Throws: ``DeviceError``: `unexpectedOutput` where an output does not have the batch's rows.
    func split(_ whole: [Tensor], model: String) throws(DeviceError) -> [[Tensor]] {
        guard parts.count > 1 else { return [whole] }
        var results = [[Tensor]](repeating: [], count: parts.count)
        for tensor in whole {
            guard tensor.shape.dimensions.first == rows else {
                throw DeviceError(
                    .unexpectedOutput,
                    "model \(model): \(rows) rows went in, but its output \(tensor.name) has the shape \(tensor.shape); set "
                        + "max_batch_size to 0 in its config.pbtxt if it cannot be batched")
            }
            for (index, slice) in tensor.split(rows: parts.map(\.rows)).enumerated() { results[index].append(slice) }
        }
        return results
    }
}

extension TensorInfo {
    /// The shape of an output before the run: declared, but for the rows; nil where a run decides it.
    func knownShape(rows: Int?) -> [Int]? {
        var shape = dimensions
        if let rows, !shape.isEmpty { shape[0] = rows }
        return shape.allSatisfy { $0 >= 0 } ? shape : nil
    }
}

extension Int {
    func roundedUp(to alignment: Int) -> Int { (self + alignment - 1) / alignment * alignment }
}
