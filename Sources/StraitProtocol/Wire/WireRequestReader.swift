// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

/// The state of one decoding: where in the message it is, and what has been read.
struct WireRequestReader {
    /// What the message says about one input, before its data is decoded.
    struct Input {
        var name = ""
        var type: ElementType?
        var dimensions: [Int] = []
        /// Where its typed contents lie.
        var contents: Range<Int>?
        /// Where its data are in shared memory.
        var shared = SharedParameters()
    }

    let message: UnsafeRawBufferPointer
    var path = RequestPath()

    var modelName = ""
    var modelVersion = ""
    var id = ""
    var priority: UInt64?
    var timeout: Int64?
    var inputs: [Input] = []
    var outputs: [RequestedOutput] = []
    /// Where the elements of `raw_input_contents` lie.
    var raw: [Range<Int>] = []

    private var parameters = 0

    init(message: UnsafeRawBufferPointer) { self.message = message }

    /// All that was read but for the tensors.
    var outline: WireOutline {
        get {
            WireOutline(
                modelName: modelName, modelVersion: modelVersion, id: id, priority: priority, timeout: timeout,
                inputs: inputs, outputs: outputs, raw: raw)
        }
        set {
            (modelName, modelVersion, id) = (newValue.modelName, newValue.modelVersion, newValue.id)
            (priority, timeout) = (newValue.priority, newValue.timeout)
            (inputs, outputs, raw) = (newValue.inputs, newValue.outputs, newValue.raw)
        }
    }

    // -- the request ---------------------------------------------------------------------------------------------

    /// Reads everything but tensor data, which is only located.
    mutating func readRequest() throws(ProtocolError) {
        var scanner = WireScanner(message, 0..<message.count)
        while let field = try scanner.next() {
            switch field.number {
            case 1: modelName = try text(field, "model_name", InferenceRequestDecoder.maximumNameLength, &scanner)
            case 2: modelVersion = try text(field, "model_version", Self.versionLength, &scanner)
            case 3: id = try text(field, "id", InferenceRequestDecoder.maximumIDLength, &scanner)
            case 4:
                path.member = "parameters"
                try count(&parameters, "parameters")
                let (name, value) = try parameter(try scanner.submessage(field))
                try takeRequestParameter(name, value)
            case 5:
                path = RequestPath(list: "inputs", index: inputs.count)
                guard inputs.count < InferenceRequestDecoder.maximumInputs else {
                    throw invalid("more than \(InferenceRequestDecoder.maximumInputs) inputs")
                }
                try readInput(try scanner.submessage(field))
            case 6:
                path = RequestPath(list: "outputs", index: outputs.count)
                guard outputs.count < InferenceRequestDecoder.maximumOutputs else {
                    throw invalid("more than \(InferenceRequestDecoder.maximumOutputs) outputs")
                }
                try readOutput(try scanner.submessage(field))
            case 7:
                path = RequestPath(list: "raw_input_contents", index: raw.count)
                guard raw.count < InferenceRequestDecoder.maximumInputs else {
                    throw invalid("more than \(InferenceRequestDecoder.maximumInputs) tensors")
                }
                raw.append(try scanner.bytes(field))
            default: try scanner.skip(field)
            }
            path = RequestPath()
        }
        guard !modelName.isEmpty else { throw invalid("model_name is missing") }
    }

    /// A version is a decimal number.
    private static let versionLength = 20

    private mutating func text(
        _ field: WireScanner.Field, _ member: String, _ limit: Int, _ scanner: inout WireScanner
    ) throws(ProtocolError) -> String {
        path.member = member
        defer { path.member = "" }
        do throws(ProtocolError) {
            return try scanner.text(field, limit: limit)
        } catch {
            throw ProtocolError(error.code, "\(member): \(error.message)")
        }
    }

