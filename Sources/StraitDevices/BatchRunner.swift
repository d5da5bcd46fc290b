// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime
internal import StraitCore
internal import StraitPlatform
internal import StraitTensor

/// Runs batches on the calling thread: gathers the rows, calls ONNX Runtime, hands each request its rows of the results.
///
/// Bytes are copied only where they must be: a batch of one request is read where the network put it, and results stay
/// where ONNX Runtime wrote them, shared by the requests of the batch.
struct BatchRunner: Sendable {
    private let environment: Environment
    private let pool: SlabPool

    init(_ environment: Environment, pool: SlabPool) {
        self.environment = environment
        self.pool = pool
    }

    /// Runs a batch to its end on the calling thread.
    ///
    /// Where it fails the requests are run one by one: the input of one may be to blame, and only running the model
    /// tells whose.
    func run(_ batch: DeviceBatch, _ session: Session) -> Result<BatchResult, DeviceError> {
        let start = MonotonicClock.nanoseconds()
        let whole = attempt(batch, session)
        guard case .failure = whole, batch.parts.count > 1 else { return whole }
        let outputs = batch.parts.map { part in
            attempt(batch.only(part), session).flatMap { $0.outputs[0] }
        }
        let took = Duration(nanoseconds: MonotonicClock.nanoseconds() - start)
        let times = MeasuredTimes(copyIn: .zero, kernels: took, copyOut: .zero)
        return .success(BatchResult(outputs: outputs, times: times, wasSplit: true))
    }

    private func attempt(_ batch: DeviceBatch, _ session: Session) -> Result<BatchResult, DeviceError> {
        let start = MonotonicClock.nanoseconds()
        do {
            let inputs = try session.inputs.indices.map { try gather(batch, input: $0) }
            var outputs = try preallocate(session, rows: batch.isBatchable ? batch.rows : nil)
            let gathered = MonotonicClock.nanoseconds()
            try session.run(inputs: inputs, outputs: &outputs.values)
            let ran = MonotonicClock.nanoseconds()
            let results = try scatter(batch, outputs, session)
            let times = MeasuredTimes(
                copyIn: Duration(nanoseconds: gathered - start), kernels: Duration(nanoseconds: ran - gathered),
                copyOut: Duration(nanoseconds: MonotonicClock.nanoseconds() - ran))
            return .success(BatchResult(outputs: results.map { .success($0) }, times: times))
        } catch let error as DeviceError {
            return .failure(error)
        } catch let error as OnnxRuntimeError {
            return .failure(DeviceError(.runFailed, error.description))
        } catch {
            return .failure(DeviceError(.runFailed, "model \(session.model): \(error)"))
        }
    }

    // -- inputs ---------------------------------------------------------------------------------------------------

    private func gather(_ batch: DeviceBatch, input: Int) throws -> Value {
        let tensors = batch.parts.map { $0.inputs[input] }
        var shape = tensors[0].shape.dimensions
        if batch.isBatchable { shape[0] = batch.rows }
        if tensors[0].type == .bytes {
            return try Value(strings: tensors.flatMap(WireStrings.elements), shape: shape, in: environment)
        }
        let type = OrtElementType(tensors[0].type)
        if tensors.count == 1, Int(bitPattern: tensors[0].bytes.baseAddress) % SlabPool.alignment == 0 {
            // ONNX Runtime takes a mutable address for inputs too, but does not write there.
            let bytes = UnsafeMutableRawBufferPointer(mutating: tensors[0].bytes)
            return try Value(over: bytes, type: type, shape: shape, owner: tensors[0].slab, in: environment)
        }
        let count = tensors.reduce(0) { $0 + $1.range.count }
        let slab = pool.takeBeyondBudget(count)
        var offset = 0
        for tensor in tensors {
            slab.bytes.baseAddress.map { base in
                UnsafeMutableRawBufferPointer(start: base + offset, count: tensor.range.count)
                    .copyMemory(from: tensor.bytes)
            }
            offset += tensor.range.count
        }
        let bytes = UnsafeMutableRawBufferPointer(rebasing: slab.bytes[..<count])
        return try Value(over: bytes, type: type, shape: shape, owner: slab, in: environment)
    }

    // -- outputs --------------------------------------------------------------------------------------------------

    /// The places for the results: values over one slab where the shape is known beforehand, nil where ONNX Runtime
    /// will allocate.
    private struct Outputs {
        var values: [Value?]
        var slab: Slab?
        /// For each value of ours its place in the slab.
        var ranges: [Range<Int>?]
    }

    private func preallocate(_ session: Session, rows: Int?) throws -> Outputs {
        var total = 0
        let shapes = session.outputs.map { $0.knownShape(rows: rows) }
        let ranges = zip(session.outputs, shapes).map { output, shape -> Range<Int>? in
            guard let shape, let size = output.type.byteSize, let count = Shape(shape).elementCount else { return nil }
            defer { total += (count * size).roundedUp(to: SlabPool.alignment) }
            return total..<(total + count * size)
        }
        guard total > 0 else {
            return Outputs(values: shapes.map { _ in nil }, slab: nil, ranges: shapes.map { _ in nil })
        }
        let slab = pool.takeBeyondBudget(total)
        let values = try session.outputs.indices.map { index -> Value? in
            guard let range = ranges[index], let shape = shapes[index] else { return nil }
            return try Value(
                over: UnsafeMutableRawBufferPointer(rebasing: slab.bytes[range]), type: session.outputs[index].type,
                shape: shape, owner: slab, in: environment)
        }
        return Outputs(values: values, slab: slab, ranges: ranges)
    }

    private func scatter(_ batch: DeviceBatch, _ outputs: Outputs, _ session: Session) throws -> [[Tensor]] {
        let whole = try session.outputs.indices.map { index -> Tensor in
            guard let value = outputs.values[index] else {
                throw DeviceError(
                    .unexpectedOutput,
                    "model \(session.model): it gave no value for its output \(session.outputs[index].name)")
            }
            return try tensor(
                value, name: session.outputs[index].name, model: session.model,
                home: outputs.ranges[index].flatMap { range in outputs.slab.map { ($0, range) } })
        }
        return try batch.split(whole, model: session.model)
    }

    /// A value as a tensor: in place if it lies in our slab, else copied out of ONNX Runtime's memory.
    private func tensor(
        _ value: Value, name: String, model: String, home: (slab: Slab, range: Range<Int>)?
    ) throws -> Tensor {
        guard let type = ElementType(value.elementType) else {
            throw DeviceError(
                .unexpectedOutput,
                "model \(model): its output \(name) has the type \(value.elementType), which the "
                    + "protocol does not have")
        }
        if let home {
            return Tensor(name: name, type: type, shape: Shape(value.shape), slab: home.slab, range: home.range)
        }
        if type == .bytes {
            let (slab, count) = WireStrings.write(try value.strings(), into: pool)
            return Tensor(name: name, type: type, shape: Shape(value.shape), slab: slab, range: 0..<count)
        }
        let slab = pool.takeBeyondBudget(value.bytes.count)
        slab.bytes.copyMemory(from: UnsafeRawBufferPointer(value.bytes))
        return Tensor(name: name, type: type, shape: Shape(value.shape), slab: slab, range: 0..<value.bytes.count)
    }
}
