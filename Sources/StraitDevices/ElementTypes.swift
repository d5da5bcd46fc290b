// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime
internal import StraitTensor

extension ElementType {
    /// The protocol's type for one of ONNX Runtime's; nil where the protocol has none.
    init?(_ type: OrtElementType) {
        guard let match = ElementType.allCases.first(where: { OrtElementType($0) == type }) else { return nil }
        self = match
    }
}

extension OrtElementType {
    /// ONNX Runtime's type for one of the protocol's.
    init(_ type: ElementType) {
        self =
            switch type {
            case .bool: .bool
            case .uint8: .uint8
            case .uint16: .uint16
            case .uint32: .uint32
            case .uint64: .uint64
            case .int8: .int8
            case .int16: .int16
            case .int32: .int32
            case .int64: .int64
            case .fp16: .fp16
            case .bf16: .bf16
            case .fp32: .fp32
            case .fp64: .fp64
            case .bytes: .string
            }
    }
}

extension TensorSignature {
    /// An input or output of a session.
    ///
    /// - Throws: ``DeviceError`` where it has a type that the protocol does not have.
    init(_ info: TensorInfo, of model: String) throws(DeviceError) {
        guard let type = ElementType(info.type) else {
            throw DeviceError(
                .cannotLoad,
                "model \(model): its tensor \(info.name) has the type \(info.type), which the protocol does not have")
        }
        self.init(
            name: info.name, type: type, dimensions: info.dimensions, symbols: info.symbols.map { $0 ?? "" })
    }
}
