// SPDX-License-Identifier: Apache-2.0

internal import Yams

/// A file's text on its way to the parser.
struct YAMLText {
    private let text: String
    private let file: String

    /// - Throws: `badFile` if it is not UTF-8, or if it refers to parts of itself.
    init(_ bytes: [UInt8], file: String) throws(SimulationError) {
        self.file = file
        if let line = Self.lineOfAlias(bytes) {
            throw SimulationError(
                .badFile, "\(file):\(line): an alias (*) of an anchor (&); expected every value written out")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SimulationError(.badFile, "\(file): expected text in UTF-8")
        }
        self.text = text
    }

    /// Its one document; nil if there is nothing in it.
    func root() throws(SimulationError) -> Node? {
        do {
            // Without rules for what is a number or a date: what a value may be depends on its key.
            return try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
        } catch let error as YamlError {
            throw failure(error)
        } catch {
            throw SimulationError(.badFile, "\(file): \(error)")
        }
    }

    private func failure(_ error: YamlError) -> SimulationError {
        func failure(_ line: Int?, _ message: String) -> SimulationError {
            SimulationError(.badFile, "\(file):" + (line.map { "\($0): " } ?? " ") + message)
        }
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            return failure(
                mark.line, "expected YAML: \(problem)" + (context.map { " (\($0.text), line \($0.mark.line))" } ?? ""))
        case .reader(let problem, let offset, _, _):
            return failure(offset.map { 1 + text.prefix($0).count(where: \.isNewline) }, "expected text: \(problem)")
        case .duplicatedKeysInMapping(let keys, let context):
            return failure(
                context.mark.line,
                "\(Node.quoted(keys.first ?? "")): expected each key once, found this one again further down")
        default: return failure(nil, "expected YAML, found what its parser cannot take")
        }
    }

    /// The first line with an alias whose anchor also stands in the text; nil if there is none.
    ///
    /// This runs over the bytes before the parser does, since a few lines of aliases can stand for more than fits any
    /// memory. Quotes and comments are not told apart, so that nothing can hide behind them.
    private static func lineOfAlias(_ bytes: [UInt8]) -> Int? {
        func name(at start: Int) -> ArraySlice<UInt8> {
            bytes[(start + 1)...].prefix { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
        }
        var anchors: Set<ArraySlice<UInt8>> = []
        var line = 1
        for index in bytes.indices {
            switch bytes[index] {
            case UInt8(ascii: "\n"): line += 1
            case UInt8(ascii: "&"):
                let name = name(at: index)
                if !name.isEmpty { anchors.insert(name) }
            case UInt8(ascii: "*"): if anchors.contains(name(at: index)) { return line }
            default: break
            }
        }
        return nil
    }
}
