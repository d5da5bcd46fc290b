// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

// The second half of decoding a request: names, types, shapes and places of all tensors are known; now their bytes.

extension WireRequestReader {
    /// Makes the tensors, all in one slab, each at an aligned place; those in shared memory are only told of.
    ///
    /// - Parameter home: the slab that the message lies in, if it does: what is aligned there stays there.
    /// - Throws: ``ProtocolError``; the path tells which input.
    mutating func makeTensors(
        pool: SlabPool, home: (slab: Slab, offset: Int)?
    ) throws(ProtocolError) -> (tensors: [Tensor], shared: [SharedInput]) {
        let (sent, shared) = try divide()
        let isRaw = !raw.isEmpty
        if isRaw { try matchRaw(sent) }
        var sizes: [Int] = []
        sizes.reserveCapacity(sent.count)
        var total = 0
        for (place, index) in sent.enumerated() {
            path = RequestPath(list: "inputs", index: index, name: inputs[index].name)
            let stays = isRaw && home != nil && isAligned(raw[place])
            let size = stays ? 0 : isRaw ? raw[place].count : try typedSize(of: inputs[index])
            sizes.append(size)
            total = Self.aligned(total + size)
        }
        path = RequestPath()
        guard !sent.isEmpty else { return ([], shared) }
        // Nothing to copy: the slab that is there will do for what has no bytes.
        let slab = if total == 0, let home { home.slab } else { try pool.takeForTensors(total) }
        var tensors: [Tensor] = []
        tensors.reserveCapacity(sent.count)
        var offset = 0
        for (place, index) in sent.enumerated() {
            let input = inputs[index]
            path = RequestPath(list: "inputs", index: index, name: input.name)
            guard let type = input.type else { continue }
            let range = offset..<offset + sizes[place]
            let target = UnsafeMutableRawBufferPointer(rebasing: slab.bytes[range])
            let shape = Shape(input.dimensions)
            if isRaw {
                let bytes = UnsafeRawBufferPointer(rebasing: message[raw[place]])
                if let problem = TensorContent.problem(in: bytes, type: type, shape: shape) {
                    throw invalid("raw_input_contents[\(place)] has \(bytes.count) bytes: \(problem)")
                }
                if let home, isAligned(raw[place]) {
                    let range = home.offset + raw[place].lowerBound..<home.offset + raw[place].upperBound
                    tensors.append(Tensor(name: input.name, type: type, shape: shape, slab: home.slab, range: range))
                    continue
                }
                target.copyMemory(from: bytes)
            } else {
                try copyTyped(input.contents ?? 0..<0, type, shape, into: target)
            }
            tensors.append(Tensor(name: input.name, type: type, shape: shape, slab: slab, range: range))
            offset = Self.aligned(range.upperBound)
        }
        path = RequestPath()
        return (tensors, shared)
    }

    private func isAligned(_ range: Range<Int>) -> Bool {
        (Int(bitPattern: message.baseAddress) + range.lowerBound) % SlabPool.alignment == 0
    }

    /// Which inputs came with the message, by their places in it, and which lie in shared memory.
    private mutating func divide() throws(ProtocolError) -> (sent: [Int], shared: [SharedInput]) {
        var sent: [Int] = []
        var shared: [SharedInput] = []
        for (index, input) in inputs.enumerated() {
            path = RequestPath(list: "inputs", index: index, name: input.name)
            guard let place = try input.shared.place() else {
                sent.append(index)
                continue
            }
            guard input.contents?.isEmpty ?? true else {
                throw invalid("both contents and shared_memory_region are given; send one of them")
            }
            guard let type = input.type else { continue }
            shared.append(SharedInput(name: input.name, type: type, shape: Shape(input.dimensions), place: place))
        }
        path = RequestPath()
        return (sent, shared)
    }

    private static func aligned(_ offset: Int) -> Int {
        (offset + SlabPool.alignment - 1) & ~(SlabPool.alignment - 1)
    }

    /// Checks that there is one raw tensor for each input that is not in shared memory, and nothing else.
    private mutating func matchRaw(_ sent: [Int]) throws(ProtocolError) {
        guard raw.count == sent.count else {
            throw invalid(
                "raw_input_contents has \(raw.count) tensors for \(sent.count) inputs; expected one for each, in "
                    + "their order")
        }
        for index in sent where !(inputs[index].contents?.isEmpty ?? true) {
            path = RequestPath(list: "inputs", index: index, name: inputs[index].name)
            throw invalid("both contents and raw_input_contents are given; send one of them")
        }
    }

    // -- typed contents ------------------------------------------------------------------------------------------

    /// The bytes that an input's typed contents come to; at most eight times what they have in the message.
    private func typedSize(of input: Input) throws(ProtocolError) -> Int {
        guard let type = input.type, let count = Shape(input.dimensions).elementCount else { return 0 }
        guard type != .fp16, type != .bf16 else {
            throw invalid("\(type.name) has no typed form; send the tensor in raw_input_contents")
        }
        let contents = input.contents ?? 0..<0
        guard count <= contents.count else {
            throw invalid(
                "shape \(Shape(input.dimensions)) needs \(count) elements; its contents have \(contents.count) bytes, "
                    + "which cannot hold as many")
        }
        guard type == .bytes else { return count * (type.byteSize ?? 0) }
        var size = 0
        try forEachString(in: contents) { element throws(ProtocolError) in
            size += BytesLayout.prefixLength + element.count
        }
        return size
    }

