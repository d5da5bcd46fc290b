// SPDX-License-Identifier: Apache-2.0

// StraitGRPC: the gRPC front end. It decodes and encodes; all between is StraitServing's.

/// What the gRPC front end accepts at most.
package struct GRPCLimits: Sendable, Hashable {
    /// Bytes of one message. The same as a body over HTTP.
    package var messageBytes = 256 << 20
    /// How long a connection without a call may stay, and a call wait for the rest of a message.
    package var idleSeconds: Int64 = 300

    package init() {}

    /// Bytes of a message that holds no tensor: generated code takes up to sixteen times as much memory for it.
    static let controlMessageBytes = 1 << 20
    /// Bytes of a compressed message that are inflated on the event loop: they swell to a MiB at most, which takes a few
    /// milliseconds.
    static let compressedAtOnce = 1 << 10
    /// Requests of one stream that are worked on at a time. The next is not read before, which holds the client back.
    static let requestsPerStream = 256
    /// Bytes of a question about the schema: some name and a host. It is told back with the answer.
    static let reflectionMessageBytes = 4 << 10
    /// Answers about the schema, of up to 30 kB each, that wait in one stream for their client.
    static let reflectionsPerStream = 4
    /// After this long without a word the other side is asked whether it is there, and given that long to answer.
    static let keepaliveSeconds: Int64 = 60
    static let keepaliveAnswerSeconds: Int64 = 20
    /// How long a client may leave a connection open that the server has ended.
    static let lingerSeconds: Int64 = 2
}
