// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

extension InferenceRequestDecoder {
    /// Reads a raw request: the whole body is the only input of the model, in one row, and all outputs go out as binary.
    ///
    /// - Throws: ``ProtocolError`` `invalidArgument` where the model has several inputs, or where the body's size does
    ///   not tell the shape.
    /// - Complexity: O(rank); for BYTES O(bytes), because the length is put in front.
    static func raw(
        body: Slab, range: Range<Int>, model: ModelSpecification, pool: SlabPool
    ) throws(ProtocolError) -> InferenceRequest {
        guard model.inputs.count == 1, let input = model.inputs.first else {
            throw ProtocolError(
                .invalidArgument,
                "a raw request (Inference-Header-Content-Length: 0) is one tensor, but model \"\(model.name)\" has "
                    + "\(model.inputs.count) inputs; send a JSON header")
        }
        let shape = try shape(ofRaw: input, byteCount: range.count, model: model)
        var tensor = Tensor(name: input.name, type: input.type, shape: shape, slab: body, range: range)
        if input.type == .bytes {
            let count = BytesLayout.prefixLength + range.count
            let slab = try pool.takeForTensors(count)
            slab.bytes.storeBytes(of: UInt32(truncatingIfNeeded: range.count).littleEndian, as: UInt32.self)
            UnsafeMutableRawBufferPointer(rebasing: slab.bytes[BytesLayout.prefixLength..<count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(body.bytes)[range]))
            tensor.slab = slab
            tensor.range = 0..<count
        }
        if let problem = TensorContent.problem(in: tensor.bytes, type: input.type, shape: shape) {
            throw ProtocolError(
                .invalidArgument, "the raw request's \(range.count) bytes are input \"\(input.name)\": \(problem)")
        }
        return InferenceRequest(inputs: [tensor], binaryOutputsByDefault: true)
    }

    /// The only shape that so many bytes can have.
    private static func shape(
        ofRaw input: TensorSpecification, byteCount: Int, model: ModelSpecification
    ) throws(ProtocolError) -> Shape {
        var dimensions = input.shape.dimensions
        if model.isBatchable, !dimensions.isEmpty { dimensions[0] = 1 }
        let open = dimensions.indices.filter { dimensions[$0] < 0 }
        guard let size = input.type.byteSize else {
            // One string: the body has no place for the lengths of more.
            for index in open { dimensions[index] = 1 }
            guard Shape(dimensions).elementCount == 1 else {
                throw ProtocolError(
                    .invalidArgument,
                    "a raw request holds one BYTES element, but input \"\(input.name)\" has the shape \(input.shape); "
                        + "send a JSON header")
            }
            return Shape(dimensions)
        }
        guard let index = open.first else { return Shape(dimensions) }
        guard open.count == 1 else {
            throw ProtocolError(
                .invalidArgument,
                "the size of a raw request does not tell the shape of input \"\(input.name)\", which is "
                    + "\(input.shape): more than one dimension varies; send a JSON header")
        }
        dimensions[index] = 1
        // What does not divide is found by the check of the content.
        let rest = Shape(dimensions).elementCount.map { $0 * size } ?? 0
        dimensions[index] = rest > 0 ? byteCount / rest : 0
        return Shape(dimensions)
    }
}
