// SPDX-License-Identifier: Apache-2.0

// Scenarios for the scheduler as text on a time axis:
//
//     policy edf-priority
//     device gpu, 1 lane
//     model net, 10 ms a row
//
//      0 ms  low A due 100              A arrives at 0 ms and is due at 100 ms
//            => lane 0: A               … and is staged
//      4 ms  high B C due 90            two arrive, one after the other, and wait
//      9 ms  cancel C
//            => C cancelled
//     10 ms  lane 0 done
//            => A met
//            => lane 0: B
//     20 ms  lane 0 done
//            => B met
//
// What stands under an event after `=>` is all that follows from it, in order. Timers fire by themselves; where
// something follows from one, its line is `31 ms  timer`. At the end every request must have been answered. A hash sign
// begins a remark.
//
//     policy NAME
//     waiting at most N
//     device NAME, N lanes [, copies]
//     model NAME, [X ms +] Y ms a row [, batches of N] [, demand D]
//     T ms  high|low NAMES [of MODEL] [, N rows] due T|never
//     T ms  [DEVICE] lane N | batch of NAME    done | fails | copied in | kernels done
//     T ms  cancel NAME
//     T ms  remove DEVICE | return DEVICE | unload MODEL
//     T ms  timer
//     =>    [DEVICE] lane N: NAMES [(N rows)]
//     =>    NAMES met | late | failed | cancelled | refused on arrival | given up in the queue | refused, queue full |
//           given up, unloaded
//
// A device that copies reports `copied in`, `kernels done` and `done`, any other only `done`. The device of a lane is
// named where there are several, rows where a request has more than one.

internal import StraitCore

/// What one line of a timeline makes happen.
enum TimelineEvent {
    case device(name: String, lanes: Int, copies: Bool)
    case model(name: String, ModelDescription)
    case arrival(names: [String], model: String?, RequestClass, rows: Int, due: Instant)
    case batch(TimelineBatch, TimelineProgress)
    case cancel(String)
    case removal(String, isOfModel: Bool)
    case returning(String)
    case timer
}

/// How a timeline names a batch: by the lane that it holds, or by one of its requests.
enum TimelineBatch {
    case onLane(device: String?, Int)
    case withRequest(String)
}

/// How far a batch has come.
enum TimelineProgress: String, CaseIterable {
    case done
    case fails
    case copiedIn = "copied in"
    case kernelsDone = "kernels done"
}

/// A point on the axis: what happens, and what follows from it.
struct TimelineEntry {
    var at: Instant
    var event: TimelineEvent
    /// The event as it was written, and the number of its line.
    var text: String
    var line: Int
    var outcomes: [String] = []
}

/// A timeline as written.
struct Timeline {
    var policy = PolicyName.edfPriority
    var limits = SchedulerLimits()
    var entries: [TimelineEntry] = []

    /// Why a line cannot be read.
    struct Misspelling: Error, CustomStringConvertible {
        var line: Int
        var text: String
        var expected: String
        var description: String { "line \(line): expected \(expected): \(text)" }
    }

    init(_ text: String) throws {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let statement = line.prefix { $0 != "#" }
            var words = TimelineWords(statement, line: index + 1)
            if words.isEmpty { continue }
            try read(&words, String(statement).trimmed)
            guard words.isEmpty else { throw words.misspelled("nothing more") }
        }
    }

    private mutating func read(_ words: inout TimelineWords, _ text: String) throws {
        if words.take("=>") {
            guard !entries.isEmpty else { throw words.misspelled("an event before what follows from it") }
            let outcome = words.takeRest()
            if outcome != "nothing" { entries[entries.count - 1].outcomes.append(outcome) }
        } else if words.take("policy") {
            guard let name = PolicyName(rawValue: words.take()) else { throw words.misspelled("a policy") }
            policy = name
        } else if words.take("waiting") {
            try words.expect("at", "most")
            limits.maximumWaiting = Int(try words.number())
        } else if let time = words.takeNumber() {
            try words.expect("ms")
            entries.append(
                TimelineEntry(
                    at: .zero + .milliseconds(time), event: try words.event(),
                    text: text.drop { $0 != "s" }.dropFirst().trimmed, line: words.line))
        } else {
            let event = try words.event()
            entries.append(
                TimelineEntry(at: entries.last?.at ?? .zero, event: event, text: text, line: words.line))
        }
    }
}

