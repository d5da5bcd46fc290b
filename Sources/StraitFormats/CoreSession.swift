// SPDX-License-Identifier: Apache-2.0

/// `strait core` without its standard input and output: bytes in, bytes out (docs/core-protocol.md).
///
/// Every line that is not blank is answered by the lines of its actions and `done`, or by one `error`; after an error
/// all is as if the line had not been there, but for the line numbers.
package struct CoreSession: Sendable {
    private let overrides: CoreOverrides
    private var adapter: CoreAdapter?
    private var splitter = LineSplitter()
    private var line = 0

    /// A session that waits for its configuration.
    package init(overrides: CoreOverrides = CoreOverrides()) { self.overrides = overrides }

    /// Takes the next bytes, cut anywhere, and answers the lines that end in them.
    ///
    /// - Complexity: O(bytes) besides the scheduler's steps.
    package mutating func take(_ bytes: UnsafeBufferPointer<UInt8>, into output: inout JSONText) {
        var offset = 0
        while let line = splitter.next(in: bytes, from: &offset) {
            switch line {
            case .within(let range): answer(UnsafeBufferPointer(rebasing: bytes[range]), into: &output)
            case .joined(let text): text.withUnsafeBufferPointer { answer($0, into: &output) }
            case .tooLong: refuseTooLong(into: &output)
            }
        }
    }

    /// The input has ended: answers a last line that has no end of its own.
    package mutating func end(into output: inout JSONText) {
        switch splitter.rest() {
        case nil, .within: return
        case .joined(let text): text.withUnsafeBufferPointer { answer($0, into: &output) }
        case .tooLong: refuseTooLong(into: &output)
        }
    }

    private mutating func answer(_ text: UnsafeBufferPointer<UInt8>, into output: inout JSONText) {
        line += 1
        guard text.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else { return }
        do throws(FormatError) {
            try carryOut(try CoreLine(text, overrides: overrides), into: &output)
            output.done(line: line)
        } catch {
            output.error(error.description, line: line)
        }
    }

    private mutating func carryOut(_ parsed: CoreLine, into output: inout JSONText) throws(FormatError) {
        switch parsed {
        case .configure(let configuration):
            guard adapter == nil else {
                throw FormatError(.outOfPlace, "was given before; start another strait core", key: "configure")
            }
            adapter = try CoreAdapter(configuration)
        case .event(let event, let instant):
            guard adapter != nil else {
                throw FormatError(.outOfPlace, "expected {\"configure\": …} before the first event", key: "event")
            }
            try adapter?.take(event, at: instant, into: &output)
        case .why(let request):
            guard let adapter else {
                throw FormatError(.outOfPlace, "expected {\"configure\": …} before the first question", key: "event")
            }
            try adapter.explain(request, into: &output)
        }
    }

    private mutating func refuseTooLong(into output: inout JSONText) {
        line += 1
        output.error("a line longer than \(LineSplitter.maximumLength) bytes; send models one by one", line: line)
    }

    /// What is wrong with the scheduler's tables, if anything is; for tests.
    package func brokenInvariant() -> String? { adapter?.brokenInvariant() }
}
