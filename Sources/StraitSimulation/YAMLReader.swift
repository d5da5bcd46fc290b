// SPDX-License-Identifier: Apache-2.0

/// Reads the part of YAML that scenario files are written in: keys and lists by indentation or in brackets, plain and
/// quoted texts that end on their line, comments. What it leaves out (anchors, tags, texts over several lines, several
/// documents) it refuses by name.
///
/// A reader of our own, because those there are bring all of Foundation, which is nine tenths of a static binary.
///
/// - Complexity: O(bytes); a nesting deeper than ``deepest`` is refused.
struct YAMLReader {
    let file: String
    let bytes: [UInt8]
    var position = 0
    var line = 1
    /// Where the current line begins.
    private var lineStart = 0
    private var depth = 0

    /// Scenarios nest four deep.
    private static let deepest = 32

    /// - Throws: `badFile` for what is no text.
    init(_ bytes: [UInt8], file: String) throws(SimulationError) {
        self.file = file
        self.bytes = bytes
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw SimulationError(.badFile, "\(file): expected text in UTF-8")
        }
        var line = 1
        for (index, byte) in bytes.enumerated() {
            if byte == .newline { line += 1 }
            let endsLine = byte == .carriageReturn && index + 1 < bytes.count && bytes[index + 1] == .newline
            guard byte >= .space && byte != .delete || byte == .newline || byte == .tab || endsLine else {
                throw failure("expected text: control characters are not allowed", at: line)
            }
        }
    }

    /// The file's one value; nil if there is nothing in it.
    ///
    /// - Throws: `badFile` with the line for what is not of this part of YAML.
    static func root(of bytes: [UInt8], file: String) throws(SimulationError) -> YAMLNode? {
        var reader = try YAMLReader(bytes, file: file)
        try reader.skipToContent()
        if reader.isMarker("---") {
            reader.position += 3
            try reader.skipToContent()
        }
        guard !reader.isAtBlocksEnd else { return nil }
        let root = try reader.block(in: -1)
        if reader.isMarker("...") {
            reader.position += 3
            try reader.skipToContent()
        }
        guard reader.isAtEnd else {
            throw reader.failure(
                reader.isMarker("---")
                    ? "expected one document in the file, found another"
                    : "expected the end of the file: this does not belong to what begins in line \(root.line)")
        }
        return root
    }

    // -- what stands where --------------------------------------------------------------------------------------------

    var isAtEnd: Bool { position >= bytes.count }

    /// The byte at a distance from here; nil behind the end.
    func byte(_ distance: Int = 0) -> UInt8? {
        position + distance < bytes.count ? bytes[position + distance] : nil
    }

    /// Whether nothing more of what indentation holds together comes: the end, or a line between documents.
    private var isAtBlocksEnd: Bool { isAtEnd || isMarker("---") || isMarker("...") }

    /// Bytes since the line's beginning.
    private var column: Int { position - lineStart }

    /// Whether a byte parts what stands before it from what comes.
    static func isGap(_ byte: UInt8?) -> Bool {
        switch byte {
        case nil, .space, .tab, .newline, .carriageReturn: true
        default: false
        }
    }

    private func isMarker(_ marker: String) -> Bool {
        column == 0 && bytes[position...].starts(with: marker.utf8) && Self.isGap(byte(marker.utf8.count))
    }

    private var isDash: Bool { byte() == UInt8(ascii: "-") && Self.isGap(byte(1)) }

    func failure(_ message: String, at line: Int? = nil) -> SimulationError {
        SimulationError(.badFile, "\(file):\(line ?? self.line): \(message)")
    }

    // -- on the way -----------------------------------------------------------------------------------------------

    /// Past blanks, and a comment behind them, to what comes next on this line, or the line's end.
    mutating func skipBlanks() {
        while byte() == .space || byte() == .tab || byte() == .carriageReturn { position += 1 }
        // A comment has a blank before it.
        if byte() == UInt8(ascii: "#"), position == lineStart || Self.isGap(bytes[position - 1]) {
            while let next = byte(), next != .newline { position += 1 }
        }
    }

    /// Past blanks, comments and ends of lines to what comes next.
    mutating func skipToContent() throws(SimulationError) {
        while true {
            skipBlanks()
            guard byte() == .newline else { break }
            position += 1
            line += 1
            lineStart = position
        }
        let before = bytes[lineStart..<position]
        if !isAtEnd, before.contains(.tab), before.allSatisfy({ Self.isGap($0) }) {
            throw failure("expected spaces before what stands on this line, found a tab")
        }
    }

    /// Reads what lies one level deeper.
    mutating func deeper<Value>(
        _ body: (inout YAMLReader) throws(SimulationError) -> Value
    ) throws(SimulationError) -> Value {
        guard depth < Self.deepest else { throw failure("expected at most \(Self.deepest) levels, one in another") }
        depth += 1
        defer { depth -= 1 }
        return try body(&self)
    }

    // -- by indentation -------------------------------------------------------------------------------------------

    /// The value that begins here, further in than `outer`, and ends before what is not.
    private mutating func block(in outer: Int) throws(SimulationError) -> YAMLNode {
        try deeper { (reader) throws(SimulationError) in
            if reader.isDash { return try reader.dashes(at: reader.column) }
            if reader.keyEnd() != nil { return try reader.keys(at: reader.column) }
            let node = try reader.value()
            try reader.endLine(before: outer + 1)
            return node
        }
    }

    /// The values behind dashes in a column.
    ///
    /// - Parameter isBelowKey: whether a key stands in the same column, so that another may come behind them.
    private mutating func dashes(at column: Int, isBelowKey: Bool = false) throws(SimulationError) -> YAMLNode {
        let first = line
        var list: [YAMLNode] = []
        while !isAtBlocksEnd, self.column == column, isDash {
            position += 1
            list.append(try valueOrNothing(in: column, allowsDashes: false))
        }
        try expectNoDeeper(than: isBelowKey ? column + 1 : column)
        return YAMLNode(content: .list(list), line: first)
    }

    /// The keys in a column, with their values.
    private mutating func keys(at column: Int) throws(SimulationError) -> YAMLNode {
        var entries = Entries(line: line)
        while !isAtBlocksEnd, self.column == column, let end = keyEnd() {
            let key = try value(until: end)
            position = end + 1
            let value = try valueOrNothing(in: column, allowsDashes: true)
            try entries.add(key, value, self)
        }
        try expectNoDeeper(than: column)
        return entries.node
    }

    /// What follows a dash or a key: on its line, further in on the next ones, or nothing.
    private mutating func valueOrNothing(in column: Int, allowsDashes: Bool) throws(SimulationError) -> YAMLNode {
        let (start, here) = (position, line)
        try skipToContent()
        let isNothing = isAtBlocksEnd || line > here && self.column <= column
        if isNothing, allowsDashes, !isAtBlocksEnd, self.column == column, isDash {
            return try deeperDashes(at: column)
        }
        guard !isNothing else { return YAMLNode(content: .text("", isQuoted: false), line: here) }
        if line > here || !allowsDashes { return try block(in: column) }
        if isDash || keyEnd() != nil, start < position {
            throw failure("expected a value; keys and dashes of their own begin on the next line, further in")
        }
        let node = try value()
        try endLine(before: column + 1)
        return node
    }

    private mutating func deeperDashes(at column: Int) throws(SimulationError) -> YAMLNode {
        try deeper { (reader) throws(SimulationError) in try reader.dashes(at: column, isBelowKey: true) }
    }

    /// To the content after a value that ends with its line.
    private mutating func endLine(before column: Int) throws(SimulationError) {
        skipBlanks()
        guard isAtEnd || byte() == .newline else {
            throw failure("expected the end of the line behind the value")
        }
        try skipToContent()
        // At the top there is nothing further in: what follows is the caller's to refuse.
        if column > 0, !isAtBlocksEnd, self.column >= column {
            throw failure("expected nothing further in than the line above: a text ends with its line")
        }
    }

    private func expectNoDeeper(than column: Int) throws(SimulationError) {
        guard !isAtBlocksEnd, self.column >= column else { return }
        throw failure(
            self.column > column
                ? "expected the same column as the lines above" : "expected another key or another dash, as above")
    }

    /// Where the colon stands behind the key that begins here; nil if no key begins here.
    private func keyEnd() -> Int? {
        guard let first = byte(), Self.leftOut[first] == nil else { return nil }
        var end = position
        if first == .quote || first == .apostrophe {
            guard let last = quoteEnd(first) else { return nil }
            end = last + 1
            while end < bytes.count, bytes[end] == .space { end += 1 }
        } else if first == UInt8(ascii: "[") || first == UInt8(ascii: "{") {
            return nil
        } else {
            while end < bytes.count, bytes[end] != .newline {
                let isEnd = bytes[end] == UInt8(ascii: ":") && Self.isGap(end + 1 < bytes.count ? bytes[end + 1] : nil)
                let isComment = bytes[end] == UInt8(ascii: "#") && end > position && Self.isGap(bytes[end - 1])
                if isEnd || isComment { break }
                end += 1
            }
        }
        guard end < bytes.count, bytes[end] == UInt8(ascii: ":") else { return nil }
        return Self.isGap(end + 1 < bytes.count ? bytes[end + 1] : nil) ? end : nil
    }
}

/// Keys with values, of which no text stands twice.
struct Entries {
    private let line: Int
    private var entries: [YAMLNode.Entry] = []
    private var known: Set<String> = []

    init(line: Int) { self.line = line }

    var node: YAMLNode { YAMLNode(content: .mapping(entries), line: line) }

    mutating func add(_ key: YAMLNode, _ value: YAMLNode, _ reader: YAMLReader) throws(SimulationError) {
        if let text = key.text, !known.insert(text).inserted {
            throw reader.failure(
                "\(YAMLNode.quoted(text)): expected each key once, found this one further up too", at: key.line)
        }
        entries.append(YAMLNode.Entry(key: key, value: value))
    }
}

extension UInt8 {
    static let newline = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let tab = UInt8(ascii: "\t")
    static let space = UInt8(ascii: " ")
    static let quote = UInt8(ascii: "\"")
    static let apostrophe = UInt8(ascii: "'")
    static let backslash = UInt8(ascii: "\\")
    static let delete: UInt8 = 0x7F
}
