// SPDX-License-Identifier: Apache-2.0

// StraitTensor: what a tensor is made of. Element types, shapes, and the pooled, aligned memory that holds the bytes.

/// The element type of a tensor, as the Open Inference Protocol names it.
public enum ElementType: UInt8, Sendable, Hashable, CaseIterable {
    case bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64, fp16, bf16, fp32, fp64
    /// Strings of bytes of any length. On the wire each is preceded by its length in 4 little-endian bytes.
    case bytes

    /// The type of the protocol's name for it, such as `FP32`; nil for a name that the protocol does not have.
    public init?(name: some StringProtocol) {
        guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = match
    }

    /// The protocol's name, such as `FP32` or `BYTES`.
    public var name: String {
        switch self {
        case .bool: "BOOL"
        case .uint8: "UINT8"
        case .uint16: "UINT16"
        case .uint32: "UINT32"
        case .uint64: "UINT64"
        case .int8: "INT8"
        case .int16: "INT16"
        case .int32: "INT32"
        case .int64: "INT64"
        case .fp16: "FP16"
        case .bf16: "BF16"
        case .fp32: "FP32"
        case .fp64: "FP64"
        case .bytes: "BYTES"
        }
    }

    /// Bytes of one element; nil for `bytes`, whose elements vary.
    public var byteSize: Int? {
        switch self {
        case .bool, .uint8, .int8: 1
        case .uint16, .int16, .fp16, .bf16: 2
        case .uint32, .int32, .fp32: 4
        case .uint64, .int64, .fp64: 8
        case .bytes: nil
        }
    }
}
