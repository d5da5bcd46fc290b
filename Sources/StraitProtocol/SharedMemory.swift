// SPDX-License-Identifier: Apache-2.0

package import StraitTensor

/// A stretch of a shared memory region that a client has registered: where a tensor is read, or is to be written.
package struct SharedPlace: Sendable, Hashable {
    /// The name under which the region was registered.
    package var region: String
    /// Where the stretch begins in the region, in bytes.
    package var offset: Int
    /// Its length in bytes; `offset + byteCount` is a number.
    package var byteCount: Int

    /// A stretch of a region.
    ///
    /// - Throws: ``ProtocolError`` `invalidArgument` where its end is beyond what any memory has.
    package init(region: String, offset: Int = 0, byteCount: Int) throws(ProtocolError) {
        guard offset >= 0, byteCount >= 0, !offset.addingReportingOverflow(byteCount).overflow else {
            throw ProtocolError(
                .invalidArgument,
                "shared_memory_offset \(offset) and shared_memory_byte_size \(byteCount) lie beyond any memory")
        }
        self.region = region
        self.offset = offset
        self.byteCount = byteCount
    }
}

/// What the parameters of a tensor say about shared memory.
struct SharedParameters {
    var region: String?
    var offset: Int?
    var byteCount: Int?

    /// The place that they tell; nil where they tell none.
    func place() throws(ProtocolError) -> SharedPlace? {
        guard let region else {
            guard offset == nil, byteCount == nil else {
                throw ProtocolError(.invalidArgument, "shared_memory_region is missing; it names a registered region")
            }
            return nil
        }
        guard let byteCount else { throw ProtocolError(.invalidArgument, "shared_memory_byte_size is missing") }
        return try SharedPlace(region: region, offset: offset ?? 0, byteCount: byteCount)
    }
}

/// An input whose bytes lie in shared memory.
package struct SharedInput: Sendable, Hashable {
    /// The input's name.
    package var name: String
    /// The type of its elements.
    package var type: ElementType
    /// Its dimensions.
    package var shape: Shape
    /// Where its bytes are.
    package var place: SharedPlace

    /// An input in shared memory.
    package init(name: String, type: ElementType, shape: Shape, place: SharedPlace) {
        self.name = name
        self.type = type
        self.shape = shape
        self.place = place
    }
}

/// A registered region, as clients are told of it.
package struct SharedRegionStatus: Sendable, Hashable {
    /// The name under which it was registered.
    package var name: String
    /// The name of the shared memory object.
    package var key: String
    /// Where in the object it begins, in bytes.
    package var offset: Int
    /// Its length in bytes.
    package var byteCount: Int

    /// What is registered.
    package init(name: String, key: String, offset: Int, byteCount: Int) {
        self.name = name
        self.key = key
        self.offset = offset
        self.byteCount = byteCount
    }
}
