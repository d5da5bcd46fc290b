// SPDX-License-Identifier: Apache-2.0

/// A named tensor: its type, its shape, and where in a slab its bytes lie (row-major, little-endian).
///
/// For `bytes` the content is the wire's: each element behind its length in 4 little-endian bytes.
package struct Tensor: Sendable {
    /// The name of the model's input or output.
    package var name: String
    /// The type of its elements.
    package var type: ElementType
    /// Its dimensions, outermost first; none is negative.
    package var shape: Shape
    /// The memory that holds it, shared with the other tensors of the request.
    package var slab: Slab
    /// The part of the slab that is this tensor.
    package var range: Range<Int>

    /// A tensor over a part of a slab; the caller vouches for size and content.
    package init(name: String, type: ElementType, shape: Shape, slab: Slab, range: Range<Int>) {
        self.name = name
        self.type = type
        self.shape = shape
        self.slab = slab
        self.range = range
    }

    /// The tensor's bytes; valid as long as the tensor (or its slab) is held.
    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(slab.bytes)[range])
    }
}
