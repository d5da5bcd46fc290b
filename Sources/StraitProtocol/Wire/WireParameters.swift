// SPDX-License-Identifier: Apache-2.0

/// The value of a parameter as gRPC carries it.
enum WireParameterValue: Equatable {
    case none
    case bool(Bool)
    case int(Int64)
    case string(String)
    case double(Double)
    case unsigned(UInt64)
}

// The parameters of requests, inputs and outputs: those that mean something, those refused, and the rest, passed over.

extension WireRequestReader {
    /// Reads one entry of a map of parameters.
    mutating func parameter(_ entry: WireScanner) throws(ProtocolError) -> (name: String, value: WireParameterValue) {
        var scanner = entry
        var name = ""
        var value = WireParameterValue.none
        while let field = try scanner.next() {
            switch field.number {
            case 1:
                name = try scanner.text(field, limit: InferenceRequestDecoder.maximumNameLength)
                path.parameter = name
            case 2: value = try parameterValue(try scanner.submessage(field))
            default: try scanner.skip(field)
            }
        }
        return (name, value)
    }

    private func parameterValue(_ submessage: WireScanner) throws(ProtocolError) -> WireParameterValue {
        var scanner = submessage
        var value = WireParameterValue.none
        while let field = try scanner.next() {
            switch field.number {
            case 1: value = .bool(try scanner.number(field) != 0)
            case 2: value = .int(Int64(bitPattern: try scanner.number(field)))
            case 3: value = .string(try scanner.text(field, limit: Self.parameterLength))
            case 4:
                try scanner.expect(.fixed64, of: field)
                let range = try scanner.fixed(8)
                let bits = message.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt64.self)
                value = .double(Double(bitPattern: UInt64(littleEndian: bits)))
            case 5: value = .unsigned(try scanner.number(field))
            default: try scanner.skip(field)
            }
        }
        return value
    }

    /// Parameters that mean something here are short; what somebody passes on to his own model is not stored.
    private static let parameterLength = 64 << 10

    /// A parameter of the whole request.
    mutating func takeRequestParameter(_ name: String, _ value: WireParameterValue) throws(ProtocolError) {
        switch name {
        case "priority":
            let number = try naturalNumber(value, "a priority")
            priority = number == 0 ? nil : number
        case "timeout":
            let number = try naturalNumber(value, "a timeout in microseconds")
            guard let microseconds = Int64(exactly: number) else {
                throw invalid("a timeout in microseconds must be a whole number from 0 to \(Int64.max)")
            }
            timeout = microseconds == 0 ? nil : microseconds
        case "sequence_id":
            if case .string(let text) = value {
                if text.isEmpty { return }
            } else if try naturalNumber(value, "a sequence id") == 0 {
                return
            }
            throw ProtocolError(.unsupported, "sequences of requests are not supported")
        default: break
        }
    }

    /// A parameter of one input.
    mutating func takeInputParameter(
        _ name: String, _ value: WireParameterValue, _ shared: inout SharedParameters
    ) throws(ProtocolError) {
        switch name {
        case "shared_memory_region":
            guard case .string(let region) = value, region.utf8.count <= InferenceRequestDecoder.maximumNameLength
            else {
                throw invalid(
                    "expected the name of a region as string_param, of at most "
                        + "\(InferenceRequestDecoder.maximumNameLength) bytes")
            }
            shared.region = region
        case "shared_memory_offset": shared.offset = try count(value, "an offset in bytes")
        case "shared_memory_byte_size": shared.byteCount = try count(value, "a size in bytes")
        default: break
        }
    }

    /// A parameter of one requested output.
    mutating func takeOutputParameter(
        _ name: String, _ value: WireParameterValue, of output: inout RequestedOutput, _ shared: inout SharedParameters
    ) throws(ProtocolError) {
        if name == "classification" {
            output.classes = try count(value, "a number of classes")
        } else {
            try takeInputParameter(name, value, &shared)
        }
    }

    /// A whole number that counts what is in memory.
    private func count(_ value: WireParameterValue, _ what: String) throws(ProtocolError) -> Int {
        let number = try naturalNumber(value, what)
        guard let count = Int(exactly: number) else { throw invalid("\(what) must be at most \(Int.max)") }
        return count
    }

    /// A whole number of at least 0, signed or not.
    private func naturalNumber(_ value: WireParameterValue, _ what: String) throws(ProtocolError) -> UInt64 {
        switch value {
        case .unsigned(let number): return number
        case .int(let number) where number >= 0: return UInt64(number)
        case .int(let number): throw invalid("\(what) must be at least 0, found \(number)")
        case .none, .bool, .string, .double: throw invalid("expected \(what) as int64_param or uint64_param")
        }
    }
}