/// The words of a line, taken one after the other. Commas are only for the eye.
struct TimelineWords {
    let line: Int
    private let text: Substring
    private var words: ArraySlice<Substring>

    init(_ text: Substring, line: Int) {
        self.text = text
        self.line = line
        words = text.split { $0 == " " || $0 == "," }[...]
    }

    var isEmpty: Bool { words.isEmpty }

    func misspelled(_ expected: String) -> Timeline.Misspelling {
        Timeline.Misspelling(line: line, text: String(text).trimmed, expected: expected)
    }

    mutating func take() -> String { words.popFirst().map(String.init) ?? "" }

    mutating func takeRest() -> String {
        defer { words = [] }
        return words.joined(separator: " ")
    }

    /// Takes the next words if they are these.
    mutating func take(_ expected: String...) -> Bool {
        guard words.starts(with: expected, by: { $0 == $1 }) else { return false }
        words = words.dropFirst(expected.count)
        return true
    }

    mutating func takeNumber() -> Double? {
        guard let number = words.first.flatMap({ Double($0) }) else { return nil }
        words.removeFirst()
        return number
    }

    mutating func expect(_ expected: String...) throws {
        for word in expected where !take(word) { throw misspelled("“\(word)”") }
    }

    mutating func number() throws -> Double {
        guard let number = takeNumber() else { throw misspelled("a number") }
        return number
    }

    // -- events ---------------------------------------------------------------------------------------------------

    mutating func event() throws -> TimelineEvent {
        if take("timer") { return .timer }
        if take("cancel") { return .cancel(take()) }
        if take("remove") { return .removal(take(), isOfModel: false) }
        if take("unload") { return .removal(take(), isOfModel: true) }
        if take("return") { return .returning(take()) }
        if take("device") { return try device() }
        if take("model") { return try model() }
        if take("high") { return try arrival(.high) }
        if take("low") { return try arrival(.low) }
        if take("batch", "of") { return .batch(.withRequest(take()), try progress()) }
        if take("lane") { return .batch(.onLane(device: nil, Int(try number())), try progress()) }
        let device = take()
        try expect("lane")
        return .batch(.onLane(device: device, Int(try number())), try progress())
    }

    private mutating func device() throws -> TimelineEvent {
        let name = take()
        let lanes = Int(try number())
        guard take("lane") || take("lanes") else { throw misspelled("“lanes”") }
        return .device(name: name, lanes: lanes, copies: take("copies"))
    }

    private mutating func model() throws -> TimelineEvent {
        let name = take()
        var (fixed, perRow) = (0.0, try number())
        try expect("ms")
        if take("+") {
            (fixed, perRow) = (perRow, try number())
            try expect("ms")
        }
        try expect("a", "row")
        let largest = take("batches", "of") ? Int(try number()) : 1
        let compute = take("demand") ? try number() : nil
        let demand = compute.map { Demand(compute: $0, bandwidth: 0, cache: 0) }
        return .model(
            name: name, ModelDescription(maximumBatch: largest, profile: profile(fixed, perRow, demand: demand)))
    }

    private mutating func arrival(_ requestClass: RequestClass) throws -> TimelineEvent {
        let names = words.prefix { $0 != "of" && $0 != "due" && Int($0) == nil }
        words = words.dropFirst(names.count)
        guard !names.isEmpty else { throw misspelled("the name of a request") }
        let model = take("of") ? take() : nil
        let rows = takeNumber()
        if rows != nil { try expect("rows") }
        try expect("due")
        let due = take("never") ? Instant.never : .zero + .milliseconds(try number())
        return .arrival(names: names.map(String.init), model: model, requestClass, rows: Int(rows ?? 1), due: due)
    }

    private mutating func progress() throws -> TimelineProgress {
        let words = takeRest()
        guard let progress = TimelineProgress(rawValue: words) else {
            throw misspelled(TimelineProgress.allCases.map { "“\($0.rawValue)”" }.joined(separator: ", "))
        }
        return progress
    }
}

extension StringProtocol {
    /// Without spaces at both ends.
    var trimmed: String {
        let head = drop { $0 == " " }
        return String(head.reversed().drop { $0 == " " }.reversed())
    }
}
