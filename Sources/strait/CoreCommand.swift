// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import StraitCore
internal import StraitFormats

/// `strait core`: the scheduler over standard input and output, for simulators in any language.
struct CoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "core",
        abstract: "The scheduler alone: events as JSON lines on standard input, actions on standard output.",
        discussion: """
            No clock, no models, no network: time is what the lines say. The first line configures devices, models and \
            the policy; each further line is an event. Every line is answered by the actions that follow from it and \
            {"done": N}, or by {"error": …}. docs/core-protocol.md describes every field; examples/core_driver.py \
            is a small simulator on top of it.

            EXAMPLE
              strait core --policy edf-priority < events.jsonl
            """)

    @Option(
        help: "The policy, whatever the configuration says: \(Self.names(PolicyName.self)).",
        transform: { try Self.named($0) })
    var policy: PolicyName?

    @Option(
        help: "What predicts interference, whatever the configuration says: \(Self.names(EstimatorName.self)).",
        transform: { try Self.named($0) })
    var estimator: EstimatorName?

    private static func named<T: RawRepresentable & CaseIterable>(_ name: String) throws -> T
    where T.RawValue == String {
        guard let value = T(rawValue: name) else { throw ValidationError("There are \(names(T.self)).") }
        return value
    }

    private static func names<T: RawRepresentable & CaseIterable>(_ type: T.Type) -> String
    where T.RawValue == String {
        T.allCases.map(\.rawValue).joined(separator: ", ")
    }

    /// Bytes read at once: a driver that sends line by line gets each answer at once, one that sends a file few writes.
    private static let pieceLength = 1 << 16

    func run() throws {
        if isatty(STDIN_FILENO) == 1 {
            Console.log("strait core reads JSON lines (docs/core-protocol.md) from standard input; Ctrl-D ends it")
        }
        var session = CoreSession(overrides: CoreOverrides(policy: policy, estimator: estimator))
        var output = JSONText()
        var piece = [UInt8](repeating: 0, count: Self.pieceLength)
        while true {
            let count = piece.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Self.failure("cannot read standard input") }
            if count == 0 { break }
            piece.withUnsafeBufferPointer { session.take(UnsafeBufferPointer(rebasing: $0[..<count]), into: &output) }
            try Self.write(&output)
        }
        session.end(into: &output)
        try Self.write(&output)
    }

    private static func write(_ output: inout JSONText) throws {
        var rest = output.bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("cannot write standard output") }
            rest = rest.dropFirst(count)
        }
        output.removeAll()
    }

    private static func failure(_ what: String) -> ExitCode {
        Console.log("strait core: \(what): \(strerror(errno).map { String(cString: $0) } ?? "error \(errno)")")
        return ExitCode.failure
    }
}
