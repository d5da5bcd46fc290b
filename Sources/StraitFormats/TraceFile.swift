// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// Requests as they were recorded, one a line of CSV, below a header that names the columns in any order: `time` in
/// seconds from the start, never less than in the line before; `model`; `class`, high or low; `deadline` in milliseconds
/// after that time; and, where requests have more than one row, `rows`.
package enum TraceFile {
    /// A model that requests may be for.
    package struct Model: Sendable, Hashable {
        /// What the file calls it.
        package var name: String
        /// The most rows that a request of it may have.
        package var maximumRows: Int

        /// A model.
        package init(name: String, maximumRows: Int) {
            self.name = name
            self.maximumRows = maximumRows
        }
    }

    /// A line.
    package struct Request: Sendable, Hashable {
        /// When it came, from the start.
        package var at: Instant
        /// The place of its model in the list that the reader was given.
        package var model: Int
        /// Its class.
        package var requestClass: RequestClass
        /// How long after that it was due.
        package var deadline: Duration
        /// Its rows.
        package var rows: Int
    }

    /// The longest file that is read, so that an endless one comes to an end: 400 million requests.
    package static let maximumBytes = 1 << 34

    /// Reads a file piece by piece and hands on each request as it is read.
    ///
    /// - Parameter limit: the most requests.
    /// - Throws: `unreadable`, or `invalid` with the file, the line, the column and what was expected. Requests before
    ///   that line were handed on.
    package static func read(
        _ path: String, models: [Model], limit: Int, take: (Request) -> Void
    ) throws(FormatError) {
        try read(path, models: models, limit: limit, pieceLength: 1 << 16, take: take)
    }

    static func read(
        _ path: String, models: [Model], limit: Int, pieceLength: Int, take: (Request) -> Void
    ) throws(FormatError) {
        var reader = TraceReader(models: models, limit: limit)
        try Files.readLines(path, limit: maximumBytes, pieceLength: pieceLength) { (line) throws(FormatError) in
            try reader.read(line, take)
        }
        guard reader.hasHeader else {
            throw FormatError(.invalid, "empty; expected a header with the columns \(TraceReader.needed)", file: path)
        }
    }
}

/// Makes requests of lines.
private struct TraceReader {
    private enum Column: String, CaseIterable {
        case time, model, `class`, deadline, rows
    }

    /// A line or a part of it.
    private typealias Text = Slice<UnsafeBufferPointer<UInt8>>

    private let models: [(name: [UInt8], maximumRows: Int)]
    private let limit: Int
    private var line = 0
    /// The columns in the file's order; empty before its header.
    private var columns: [Column] = []
    private var requests = 0
    private var latest = Instant.zero

    /// The longest that a scenario lasts.
    private static let times = 0.0...100_000
    static let needed = "time, model, class, deadline"

    init(models: [TraceFile.Model], limit: Int) {
        self.models = models.map { (Array($0.name.utf8), $0.maximumRows) }
        self.limit = limit
    }

    /// Whether the header came.
    var hasHeader: Bool { !columns.isEmpty }

    mutating func read(
        _ text: UnsafeBufferPointer<UInt8>, _ take: (TraceFile.Request) -> Void
    ) throws(FormatError) {
        line += 1
        let text = Self.trimmed(text[...], isFirst: line == 1)
        guard !text.isEmpty else { return }
        guard !columns.isEmpty else { return try readHeader(text) }
        requests += 1
        guard requests <= limit else { throw failure("expected at most \(limit) requests") }
        var request = TraceFile.Request(at: .zero, model: 0, requestClass: .low, deadline: .zero, rows: 1)
        var rowsField: Text?
        var position = 0
        var rest: Text? = text
        while let field = Self.nextField(&rest) {
            defer { position += 1 }
            guard position < columns.count else { continue }
            switch columns[position] {
            case .time: request.at = try time(field)
            case .model: request.model = try model(field)
            case .class: request.requestClass = try requestClass(field)
            case .deadline: request.deadline = try deadline(field)
            case .rows: rowsField = field
            }
        }
        guard position == columns.count else {
            throw failure("expected \(columns.count) fields as in the header, found \(position)")
        }
        // How many there may be depends on the model, which may stand behind them.
        if let field = rowsField { request.rows = try rows(field, atMost: models[request.model].maximumRows) }
        take(request)
    }

