// SPDX-License-Identifier: Apache-2.0

/// The element type of a tensor; raw values are ONNX's numbers. Types that the protocol cannot carry have no case.
package enum OrtElementType: Int32, Sendable, Hashable, CaseIterable {
    case fp32 = 1
    case uint8 = 2
    case int8 = 3
    case uint16 = 4
    case int16 = 5
    case int32 = 6
    case int64 = 7
    /// Byte strings of any length, each an object of ONNX Runtime's own.
    case string = 8
    case bool = 9
    case fp16 = 10
    case fp64 = 11
    case uint32 = 12
    case uint64 = 13
    case bf16 = 16

    /// Bytes of one element; nil for `string`, whose elements vary.
    package var byteSize: Int? {
        switch self {
        case .bool, .uint8, .int8: 1
        case .uint16, .int16, .fp16, .bf16: 2
        case .uint32, .int32, .fp32: 4
        case .uint64, .int64, .fp64: 8
        case .string: nil
        }
    }
}
