// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitSimulation

@Suite struct YAMLReaderTests {
    /// A value in one line: texts with their line, lists in [], keys in {}.
    private func short(_ node: YAMLNode?) -> String {
        guard let node else { return "none" }
        return switch node.content {
        case .text(let text, let isQuoted): isQuoted ? "'\(text)'@\(node.line)" : "\(text)@\(node.line)"
        case .list(let list): "[" + list.map { short($0) }.joined(separator: " ") + "]"
        case .mapping(let entries):
            "{" + entries.map { "\(short($0.key))=\(short($0.value))" }.joined(separator: " ") + "}"
        }
    }

    private func read(_ text: String) throws(SimulationError) -> String {
        short(try YAMLReader.root(of: Array(text.utf8), file: "f"))
    }

    private static let texts: [(String, String)] = [
        ("a: 1", "{a@1=1@1}"),
        ("a: b c # d", "{a@1=b c@1}"),
        ("a: b#c", "{a@1=b#c@1}"),
        ("---\na: 1\n...\n", "{a@2=1@2}"),
        ("a:\n  b: 1\n  c:\n    - 2\n    - 3\nd: 4\r\n", "{a@1={b@2=1@2 c@3=[2@4 3@5]} d@6=4@6}"),
        ("a:\n- 1\n- 2\nb:", "{a@1=[1@2 2@3] b@4=@4}"),
        ("- a: 1\n  b: 2\n-\n  c: 3\n- 4\n", "[{a@1=1@1 b@2=2@2} {c@4=3@4} 4@5]"),
        ("- - 1\n  - 2\n-\n- 3", "[[1@1 2@2] @3 3@4]"),
        ("a: [1, 'it''s', \"b\\\"\\n\", ]", "{a@1=[1@1 'it's'@1 'b\"\n'@1]}"),
        ("{a: {b: c d, e}, f: [{g: 1}, []]}", "{a@1={b@1=c d@1 e@1=@1} f@1=[{g@1=1@1} []]}"),
        ("a: {b: 1, # one\n    c: 2}\nd: 3", "{a@1={b@1=1@1 c@2=2@2} d@3=3@3}"),
        ("'a b': 1\n\"c: d\": 2\ne f: g:h", "{'a b'@1=1@1 'c: d'@2=2@2 e f@3=g:h@3}"),
        ("a: -1\nb: - \n", "refused"),
        ("a: -1\nb: 10%\nc: 1e6", "{a@1=-1@1 b@2=10%@2 c@3=1e6@3}"),
        ("# nothing\n\n", "none"), ("---\n", "none"), ("é: ü", "{é@1=ü@1}"),
        ("{a: '1'}", "{a@1='1'@1}"),
        // What YAML has and scenarios have not, and what neither has.
        ("a: |\n  b", "refused"), ("a: >\n  b", "refused"), ("? a\n: b", "refused"), ("a: !b c", "refused"),
        ("&a b: 1", "refused"), ("%YAML 1.2\n---\na: 1", "refused"), ("a: b\n  c", "refused"), ("a: b: c", "refused"),
        ("a: 'b", "refused"), ("a: 'b' c", "refused"), ("a: \"\\u0041\"", "refused"), ("a: [1", "refused"),
        ("a: 1]", "{a@1=1]@1}"), ("a: ]", "refused"), ("a: [,]", "refused"), ("a: [1 2, 3}", "refused"),
        ("  a: 1\n b: 2", "refused"), ("a:\n    b: 1\n  c: 2", "refused"), ("- 1\na: 2", "refused"),
        ("a: 1\n- 2", "refused"), ("a\nb", "refused"), ("a: 1\n\tb: 2", "refused"), ("a: 1\rb: 2", "refused"),
        ("a: 1\na: 2", "refused"), ("{a: 1, a: 2}", "refused"), ("a: 1\n---\nb: 1", "refused"), ("}", "refused"),
    ]

    @Test(arguments: texts.indices) func `a text is read, or refused with its place`(index: Int) {
        let (text, expected) = Self.texts[index]
        do throws(SimulationError) {
            #expect(try read(text) == expected, "\(text)")
        } catch {
            #expect(expected == "refused", "\(text): \(error.message)")
            #expect(error.message.hasPrefix("f:") && error.code == .badFile)
        }
    }

    @Test func `what nests deeper than anybody writes is refused before it fills the stack`() {
        for (opening, closing) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
            func nested(_ count: Int) -> String {
                String(repeating: opening, count: count) + "1" + String(repeating: closing, count: count)
            }
            #expect(throws: Never.self) { try read(nested(20)) }
            #expect(throws: SimulationError.self) { try read(nested(40)) }
            #expect(throws: SimulationError.self) { try read(nested(100_000)) }
        }
    }
}
