// SPDX-License-Identifier: Apache-2.0

// StraitHTTP: the Open Inference Protocol over HTTP/1.1, on NIO. Nothing but transport: bytes to requests, replies to
// bytes. What a request means is decided in StraitServing.

internal import NIOCore
internal import NIOHTTP1
internal import StraitTensor

/// What the HTTP front end accepts at most.
package struct HTTPLimits: Sendable, Hashable {
    /// Bytes of one request's body. The default holds a batch of 32 float images of 640 × 640; more is hardly one
    /// request.
    package var bodyBytes = 256 << 20
    /// How long a connection may send nothing while it waits for no answer. Clients keep connections for minutes; what
    /// is silent for longer may be gone without a word.
    package var idleSeconds: Int64 = 300

    package init() {}

    /// Bytes of one header line: room for any token or cookie, not for a body in disguise.
    static let headerFieldBytes = 16 << 10
    /// Bytes of all header lines together.
    static let headerBytes = 64 << 10
    /// Header lines.
    static let headerFields = 128
    /// The decoder's share of the limits.
    static var decoder: NIOHTTPDecoderLimitConfiguration {
        var decoder = NIOHTTPDecoderLimitConfiguration()
        decoder.maxHeaderFieldSize = headerFieldBytes
        decoder.maxHeaderListSize = headerBytes
        decoder.maxHeaderFieldCount = headerFields
        return decoder
    }

    /// Bytes of a path with its query.
    static let pathBytes = 4096
    /// Bytes of a reply that are compressed for a client that takes that: less gains nothing, and more would hold up the
    /// other connections of its event loop for longer than some 20 ms.
    static let compressedBytes = 1024...(1 << 20)
    /// Bytes that a compressed body swells to before other connections of its event loop have their turn: a few
    /// milliseconds. A body of 256 KB may swell to 256 MB, which takes half a second.
    static let inflatedAtOnce = 1 << 20
    /// And how long until it goes on, at least.
    static let inflatingPause = TimeAmount.microseconds(50)
    /// Memory taken for a body when the first of it comes, however much is announced: a power of two less the most that
    /// aligning costs. All connections that may be open then hold a quarter of the default tensor memory.
    static let firstBodyBytes = (16 << 10) - SlabPool.alignment
    /// Bytes of the memory for replies that an idle connection keeps.
    static let keptReplyBytes = 16 << 10
    /// How long a client may take nothing of a reply that is ready: meanwhile it holds memory for tensors.
    static let stalledSeconds: Int64 = 60
    /// How long a refused client may go on sending before the connection is cut.
    static let lingerSeconds: Int64 = 2
}
