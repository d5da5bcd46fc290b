// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Cuts a stream of bytes into lines, without copying those that lie whole in a piece.
struct LineSplitter: Sendable {
    /// The longest line in bytes: a configuration with thousands of models and their profiles.
    static let maximumLength = 4 << 20

    /// A line without its end.
    enum Line: Sendable {
        /// It lies whole in the piece.
        case within(Range<Int>)
        /// It came in several pieces.
        case joined([UInt8])
        /// It was too long and is gone.
        case tooLong
    }

    /// The beginning of a line whose end has not come yet.
    private var pending: [UInt8] = []
    private var isTooLong = false

    /// The next line that ends in `piece`, at or behind `offset`, which moves on; nil when no more do, and what is left
    /// is kept.
    mutating func next(in piece: UnsafeBufferPointer<UInt8>, from offset: inout Int) -> Line? {
        let start = offset
        guard let end = Self.newline(in: piece, from: start) else {
            offset = piece.count
            keep(piece[start...])
            return nil
        }
        offset = end + 1
        if isTooLong || pending.count + (end - start) > Self.maximumLength {
            pending.removeAll()
            isTooLong = false
            return .tooLong
        }
        guard !pending.isEmpty else { return .within(start..<end) }
        pending.append(contentsOf: piece[start..<end])
        defer { pending = [] }
        return .joined(pending)
    }

    /// What is left at the end of the stream, as a line.
    mutating func rest() -> Line? {
        defer {
            pending = []
            isTooLong = false
        }
        if isTooLong { return .tooLong }
        return pending.isEmpty ? nil : .joined(pending)
    }

    private mutating func keep(_ rest: Slice<UnsafeBufferPointer<UInt8>>) {
        guard !isTooLong, pending.count + rest.count <= Self.maximumLength else {
            isTooLong = true
            pending = []
            return
        }
        pending.append(contentsOf: rest)
    }

    private static func newline(in piece: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        guard start < piece.count, let base = piece.baseAddress,
            let found = memchr(base + start, Int32(UInt8(ascii: "\n")), piece.count - start)
        else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
}
