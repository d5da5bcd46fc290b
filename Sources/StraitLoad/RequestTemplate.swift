// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitProtocol
package import StraitTensor

/// One input of a request, held as the wire's binary form has it: little-endian, row-major.
package struct RequestInput: Sendable, Equatable {
    /// The input's name.
    package let name: String
    /// The type of its elements.
    package let type: ElementType
    /// Its dimensions, all known.
    package let shape: Shape
    /// Its bytes.
    package let bytes: [UInt8]

    /// An input whose bytes fit its type and shape.
    package init(name: String, type: ElementType, shape: Shape, bytes: [UInt8]) {
        self.name = name
        self.type = type
        self.shape = shape
        self.bytes = bytes
    }
}

/// What one model is asked, again and again.
package struct RequestTemplate: Sendable, Equatable {
    /// The inputs.
    package let inputs: [RequestInput]
    /// The outputs asked for by name; empty for all.
    package let outputs: [String]

    /// A template of the given inputs and outputs.
    package init(inputs: [RequestInput], outputs: [String] = []) {
        self.inputs = inputs
        self.outputs = outputs
    }

    /// The largest request file that is read, in bytes: well above what an image or a page of text comes to as JSON.
    static let maximumFileSize = 256 << 20

    /// Reads a request as one would send it with curl: JSON, of which the inputs and the outputs' names are used.
    ///
    /// - Throws: ``LoadError`` of code `badInput`, naming the file and what is wrong in it.
    package init(file path: String) throws(LoadError) {
        guard let file = fopen(path, "rb") else {
            throw LoadError(.badInput, "Cannot read the request file \(path): \(String(cString: strerror(errno))).")
        }
        defer { fclose(file) }
        let pool = SlabPool(budget: 4 * Self.maximumFileSize)
        do {
            guard fseek(file, 0, SEEK_END) == 0, case let size = ftell(file), size >= 0, fseek(file, 0, SEEK_SET) == 0,
                size <= Self.maximumFileSize
            else {
                throw LoadError(
                    .badInput, "Cannot use the request file \(path): expected a file of at most 256 MiB.")
            }
            let slab = try pool.take(size)
            guard fread(slab.bytes.baseAddress, 1, size, file) == size else {
                throw LoadError(.badInput, "Cannot read the request file \(path) to its end.")
            }
            let request = try InferenceRequestDecoder.decode(body: slab, range: 0..<size, jsonLength: nil, pool: pool)
            self.init(
                inputs: request.inputs.map { tensor in
                    RequestInput(
                        name: tensor.name, type: tensor.type, shape: tensor.shape, bytes: Array(tensor.bytes))
                }, outputs: request.outputs.map(\.name))
        } catch let error as LoadError {
            throw error
        } catch let error as ProtocolError {
            throw LoadError(.badInput, "The request file \(path) is not a valid request: \(error.message)")
        } catch {
            throw LoadError(.badInput, "The request file \(path) is too large to be held: \(error).")
        }
    }
}
