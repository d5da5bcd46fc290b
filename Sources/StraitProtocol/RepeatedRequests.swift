// SPDX-License-Identifier: Apache-2.0

internal import Glibc

// A client asks the same again and again, with other tensors. What describes them comes in the same bytes each time, and is
// read once.

/// What the JSON part of a request says.
struct RequestOutline: Sendable {
    var id: String
    var priority: UInt64?
    var timeout: Int64?
    var binaryOutputsByDefault: Bool
    var inputs: [RequestReader.Input]
    var outputs: [RequestedOutput]
}

/// The last request of a connection over HTTP, as far as it does not lie in tensors.
package struct LastRequest: Sendable {
    private var json: [UInt8] = []
    private var outline: RequestOutline?

    package init() {}

    /// The longest JSON part that is remembered: the description of a few tensors.
    private static let longest = 1024

    /// What a JSON part says, if it has the last one's bytes.
    ///
    /// - Complexity: O(bytes).
    func outline(of text: UnsafeRawBufferPointer) -> RequestOutline? {
        guard let outline, text.hasBytes(json) else { return nil }
        return outline
    }

    /// Takes note of what a JSON part says. One with numbers in it is not remembered: it hardly comes again.
    mutating func remember(_ text: UnsafeRawBufferPointer, _ read: @autoclosure () -> RequestOutline) {
        outline = nil
        guard text.count <= Self.longest else { return }
        let read = read()
        guard read.inputs.allSatisfy({ $0.data == nil }) else { return }
        json = Array(text)
        outline = read
    }
}

/// What a message of gRPC says but for its tensor's bytes.
struct WireOutline: Sendable {
    var modelName: String
    var modelVersion: String
    var id: String
    var priority: UInt64?
    var timeout: Int64?
    var inputs: [WireRequestReader.Input]
    var outputs: [RequestedOutput]
    var raw: [Range<Int>]
}

/// The last request of a connection over gRPC whose only raw tensor stood at its end, as far as it does not lie in that.
package struct LastMessage: Sendable {
    private var start: [UInt8] = []
    private var byteCount = 0
    private var outline: WireOutline?

    package init() {}

    /// The longest description that is remembered.
    private static let longest = 1024

    /// What a message says, if it is as long as the last one and begins with its bytes.
    ///
    /// - Complexity: O(bytes before the tensor).
    func outline(of message: UnsafeRawBufferPointer) -> WireOutline? {
        guard let outline, message.count == byteCount else { return nil }
        guard UnsafeRawBufferPointer(rebasing: message[..<start.count]).hasBytes(start) else { return nil }
        return outline
    }

    /// Takes note of what a message says.
    mutating func remember(_ message: UnsafeRawBufferPointer, _ read: @autoclosure () -> WireOutline) {
        outline = nil
        let read = read()
        guard read.raw.count == 1, let tensor = read.raw.first, tensor.upperBound == message.count,
            tensor.lowerBound <= Self.longest, read.inputs.allSatisfy({ $0.contents == nil })
        else { return }
        start = Array(message[..<tensor.lowerBound])
        byteCount = message.count
        outline = read
    }
}

extension UnsafeRawBufferPointer {
    /// Whether these are the bytes of an array.
    fileprivate func hasBytes(_ bytes: [UInt8]) -> Bool {
        guard count == bytes.count, let baseAddress else { return count == bytes.count }
        return bytes.withUnsafeBytes { other in
            other.baseAddress.map { memcmp(baseAddress, $0, count) == 0 } ?? true
        }
    }
}
