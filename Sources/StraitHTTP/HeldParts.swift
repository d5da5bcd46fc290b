// SPDX-License-Identifier: Apache-2.0

internal import NIOHTTP1

/// What came of later requests while one is being answered, in its order. It is bounded by what one read from the socket
/// brings: while something is held, nothing is read.
struct HeldParts {
    /// One thing that came.
    enum Held {
        /// A part of a request.
        case part(HTTPServerRequestPart)
        /// What follows is no request.
        case error(HTTPParserError)
    }

    private var things: [Held] = []
    private var first = 0
    private var isTaking = false

    /// Whether nothing is held that must be taken before what comes.
    var isEmpty: Bool { first == things.count }

    mutating func hold(_ part: HTTPServerRequestPart) { things.append(.part(part)) }

    mutating func hold(_ error: HTTPParserError) { things.append(.error(error)) }

    /// Begins to take; false where nothing is held, or where somebody takes already.
    mutating func begin() -> Bool {
        guard !isTaking, !isEmpty else { return false }
        isTaking = true
        return true
    }

    /// Takes the next thing.
    mutating func next() -> Held? {
        guard first < things.count else { return nil }
        defer { first += 1 }
        return things[first]
    }

    /// Stops to take for now.
    mutating func end() {
        isTaking = false
        if isEmpty { forget() }
    }

    /// Nothing of it matters any more.
    mutating func forget() {
        things = []
        first = 0
    }
}
