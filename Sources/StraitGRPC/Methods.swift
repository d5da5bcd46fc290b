// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol
internal import StraitServing
internal import SwiftProtobuf

/// What can be called.
enum Method: Sendable {
    /// One request, one answer.
    case infer
    /// Many requests, each answered when it is ready.
    case streamInfer
    /// One message each way, which hold no tensor.
    case control(ControlCall)
    /// The server's health, told when it changes.
    case watch

    /// What can be called and how its messages look: many requests, each answered at once.
    case reflect

    /// How many requests a client may have open in one call at a time, if it may send as many as it likes; else nil.
    var requestsAtATime: Int? {
        switch self {
        case .streamInfer: GRPCLimits.requestsPerStream
        case .reflect: GRPCLimits.reflectionsPerStream
        case .infer, .control, .watch: nil
        }
    }

    /// Whether a client may send as many messages as it likes.
    var isStream: Bool { requestsAtATime != nil }
}

/// All that can be called.
struct MethodTable: Sendable {
    let all: [Method]
    /// The place of each among ``all``, by its path.
    let numbers: [String: Int]

    /// - Parameter methods: by their paths.
    init(_ methods: [String: Method]) {
        let paths = methods.keys.sorted()
        all = paths.compactMap { methods[$0] }
        numbers = Dictionary(uniqueKeysWithValues: zip(paths, paths.indices))
    }
}

/// A call of one message each way, which hold no tensor: generated code reads and writes them.
struct ControlCall: Sendable {
    typealias Completion = @Sendable (Result<[UInt8], ProtocolError>) -> Void

    /// What it asks for, which decides who may.
    let operation: Operation
    /// Answers a message; the completion is called once, on any thread.
    let answer: @Sendable (_ message: UnsafeRawBufferPointer, _ completion: @escaping Completion) -> Void

    /// A call whose answer may take its time.
    init<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>(
        _ name: String, _ log: ServerLog,
        _ work: @escaping @Sendable (Request, @escaping @Sendable (Result<Response, ProtocolError>) -> Void) -> Void
    ) {
        operation = Self.operation(name)
        answer = { message, completion in
            let request: Request
            do throws(ProtocolError) {
                request = try Self.read(message)
            } catch {
                return completion(.failure(error))
            }
            work(request) { result in
                switch result {
                case .success(let response):
                    log.verbose(1, "\(name): done")
                    completion(Self.write(response))
                case .failure(let error):
                    log.verbose(1, "\(name): \(error)")
                    completion(.failure(error))
                }
            }
        }
    }

    /// A call that is answered at once.
    init<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>(
        _ name: String, _ log: ServerLog, _ work: @escaping @Sendable (Request) throws(ProtocolError) -> Response
    ) {
        self.init(name, log) { (request: Request, completion: @Sendable (Result<Response, ProtocolError>) -> Void) in
            completion(Result { () throws(ProtocolError) in try work(request) })
        }
    }

    private static func read<Request: SwiftProtobuf.Message>(
        _ message: UnsafeRawBufferPointer
    ) throws(ProtocolError) -> Request {
        do {
            return try Request(serializedBytes: [UInt8](message))
        } catch {
            throw ProtocolError(.invalidArgument, "not a valid \(Request.protoMessageName) in protobuf: \(error)")
        }
    }

    private static func write(_ response: some SwiftProtobuf.Message) -> Result<[UInt8], ProtocolError> {
        do {
            return .success(try response.serializedBytes())
        } catch {
            return .failure(ProtocolError(.failedInternally, "the answer cannot be written: \(error)"))
        }
    }
}
