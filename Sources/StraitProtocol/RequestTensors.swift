// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

// The second half of decoding a request: names, types, shapes and places of all tensors are known; now their bytes.

extension RequestReader {
    /// Makes the tensors: binary ones in place, JSON ones decoded into one slab; shared ones are only told of.
    ///
    /// - Throws: ``ProtocolError``; the path tells which input.
    mutating func makeTensors(
        pool: SlabPool
    ) throws(ProtocolError) -> (tensors: [Tensor], shared: [SharedInput]) {
        var shared: [SharedInput] = []
        var tensors: [Tensor] = []
        tensors.reserveCapacity(inputs.count)
        let jsonBytes = try planJSONTensors()
        let slab = jsonBytes > 0 ? try pool.takeForTensors(jsonBytes) : body
        var jsonOffset = 0
        var binaryOffset = binary.lowerBound
        for (index, input) in inputs.enumerated() {
            path = RequestPath(list: "inputs", index: index, name: input.name)
            guard let type = input.type, let shape = input.shape else { continue }
            if let text = input.data {
                let end = try decode(text, type: type, shape: shape, into: slab, at: jsonOffset)
                tensors.append(Tensor(name: input.name, type: type, shape: shape, slab: slab, range: jsonOffset..<end))
                jsonOffset = Self.aligned(jsonOffset + Self.capacity(type, shape, text: text))
            } else if let place = try input.shared.place() {
                shared.append(SharedInput(name: input.name, type: type, shape: shape, place: place))
            } else {
                let range = try binaryRange(of: input, type: type, shape: shape, from: binaryOffset)
                tensors.append(Tensor(name: input.name, type: type, shape: shape, slab: body, range: range))
                binaryOffset = range.upperBound
            }
        }
        path = RequestPath()
        guard binaryOffset == binary.upperBound else {
            throw ProtocolError(
                .invalidArgument,
                "\(binary.upperBound - binaryOffset) bytes are left over behind the last binary tensor; "
                    + "binary_data_size of the inputs adds up to \(binaryOffset - binary.lowerBound), "
                    + "the body has \(binary.count) behind its JSON")
        }
        return (tensors, shared)
    }

    // -- memory --------------------------------------------------------------------------------------------------

    /// Checks which inputs have JSON data, and that there is enough text for what their shapes claim.
    ///
    /// - Returns: Bytes needed for all of them together; at most four times the text.
    private mutating func planJSONTensors() throws(ProtocolError) -> Int {
        var total = 0
        for (index, input) in inputs.enumerated() {
            path = RequestPath(list: "inputs", index: index, name: input.name)
            guard let type = input.type, let shape = input.shape, let count = shape.elementCount else { continue }
            let isShared = try input.shared.place() != nil
            guard let text = input.data else {
                guard input.binarySize != nil || isShared else {
                    throw ProtocolError(
                        .invalidArgument,
                        "no data: expected \"data\", or the parameter binary_data_size or shared_memory_region")
                }
                guard input.binarySize == nil || !isShared else {
                    throw ProtocolError(
                        .invalidArgument, "both binary_data_size and shared_memory_region are given; send one of them")
                }
                continue
            }
            guard input.binarySize == nil, !isShared else {
                let other = isShared ? "shared_memory_region" : "binary_data_size"
                throw ProtocolError(.invalidArgument, "both \"data\" and \(other) are given; send one of them")
            }
            guard type != .fp16, type != .bf16 else {
                path.member = "data"
                throw ProtocolError(.invalidArgument, "\(type.name) has no JSON form; send the tensor as binary")
            }
            // Each element takes a digit or more and a comma or bracket.
            guard count <= (text.count - 1) / 2 || (count == 0) else {
                path.member = "data"
                throw ProtocolError(
                    .invalidArgument,
                    "shape \(shape) needs \(count) elements; \(text.count) bytes of JSON cannot hold as many")
            }
            total = Self.aligned(total + Self.capacity(type, shape, text: text))
        }
        path = RequestPath()
        return total
    }

    /// Bytes to set aside for a JSON tensor; exact but for strings, whose length is bounded by their text.
    private static func capacity(_ type: ElementType, _ shape: Shape, text: Range<Int>) -> Int {
        let count = shape.elementCount ?? 0
        return type.byteSize.map { $0 * count } ?? count * BytesLayout.prefixLength + text.count
    }

    private static func aligned(_ offset: Int) -> Int {
        (offset + SlabPool.alignment - 1) & ~(SlabPool.alignment - 1)
    }

    // -- binary --------------------------------------------------------------------------------------------------

    private func binaryRange(
        of input: Input, type: ElementType, shape: Shape, from start: Int
    ) throws(ProtocolError) -> Range<Int> {
        let size = input.binarySize ?? 0
        guard hasBinaryPart else {
            throw ProtocolError(
                .invalidArgument,
                "binary_data_size is \(size), but the header Inference-Header-Content-Length is missing: "
                    + "it must tell where the JSON ends")
        }
        guard size <= binary.upperBound - start else {
            throw ProtocolError(
                .invalidArgument,
                "binary_data_size is \(size), but only \(binary.upperBound - start) bytes are left in the body")
        }
        let range = start..<start + size
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(body.bytes)[range])
        if let problem = TensorContent.problem(in: bytes, type: type, shape: shape) {
            throw ProtocolError(.invalidArgument, "binary_data_size is \(size): \(problem)")
        }
        return range
    }

    // -- JSON ----------------------------------------------------------------------------------------------------

    /// Decodes the array that stands at `text` to `slab` from `offset` on; returns where its bytes end.
    private mutating func decode(
        _ text: Range<Int>, type: ElementType, shape: Shape, into slab: Slab, at offset: Int
    ) throws(ProtocolError) -> Int {
        path.member = "data"
        scanner.offset = text.lowerBound
        let end = offset + Self.capacity(type, shape, text: text)
        let target = UnsafeMutableRawBufferPointer(rebasing: slab.bytes[offset..<end])
        if type == .bytes {
            var sink = BytesSink(target: target)
            try JSONTensor.decode(shape: shape, from: &scanner, into: &sink)
            return offset + sink.length
        }
        switch type {
        case .bool: try numbers(JSONBool.self, shape, target)
        case .uint8: try numbers(UInt8.self, shape, target)
        case .uint16: try numbers(UInt16.self, shape, target)
        case .uint32: try numbers(UInt32.self, shape, target)
        case .uint64: try numbers(UInt64.self, shape, target)
        case .int8: try numbers(Int8.self, shape, target)
        case .int16: try numbers(Int16.self, shape, target)
        case .int32: try numbers(Int32.self, shape, target)
        case .int64: try numbers(Int64.self, shape, target)
        case .fp32: try numbers(Float.self, shape, target)
        case .fp64: try numbers(Double.self, shape, target)
        case .fp16, .bf16, .bytes: throw ProtocolError(.failedInternally, "\(type.name) reached the number decoder")
        }
        return end
    }

    private mutating func numbers<Element: JSONElement>(
        _ element: Element.Type, _ shape: Shape, _ target: UnsafeMutableRawBufferPointer
    ) throws(ProtocolError) {
        var sink = NumberSink<Element>(target: target)
        try JSONTensor.decode(shape: shape, from: &scanner, into: &sink)
    }
}