    private mutating func readHeader(_ text: Text) throws(FormatError) {
        var rest: Text? = text
        while let field = Self.nextField(&rest) {
            guard let column = Column(rawValue: String(decoding: field, as: UTF8.self)) else {
                throw failure("unknown column \(Self.quoted(field)); expected \(Self.needed), and rows or not")
            }
            guard !columns.contains(column) else {
                throw failure("the column \(column.rawValue) stands twice; expected each once")
            }
            columns.append(column)
        }
        for column in Column.allCases where column != .rows && !columns.contains(column) {
            throw failure("the column \(column.rawValue) is missing; expected \(Self.needed), and rows or not")
        }
    }

    // -- fields ---------------------------------------------------------------------------------------------------

    private mutating func time(_ field: Text) throws(FormatError) -> Instant {
        guard let seconds = Self.number(field), Self.times.contains(seconds) else {
            throw failure(.time, "seconds from 0 to 100000", field)
        }
        let time = Instant.zero + .seconds(seconds)
        guard time >= latest else {
            throw failure(.time, "at least the \((latest - .zero).seconds) of the request before", field)
        }
        latest = time
        return time
    }

    private func model(_ field: Text) throws(FormatError) -> Int {
        for (index, model) in models.enumerated() where field.elementsEqual(model.name) { return index }
        throw failure(.model, "the name of one of the models", field)
    }

    private func requestClass(_ field: Text) throws(FormatError) -> RequestClass {
        if field.elementsEqual("high".utf8) { return .high }
        if field.elementsEqual("low".utf8) { return .low }
        throw failure(.class, "high or low", field)
    }

    private func deadline(_ field: Text) throws(FormatError) -> Duration {
        guard let milliseconds = Self.number(field), milliseconds > 0, milliseconds <= 1e9 else {
            throw failure(.deadline, "milliseconds above 0 and up to 1000000000", field)
        }
        return .milliseconds(milliseconds)
    }

    private func rows(
        _ field: Text, atMost most: Int
    ) throws(FormatError) -> Int {
        guard let rows = Int(String(decoding: field, as: UTF8.self)), (1...most).contains(rows) else {
            throw failure(.rows, "a whole number from 1 to \(most)", field)
        }
        return rows
    }

    // -- text -----------------------------------------------------------------------------------------------------

    private func failure(_ message: String, key: String = "") -> FormatError {
        FormatError(.invalid, message, key: key)
    }

    private func failure(
        _ column: Column, _ expected: String, _ field: Text
    ) -> FormatError {
        failure("expected \(expected), found \(Self.quoted(field))", key: column.rawValue)
    }

    /// The text before the next comma, without blanks around it; nil behind the last.
    private static func nextField(
        _ rest: inout Text?
    ) -> Text? {
        guard let text = rest else { return nil }
        let end = text.firstIndex(of: UInt8(ascii: ","))
        rest = end.map { text[($0 + 1)...] }
        return trimmed(text[..<(end ?? text.endIndex)], isFirst: false)
    }

    /// Text without blanks around it, without the carriage return that some systems end lines with, and without the mark
    /// that some put before a file's first character.
    private static func trimmed(
        _ text: Text, isFirst: Bool
    ) -> Text {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
        var text = text
        if isFirst, text.starts(with: [0xEF, 0xBB, 0xBF]) { text = text.dropFirst(3) }
        while let first = text.first, isBlank(first) { text.removeFirst() }
        while let last = text.last, isBlank(last) { text.removeLast() }
        return text
    }

    /// A finite decimal number.
    private static func number(_ field: Text) -> Double? {
        guard field.allSatisfy({ digits.contains($0) }), let number = Double(String(decoding: field, as: UTF8.self)),
            number.isFinite
        else { return nil }
        return number
    }

    private static let digits = "0123456789+-.eE".utf8

    /// A field as it stands in messages: short, on one line.
    private static func quoted(_ field: Text) -> String {
        let text = String(decoding: field.prefix(longestQuote), as: UTF8.self)
        var quoted = "\""
        for scalar in text.unicodeScalars {
            quoted.unicodeScalars.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
        }
        return quoted + (field.count > longestQuote ? "…\"" : "\"")
    }

    private static let longestQuote = 40
}