    /// Counts one more of what may come only so often.
    private func count(_ number: inout Int, _ what: String) throws(ProtocolError) {
        number += 1
        guard number <= InferenceRequestDecoder.maximumParameters else {
            throw invalid("more than \(InferenceRequestDecoder.maximumParameters) \(what)")
        }
    }

    func invalid(_ message: String) -> ProtocolError { ProtocolError(.invalidArgument, message) }

    // -- inputs and outputs --------------------------------------------------------------------------------------

    private mutating func readInput(_ submessage: WireScanner) throws(ProtocolError) {
        var scanner = submessage
        var input = Input()
        var parameters = 0
        while let field = try scanner.next() {
            switch field.number {
            case 1:
                input.name = try text(field, "name", InferenceRequestDecoder.maximumNameLength, &scanner)
                path.name = input.name
            case 2:
                let name = try text(field, "datatype", Self.typeNameLength, &scanner)
                guard let type = ElementType(name: name) else {
                    let known = ElementType.allCases.map(\.name).joined(separator: ", ")
                    throw invalid("unknown datatype \"\(name)\"; expected one of \(known)")
                }
                input.type = type
            case 3: try readDimensions(field, &scanner, into: &input.dimensions)
            case 4:
                path.member = "parameters"
                try count(&parameters, "parameters")
                let (name, value) = try parameter(try scanner.submessage(field))
                try takeInputParameter(name, value, &input.shared)
                path.member = ""
            case 5:
                guard input.contents == nil else { throw invalid("contents are given twice") }
                input.contents = try scanner.bytes(field)
            default: try scanner.skip(field)
            }
        }
        guard !input.name.isEmpty else { throw invalid("the name is missing") }
        guard input.type != nil else { throw invalid("the datatype is missing") }
        guard Shape(input.dimensions).elementCount != nil else {
            throw invalid("\(Shape(input.dimensions)) has more elements than any memory holds")
        }
        guard !inputs.contains(where: { $0.name == input.name }) else {
            throw invalid("another input has the same name")
        }
        inputs.append(input)
    }

    /// The longest name of a type has six letters; a little more is still quoted in an error.
    private static let typeNameLength = 32

    /// Dimensions come one by one or packed, as the sender likes.
    private mutating func readDimensions(
        _ field: WireScanner.Field, _ scanner: inout WireScanner, into dimensions: inout [Int]
    ) throws(ProtocolError) {
        path.member = "shape"
        defer { path.member = "" }
        var numbers = scanner
        if field.form == .delimited {
            numbers = try scanner.submessage(field)
            if numbers.isAtEnd { return }
        } else {
            try scanner.expect(.varint, of: field)
        }
        repeat {
            guard dimensions.count < Shape.maximumRank else {
                throw invalid("shape: more than \(Shape.maximumRank) dimensions")
            }
            let dimension = Int(bitPattern: UInt(try numbers.varint()))
            guard dimension >= 0 else { throw invalid("shape: dimension \(dimensions.count) is \(dimension)") }
            dimensions.append(dimension)
        } while field.form == .delimited && !numbers.isAtEnd
        if field.form != .delimited { scanner = numbers }
    }

    private mutating func readOutput(_ submessage: WireScanner) throws(ProtocolError) {
        var scanner = submessage
        var output = RequestedOutput(name: "")
        var shared = SharedParameters()
        var parameters = 0
        while let field = try scanner.next() {
            switch field.number {
            case 1:
                output.name = try text(field, "name", InferenceRequestDecoder.maximumNameLength, &scanner)
                path.name = output.name
            case 2:
                path.member = "parameters"
                try count(&parameters, "parameters")
                let (name, value) = try parameter(try scanner.submessage(field))
                try takeOutputParameter(name, value, of: &output, &shared)
                path.member = ""
            default: try scanner.skip(field)
            }
        }
        guard !output.name.isEmpty else { throw invalid("the name is missing") }
        guard !outputs.contains(where: { $0.name == output.name }) else {
            throw invalid("the output is asked for twice")
        }
        output.place = try shared.place()
        outputs.append(output)
    }
}
