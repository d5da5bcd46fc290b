// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

/// Where in the request the reader is, for errors.
struct RequestPath: CustomStringConvertible {
    /// `inputs` or `outputs`, while inside an element of it.
    var list: StaticString?
    var index = 0
    /// The element's name, once known.
    var name = ""
    var member = ""
    var parameter = ""

    var description: String {
        var parts: [String] = []
        if let list {
            let element = "\(list)[\(index)]"
            parts.append(name.isEmpty ? element : "\(element) (\"\(name)\")")
        }
        if !member.isEmpty { parts.append(shortened(member)) }
        if !parameter.isEmpty { parts.append(shortened(parameter)) }
        return parts.isEmpty ? "request" : parts.joined(separator: ".")
    }
}

/// A client's text for use in a message: cut after so many scalars. (Accents without end make a single character.)
package func shortened(_ text: some StringProtocol, to scalars: Int = 64) -> String {
    text.utf8.count <= scalars
        ? String(text) : String(String.UnicodeScalarView(text.unicodeScalars.prefix(scalars))) + "…"
}

/// The state of one decoding: the scanner, where it is, and what has been read.
struct RequestReader {
    /// What the JSON says about one input, before its data is decoded.
    struct Input {
        var name = ""
        var type: ElementType?
        var shape: Shape?
        /// Where the JSON data stands in the text.
        var data: Range<Int>?
        /// How many bytes of the binary part are its data.
        var binarySize: Int?
        /// Where its data are in shared memory.
        var shared = SharedParameters()
    }

    let body: Slab
    let json: Range<Int>
    let binary: Range<Int>
    /// Whether the request said where its JSON ends.
    var hasBinaryPart = false
    var scanner: JSONScanner
    var path = RequestPath()

    var id = ""
    var priority: UInt64?
    var timeout: Int64?
    var binaryOutputsByDefault = false
    var inputs: [Input] = []
    var outputs: [RequestedOutput] = []