    private func copyTyped(
        _ contents: Range<Int>, _ type: ElementType, _ shape: Shape, into target: UnsafeMutableRawBufferPointer
    ) throws(ProtocolError) {
        let count = shape.elementCount ?? 0
        let found: Int
        switch type {
        case .bool: found = try numbers(in: contents, 1, count, target) { UInt8($0 == 0 ? 0 : 1) }
        case .int8: found = try numbers(in: contents, 2, count, target) { Int8(exactly: Int32(truncatingIfNeeded: $0)) }
        case .int16:
            found = try numbers(in: contents, 2, count, target) { Int16(exactly: Int32(truncatingIfNeeded: $0)) }
        case .int32: found = try numbers(in: contents, 2, count, target) { Int32(truncatingIfNeeded: $0) }
        case .int64: found = try numbers(in: contents, 3, count, target) { Int64(bitPattern: $0) }
        case .uint8:
            found = try numbers(in: contents, 4, count, target) { UInt8(exactly: UInt32(truncatingIfNeeded: $0)) }
        case .uint16:
            found = try numbers(in: contents, 4, count, target) { UInt16(exactly: UInt32(truncatingIfNeeded: $0)) }
        case .uint32: found = try numbers(in: contents, 4, count, target) { UInt32(truncatingIfNeeded: $0) }
        case .uint64: found = try numbers(in: contents, 5, count, target) { $0 }
        case .fp32: found = try fixed(in: contents, 6, .fixed32, 4, target)
        case .fp64: found = try fixed(in: contents, 7, .fixed64, 8, target)
        case .bytes: found = try strings(in: contents, target)
        case .fp16, .bf16: throw ProtocolError(.failedInternally, "\(type.name) reached the decoder of typed contents")
        }
        guard found == count else { throw invalid("shape \(shape) needs \(count) elements, contents have \(found)") }
    }

    /// The names of the fields of typed contents, by number.
    private static let fieldNames = [
        1: "bool_contents", 2: "int_contents", 3: "int64_contents", 4: "uint_contents", 5: "uint64_contents",
        6: "fp32_contents", 7: "fp64_contents", 8: "bytes_contents",
    ]

    /// Whether a field of typed contents is the one that goes with the input's type; unknown ones are passed over.
    private func isWanted(_ field: WireScanner.Field, _ wanted: Int) throws(ProtocolError) -> Bool {
        if field.number == wanted { return true }
        guard let name = Self.fieldNames[field.number] else { return false }
        throw invalid("contents are in \(name); expected \(Self.fieldNames[wanted] ?? "")")
    }

    /// Copies numbers that travel as varints; returns how many there are, and throws beyond `count`.
    @inline(__always)
    private func numbers<Element: BitwiseCopyable>(
        in contents: Range<Int>, _ wanted: Int, _ count: Int, _ target: UnsafeMutableRawBufferPointer,
        _ convert: (UInt64) -> Element?
    ) throws(ProtocolError) -> Int {
        var index = 0
        func put(_ value: UInt64) throws(ProtocolError) {
            guard index < count else { throw invalid("contents have more than the \(count) elements of the shape") }
            guard let element = convert(value) else {
                throw invalid("element \(index) is \(Int64(bitPattern: value)), which the datatype cannot hold")
            }
            target.storeBytes(of: element, toByteOffset: index * MemoryLayout<Element>.size, as: Element.self)
            index += 1
        }
        var scanner = WireScanner(message, contents)
        while let field = try scanner.next() {
            guard try isWanted(field, wanted) else {
                try scanner.skip(field)
                continue
            }
            if field.form == .delimited {
                var packed = try scanner.submessage(field)
                while !packed.isAtEnd { try put(try packed.varint()) }
            } else {
                try put(try scanner.number(field))
            }
        }
        return index
    }

    /// Copies numbers of fixed width, which lie in the message as they do in memory.
    private func fixed(
        in contents: Range<Int>, _ wanted: Int, _ form: WireScanner.Form, _ width: Int,
        _ target: UnsafeMutableRawBufferPointer
    ) throws(ProtocolError) -> Int {
        var offset = 0
        var scanner = WireScanner(message, contents)
        while let field = try scanner.next() {
            guard try isWanted(field, wanted) else {
                try scanner.skip(field)
                continue
            }
            let range: Range<Int>
            if field.form == .delimited {
                range = try scanner.delimited()
                guard range.count.isMultiple(of: width) else {
                    throw scanner.malformed(
                        at: range.lowerBound, "packed values of \(width) bytes take \(range.count) bytes")
                }
            } else {
                try scanner.expect(form, of: field)
                range = try scanner.fixed(width)
            }
            guard range.count <= target.count - offset else {
                throw invalid("contents have more than the \(target.count / width) elements of the shape")
            }
            UnsafeMutableRawBufferPointer(rebasing: target[offset...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: message[range]))
            offset += range.count
        }
        return offset / width
    }

    /// Copies strings, each behind its length; the target was sized by the same walk.
    private func strings(
        in contents: Range<Int>, _ target: UnsafeMutableRawBufferPointer
    ) throws(ProtocolError) -> Int {
        var found = 0
        var offset = 0
        try forEachString(in: contents) { element throws(ProtocolError) in
            guard let length = UInt32(exactly: element.count) else { throw invalid("a string is longer than 4 GB") }
            target.storeBytes(of: length.littleEndian, toByteOffset: offset, as: UInt32.self)
            offset += BytesLayout.prefixLength
            UnsafeMutableRawBufferPointer(rebasing: target[offset...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: message[element]))
            offset += element.count
            found += 1
        }
        return found
    }

    private func forEachString(
        in contents: Range<Int>, _ body: (Range<Int>) throws(ProtocolError) -> Void
    ) throws(ProtocolError) {
        var scanner = WireScanner(message, contents)
        while let field = try scanner.next() {
            if try isWanted(field, 8) { try body(try scanner.bytes(field)) } else { try scanner.skip(field) }
        }
    }
}
