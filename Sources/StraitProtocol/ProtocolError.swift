// SPDX-License-Identifier: Apache-2.0

// StraitProtocol: what the Open Inference Protocol says, as values. Requests and responses, their JSON and binary
// codecs, the JSON documents about server and models, the model repository and its config.pbtxt. No network.

/// Why a request cannot be answered as asked, in the terms both transports share.
package struct ProtocolError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of failure; it decides the status that the client sees.
    package enum Code: Sendable, Equatable, CaseIterable {
        /// The request is malformed or does not fit the model.
        case invalidArgument
        /// No such model, version or path.
        case notFound
        /// What is to be made is there already.
        case alreadyExists
        /// The server or the model is not ready, or is draining.
        case unavailable
        /// A queue or the memory budget is full; trying again later may succeed.
        case resourceExhausted
        /// The request cannot be answered, or was not, before its deadline.
        case deadlineExceeded
        /// The client went away or asked to stop.
        case cancelled
        /// The server failed; the request was not at fault.
        case failedInternally
        /// The protocol has this, the server does not.
        case unsupported
        /// The request is larger than the server will ever accept.
        case payloadTooLarge
        /// Nobody is known who sent this: it lacks a token that counts.
        case unauthenticated
        /// Whoever sent this may not do that.
        case permissionDenied
    }

    /// The kind of failure.
    package var code: Code
    /// What was wrong, where, and what was expected. Shown to the client.
    package var message: String

    /// A failure of the given kind.
    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The HTTP status, 400 to 599. Too late (504) and too busy (429) differ, so that a client knows what to do.
    package var httpStatus: Int {
        switch code {
        // As Triton has it, whose clients ask for the text.
        case .invalidArgument, .alreadyExists: 400
        case .notFound: 404
        case .unavailable: 503
        case .resourceExhausted: 429
        case .deadlineExceeded: 504
        case .cancelled: 499
        case .failedInternally: 500
        case .unsupported: 501
        case .payloadTooLarge: 413
        case .unauthenticated: 401
        case .permissionDenied: 403
        }
    }

    /// The gRPC status, 1 to 16. gRPC has none for large payloads; its libraries use RESOURCE_EXHAUSTED.
    package var grpcStatus: Int {
        switch code {
        case .cancelled: 1
        case .invalidArgument: 3
        case .deadlineExceeded: 4
        case .notFound: 5
        case .alreadyExists: 6
        case .permissionDenied: 7
        case .resourceExhausted, .payloadTooLarge: 8
        case .unsupported: 12
        case .failedInternally: 13
        case .unavailable: 14
        case .unauthenticated: 16
        }
    }

    /// The code and the message, for logs.
    package var description: String { "\(code): \(message)" }
}
