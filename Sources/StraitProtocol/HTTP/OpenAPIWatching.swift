// SPDX-License-Identifier: Apache-2.0

// The watching endpoints in the document: what they are asked by, and the main members of their answers.

extension Operation {
    /// The parameters behind the question mark.
    var queryParameters: [(name: String, words: String, schema: OpenAPISchema)] {
        switch self {
        case .decisions:
            [
                ("request", "The number of the header strait-request.", .integer(minimum: 1)),
                ("id", "The client's own id.", .string), ("model", "Only of this model.", .string),
                ("class", "Only of this class.", .oneOf(["high", "low"])),
                (
                    "outcome", "Only with this outcome; violation is late, shed or failed.",
                    .oneOf(["met", "late", "shed", "failed", "cancelled", "waiting", "running", "violation"])
                ),
                (
                    "last", "The most requests told of, the newest first; 10 where it is not given, 100 at most.",
                    .integer(minimum: 1)
                ),
                ("since", "Only those that arrived within so many seconds.", .number),
            ]
        case .serverState:
            [("window", "Seconds that rates are of, 1 to 15; 5 where it is not given.", .integer(minimum: 1))]
        default: []
        }
    }
}

extension OpenAPISchema {
    private static let count = integer(minimum: 0)

    /// The named schemas of the watching endpoints.
    static let watching: [(name: String, schema: OpenAPISchema)] = [
        (
            "Decisions",
            .object(
                [
                    ("at", .string), ("known", .reference("KnownRequests")),
                    ("decisions", .array(.reference("Decision"))),
                ], required: ["at", "known", "decisions"])
        ),
        (
            "KnownRequests",
            .object(
                [
                    ("capacity", count), ("oldest", count), ("newest", count), ("oldest_arrived_at", .string),
                    ("violations_kept_longer", count),
                ], required: ["capacity", "violations_kept_longer"])
        ),
        (
            "Decision",
            .object(
                [
                    ("request", .integer(minimum: 1)), ("id", .string), ("class", .oneOf(["high", "low"])),
                    ("model", .string), ("version", .integer(minimum: 1)), ("rows", .integer(minimum: 1)),
                    ("outcome", .oneOf(["met", "late", "shed", "failed", "cancelled", "waiting", "running"])),
                    ("reason", .string), ("arrived_at", .string), ("deadline_ms", .nullable(.number)),
                    ("on_arrival", .anyObject), ("predicted_finish_ms", .nullable(.number)), ("test", .anyObject),
                    ("stagings", count), ("staged_ms", .number), ("predicted_ms", .nullable(.number)),
                    ("bound95_ms", .nullable(.number)), ("bound99_ms", .nullable(.number)), ("ended_ms", .number),
                    ("batch", .anyObject), ("staged_while_it_waited", .anyObject), ("weighed", .array(.anyObject)),
                    ("words", .array(.string)),
                ], required: ["request", "class", "model", "version", "rows", "outcome", "arrived_at", "words"])
        ),
        (
            "ServerState",
            .object(
                [
                    ("server", .anyObject), ("window_s", .number), ("classes", .array(.anyObject)),
                    ("models", .array(.anyObject)), ("devices", .array(.anyObject)),
                    ("predictions", .anyObject), ("tensor_memory", .anyObject), ("remembered", .anyObject),
                ], required: ["server", "window_s", "classes", "models", "devices", "predictions"])
        ),
    ]
}
