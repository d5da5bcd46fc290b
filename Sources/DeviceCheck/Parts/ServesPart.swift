// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitPlatform
internal import StraitServing
internal import StraitTensor
internal import Synchronization

/// Whether the engine serves all models at once, and answers right.
enum ServesPart: CheckPart {
    static let name = "serves"
    static let title = "whether all models are served at once, and right"

    private static let requestsEach = 16
    private static let patience = StraitCore.Duration.seconds(120)

    static func run(_ context: CheckContext, _ tables: CheckTables) throws {
        tables.begin("serves", ["model", "requests", "answered", "right"])
        let device = try context.device()
        let reference = context.reference()
        defer { reference.stop() }
        let others = try CheckedModel.all(context, on: reference, prepared: false)
        let here = LaneRunner(reference)
        let engine = try CheckedEngine(context, .strait, on: device)
        let box = Replies()
        var expected: [[Tensor]] = []
        var owners: [Int] = []
        for (index, model) in engine.models.enumerated() {
            for number in 0..<requestsEach {
                let seed = UInt64(index * 1000 + number)
                let inputs = try model.checked.inputs(rows: 1, seed: seed, pool: context.pool)
                expected.append(
                    try here.once(try others[index].batch(rows: 1, seed: seed, pool: context.pool)).outputs[0].get())
                owners.append(index)
                let place = expected.count - 1
                engine.submit(index, inputs, number % 3 == 0 ? .high : .low, within: patience) {
                    box.add($0, at: place)
                }
            }
        }
        guard engine.stop(within: patience) else { throw CheckFailure("not all requests were answered") }
        var wrong: [String] = []
        for (index, model) in engine.models.enumerated() {
            var (answered, right) = (0, 0)
            for place in expected.indices where owners[place] == index {
                guard case .answered(let answer) = box.reply(place) else { continue }
                answered += 1
                if try CheckDifference(answer.outputs, expected[place]).isAcceptable { right += 1 }
            }
            tables.add([model.checked.name, "\(requestsEach)", "\(answered)", "\(right)"])
            if right < requestsEach { wrong.append("\(model.checked.name) \(right) of \(requestsEach)") }
        }
        guard wrong.isEmpty else { throw CheckFailure("right answers: " + wrong.joined(separator: ", ")) }
    }

    private final class Replies: Sendable {
        private let replies = Mutex<[Int: Reply]>([:])
        func add(_ reply: Reply, at place: Int) { replies.withLock { $0[place] = reply } }
        func reply(_ place: Int) -> Reply? { replies.withLock { $0[place] } }
    }
}