    init(body: Slab, json: Range<Int>, binary: Range<Int>) {
        self.body = body
        self.json = json
        self.binary = binary
        self.scanner = JSONScanner(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(body.bytes)[json]))
    }

    /// All that was read of the JSON part.
    var outline: RequestOutline {
        get {
            RequestOutline(
                id: id, priority: priority, timeout: timeout, binaryOutputsByDefault: binaryOutputsByDefault,
                inputs: inputs, outputs: outputs)
        }
        set {
            (id, priority, timeout) = (newValue.id, newValue.priority, newValue.timeout)
            binaryOutputsByDefault = newValue.binaryOutputsByDefault
            (inputs, outputs) = (newValue.inputs, newValue.outputs)
        }
    }

    // -- the request ---------------------------------------------------------------------------------------------

    /// Reads the JSON part; tensor data is only located.
    mutating func readRequest() throws(ProtocolError) {
        var seen = SeenKeys(Self.requestKeys)
        try scanner.openObject()
        var isFirst = true
        while let key = try nextKey(isFirst: &isFirst, seen: &seen) {
            switch key {
            case "id":
                if !scanner.null() { id = try boundedString(InferenceRequestDecoder.maximumIDLength) }
            case "parameters":
                try readParameters { reader, name throws(ProtocolError) in
                    try reader.readRequestParameter(name)
                }
            case "inputs": try readInputs()
            case "outputs":
                if !scanner.null() { try readOutputs() }
            default: try scanner.skipValue()
            }
        }
        try scanner.finish()
        guard seen.contains("inputs") else {
            throw ProtocolError(.invalidArgument, "\"inputs\" is missing; expected an array of tensors")
        }
    }

    /// The next key of the object being read, noted in the path; nil at its end. Known keys may come once only.
    private mutating func nextKey(isFirst: inout Bool, seen: inout SeenKeys) throws(ProtocolError) -> String? {
        path.member = ""
        guard let token = try scanner.nextMember(isFirst: &isFirst) else { return nil }
        let key = try scanner.content(of: token)
        path.member = key
        guard seen.note(key) else { throw scanner.failure("the key is given twice") }
        return key
    }

    private static let requestKeys = ["id", "parameters", "inputs", "outputs"]
    private static let inputKeys = ["name", "shape", "datatype", "parameters", "data"]
    private static let outputKeys = ["name", "parameters"]

    /// Which of an object's known keys, of at most eight, have come.
    private struct SeenKeys {
        private let known: [String]
        private var bits: UInt8 = 0

        init(_ known: [String]) { self.known = known }

        /// Takes note of a key; false where it is a known one that has come before.
        mutating func note(_ key: String) -> Bool {
            guard let index = known.firstIndex(of: key) else { return true }
            defer { bits |= 1 << UInt8(index) }
            return bits & 1 << UInt8(index) == 0
        }

        func contains(_ key: String) -> Bool {
            known.firstIndex(of: key).map { bits & 1 << UInt8($0) != 0 } ?? false
        }
    }

    mutating func boundedString(_ limit: Int) throws(ProtocolError) -> String {
        let start = scanner.offset
        let token = try scanner.string()
        guard token.range.count <= limit else {
            throw scanner.failure(at: start, "\(token.range.count) bytes long; at most \(limit) are allowed")
        }
        return try scanner.content(of: token)
    }

    // -- inputs --------------------------------------------------------------------------------------------------

    private mutating func readInputs() throws(ProtocolError) {
        try scanner.openArray()
        var isFirst = true
        while try scanner.nextElement(isFirst: &isFirst) {
            path = RequestPath(list: "inputs", index: inputs.count)
            guard inputs.count < InferenceRequestDecoder.maximumInputs else {
                throw scanner.failure("more than \(InferenceRequestDecoder.maximumInputs) inputs")
            }
            let input = try readInput()
            guard !inputs.contains(where: { $0.name == input.name }) else {
                throw ProtocolError(.invalidArgument, "another input has the same name")
            }
            inputs.append(input)
        }
        path = RequestPath()
    }

    private mutating func readInput() throws(ProtocolError) -> Input {
        var input = Input()
        var seen = SeenKeys(Self.inputKeys)
        try scanner.openObject()
        var isFirst = true
        while let key = try nextKey(isFirst: &isFirst, seen: &seen) {
            switch key {
            case "name":
                input.name = try name()
                path.name = input.name
            case "shape": input.shape = try shape()
            case "datatype": input.type = try elementType()
            case "data": input.data = try scanner.skipArrayUnchecked()
            case "parameters":
                // The closure must not hold what it is called on.
                var read = input
                try readParameters { reader, name throws(ProtocolError) in
                    try reader.readInputParameter(name, of: &read)
                }
                input = read
            default: try scanner.skipValue()
            }
        }
        for key in ["name", "shape", "datatype"] where !seen.contains(key) {
            throw ProtocolError(.invalidArgument, "\"\(key)\" is missing")
        }
        return input
    }

    private mutating func name() throws(ProtocolError) -> String {
        scanner.skipWhitespace()
        let name = try boundedString(InferenceRequestDecoder.maximumNameLength)
        guard !name.isEmpty else { throw scanner.failure("the name is empty") }
        return name
    }

    private mutating func elementType() throws(ProtocolError) -> ElementType {
        scanner.skipWhitespace()
        let start = scanner.offset
        let token = try scanner.string()
        let name = try scanner.content(of: token)
        guard let type = ElementType(name: name) else {
            let known = ElementType.allCases.map(\.name).joined(separator: ", ")
            throw scanner.failure(at: start, "unknown datatype \"\(shortened(name))\"; expected one of \(known)")
        }
        return type
    }

    private mutating func shape() throws(ProtocolError) -> Shape {
        let start = scanner.offset
        var dimensions: [Int] = []
        try scanner.openArray()
        var isFirst = true
        while try scanner.nextElement(isFirst: &isFirst) {
            guard dimensions.count < Shape.maximumRank else {
                throw scanner.failure("more than \(Shape.maximumRank) dimensions")
            }
            dimensions.append(try naturalNumber("a dimension", as: Int.self))
        }
        let shape = Shape(dimensions)
        guard shape.elementCount != nil else {
            throw scanner.failure(at: start, "\(shape) has more elements than any memory holds")
        }
        return shape
    }

    /// A whole number of at least 0.
    mutating func naturalNumber<T: FixedWidthInteger>(_ what: String, as type: T.Type) throws(ProtocolError) -> T {
        let next = scanner.peek()
        guard next == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) else {
            throw scanner.unexpected(expected: "\(what) as a whole number")
        }
        let number = try scanner.number()
        guard let value = scanner.integer(number, as: T.self), value >= 0 else {
            throw scanner.failure(
                at: number.range.lowerBound,
                "\(what) must be a whole number from 0 to \(T.max), found \(scanner.text(of: number))")
        }
        return value
    }

    // -- outputs -------------------------------------------------------------------------------------------------

    private mutating func readOutputs() throws(ProtocolError) {
        try scanner.openArray()
        var isFirst = true
        while try scanner.nextElement(isFirst: &isFirst) {
            path = RequestPath(list: "outputs", index: outputs.count)
            guard outputs.count < InferenceRequestDecoder.maximumOutputs else {
                throw scanner.failure("more than \(InferenceRequestDecoder.maximumOutputs) outputs")
            }
            let output = try readOutput()
            guard !outputs.contains(where: { $0.name == output.name }) else {
                throw ProtocolError(.invalidArgument, "the output is asked for twice")
            }
            outputs.append(output)
        }
        path = RequestPath()
    }

    private mutating func readOutput() throws(ProtocolError) -> RequestedOutput {
        var output = RequestedOutput(name: "")
        var seen = SeenKeys(Self.outputKeys)
        try scanner.openObject()
        var isFirst = true
        while let key = try nextKey(isFirst: &isFirst, seen: &seen) {
            switch key {
            case "name":
                output.name = try name()
                path.name = output.name
            case "parameters":
                var read = output
                var shared = SharedParameters()
                try readParameters { reader, name throws(ProtocolError) in
                    try reader.readOutputParameter(name, of: &read, &shared)
                }
                read.place = try shared.place()
                output = read
            default: try scanner.skipValue()
            }
        }
        guard seen.contains("name") else { throw ProtocolError(.invalidArgument, "\"name\" is missing") }
        return output
    }
}
