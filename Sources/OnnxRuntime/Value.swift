// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

/// A tensor as ONNX Runtime sees it: over the caller's memory, or of ONNX Runtime's own.
// @unchecked: the handle is constant; who writes the memory while a run reads it is the caller's concern, as with any
// shared memory.
package final class Value: @unchecked Sendable {
    /// The type of the elements.
    package let elementType: OrtElementType
    /// The dimensions, outermost first; none is negative.
    package let shape: [Int]
    /// The elements, row-major; valid as long as the value is held. Empty for strings, which `strings()` reads.
    package let bytes: UnsafeMutableRawBufferPointer

    /// ONNX Runtime's object, for this module.
    let handle: OpaquePointer
    /// What made it.
    let environment: Environment
    /// Keeps the caller's memory.
    private let owner: (any AnyObject & Sendable)?

    /// A tensor over the caller's memory, without a copy: what is written there later is what the next run reads.
    ///
    /// - Parameters:
    ///   - bytes: exactly the elements, aligned to their size. The memory must stay until the value is gone.
    ///   - type: any but `string`.
    ///   - shape: the dimensions; their product times the element's size is the number of bytes.
    ///   - owner: held as long as the value, if the memory belongs to an object.
    /// - Throws: `invalidValue` where type, shape and bytes do not fit each other; what ONNX Runtime reports.
    package init(
        over bytes: UnsafeMutableRawBufferPointer, type: OrtElementType, shape: [Int],
        owner: (any AnyObject & Sendable)? = nil, in environment: Environment
    ) throws(OnnxRuntimeError) {
        guard let size = type.byteSize else {
            throw OnnxRuntimeError(
                .invalidValue, "a tensor of strings cannot be laid over memory; copy them in instead")
        }
        guard let expected = Self.byteCount(of: shape, size), expected == bytes.count else {
            throw OnnxRuntimeError(
                .invalidValue, "a tensor of type \(type) and shape \(shape) does not fit its \(bytes.count) bytes")
        }
        // A tensor without elements may come without an address, but ONNX Runtime wants one; it is never read.
        let address = bytes.baseAddress ?? Self.nowhere
        guard UInt(bitPattern: address) % UInt(size) == 0 else {
            throw OnnxRuntimeError(
                .invalidValue, "the memory of a tensor of type \(type) must be aligned to \(size) bytes")
        }
        let (api, memory) = (environment.api, environment.cpuMemory)
        handle = try environment.library.made {
            ort_create_tensor_over(api, memory, address, bytes.count, shape, shape.count, type.rawValue, &$0)
        }
        self.elementType = type
        self.shape = shape
        self.bytes = bytes
        self.environment = environment
        self.owner = owner
    }

    /// A tensor that ONNX Runtime made, which is released with the value, or at once where it cannot be described.
    init(adopting handle: OpaquePointer, model: String?, in environment: Environment) throws(OnnxRuntimeError) {
        do {
            (elementType, shape, bytes) = try Self.describe(handle, model, environment)
        } catch {
            ort_release_value(environment.api, handle)
            throw error
        }
        self.handle = handle
        self.environment = environment
        owner = nil
    }

    /// A tensor of strings, already filled.
    init(stringTensor handle: OpaquePointer, shape: [Int], in environment: Environment) {
        self.handle = handle
        self.elementType = .string
        self.shape = shape
        self.bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        self.environment = environment
        owner = nil
    }

    deinit {
        ort_release_value(environment.api, handle)
    }

    /// The number of elements.
    ///
    /// - Complexity: O(rank).
    package var elementCount: Int { shape.reduce(1, *) }

    /// The number of elements of a shape times the size of one; nil where it is negative or beyond `Int`.
    static func byteCount(of shape: [Int], _ elementSize: Int) -> Int? {
        var total = elementSize
        for dimension in shape {
            let (product, overflow) = total.multipliedReportingOverflow(by: dimension)
            guard dimension >= 0, !overflow else { return nil }
            total = product
        }
        return total
    }

    /// An address that suits every element type.
    private static var nowhere: UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(bitPattern: 64).unsafelyUnwrapped  // 64 is not 0
    }

    private static func describe(
        _ handle: OpaquePointer, _ model: String?, _ environment: Environment
    ) throws(OnnxRuntimeError) -> (OrtElementType, [Int], UnsafeMutableRawBufferPointer) {
        let (library, api) = (environment.library, environment.api)
        let isTensor: Int32 = try library.read(model: model) { ort_value_is_tensor(api, handle, &$0) }
        guard isTensor != 0 else {
            throw OnnxRuntimeError(.unsupportedType, "the model returned a value that is no tensor", model: model)
        }
        let tensor = try library.made(model: model) { ort_value_tensor_info(api, handle, &$0) }
        defer { ort_release_tensor_info(api, tensor) }
        let reader = TensorShape(library: library, tensor: tensor, model: model)
        let type = try reader.elementType("an output")
        let shape = try reader.dimensions()
        guard let size = type.byteSize else {
            return (type, shape, UnsafeMutableRawBufferPointer(start: nil, count: 0))
        }
        var data: UnsafeMutableRawPointer?
        try library.check(ort_value_data(api, handle, &data), model: model)
        let count = data == nil ? 0 : byteCount(of: shape, size) ?? 0
        return (type, shape, UnsafeMutableRawBufferPointer(start: data, count: count))
    }
}
