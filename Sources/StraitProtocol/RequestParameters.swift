// SPDX-License-Identifier: Apache-2.0

// The parameters of requests, inputs and outputs: those that mean something, those refused, and the rest, skipped.

extension RequestReader {
    /// Reads an object of parameters, or null; `read` gets each name and must consume the value behind it.
    mutating func readParameters(
        _ read: (inout RequestReader, String) throws(ProtocolError) -> Void
    ) throws(ProtocolError) {
        if scanner.null() { return }
        var names: Set<String> = []
        try scanner.openObject()
        var isFirst = true
        while let token = try scanner.nextMember(isFirst: &isFirst) {
            let name = try scanner.content(of: token)
            path.parameter = name
            guard names.insert(name).inserted else { throw scanner.failure("the parameter is given twice") }
            guard names.count <= InferenceRequestDecoder.maximumParameters else {
                throw scanner.failure("more than \(InferenceRequestDecoder.maximumParameters) parameters")
            }
            try read(&self, name)
            path.parameter = ""
        }
    }

    /// A parameter of the whole request.
    mutating func readRequestParameter(_ name: String) throws(ProtocolError) {
        switch name {
        case "priority":
            let value = try naturalNumber("a priority", as: UInt64.self)
            priority = value == 0 ? nil : value
        case "timeout":
            let value = try naturalNumber("a timeout in microseconds", as: Int64.self)
            timeout = value == 0 ? nil : value
        case "binary_data_output": binaryOutputsByDefault = try scanner.bool()
        case "sequence_id":
            if scanner.peek() == UInt8(ascii: "\"") {
                let token = try scanner.string()
                if !token.range.isEmpty { throw unsupported("sequences of requests are not supported") }
            } else if try naturalNumber("a sequence id", as: UInt64.self) != 0 {
                throw unsupported("sequences of requests are not supported")
            }
        case "sequence_start", "sequence_end": _ = try scanner.bool()
        default: try scanner.skipValue()
        }
    }

    /// A parameter of one input.
    mutating func readInputParameter(_ name: String, of input: inout Input) throws(ProtocolError) {
        switch name {
        case "binary_data_size": input.binarySize = try naturalNumber("a size in bytes", as: Int.self)
        default:
            guard try !readSharedParameter(name, &input.shared) else { return }
            try scanner.skipValue()
        }
    }

    /// A parameter of one requested output.
    mutating func readOutputParameter(
        _ name: String, of output: inout RequestedOutput, _ shared: inout SharedParameters
    ) throws(ProtocolError) {
        switch name {
        case "binary_data": output.binary = try scanner.bool()
        case "classification": output.classes = try naturalNumber("a number of classes", as: Int.self)
        default:
            guard try !readSharedParameter(name, &shared) else { return }
            try scanner.skipValue()
        }
    }

    /// Reads one of the parameters that tell a place in shared memory.
    ///
    /// - Returns: whether it was one; nothing was consumed if not.
    private mutating func readSharedParameter(
        _ name: String, _ shared: inout SharedParameters
    ) throws(ProtocolError) -> Bool {
        switch name {
        case "shared_memory_region": shared.region = try boundedString(InferenceRequestDecoder.maximumNameLength)
        case "shared_memory_offset": shared.offset = try naturalNumber("an offset in bytes", as: Int.self)
        case "shared_memory_byte_size": shared.byteCount = try naturalNumber("a size in bytes", as: Int.self)
        default: return false
        }
        return true
    }

    private func unsupported(_ message: String) -> ProtocolError {
        ProtocolError(.unsupported, message)
    }
}
