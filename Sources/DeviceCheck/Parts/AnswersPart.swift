// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitTensor

/// Whether models answer as on the processor.
enum AnswersPart: CheckPart {
    static let name = "answers"
    static let title = "whether models answer as on the processor"

    static func run(_ context: CheckContext, _ tables: CheckTables) throws {
        tables.begin(
            "answers", ["model", "rows", "largest_difference", "largest_value", "relative", "tolerance", "result"])
        let device = try context.device(lanes: 1)
        defer { device.stop() }
        let reference = context.reference()
        defer { reference.stop() }
        let models = try CheckedModel.all(context, on: device)
        let others = try CheckedModel.all(context, on: reference, prepared: false)
        let (there, here) = (LaneRunner(device), LaneRunner(reference))
        var wrong: [String] = []
        for (model, other) in zip(models, others) {
            for rows in Set([1, model.sizes.last ?? 1]).sorted() {
                var cells = ["?", "?", "?"]
                var isRight = false
                do {
                    let seed = context.settings.seed
                    let found = try there.once(try model.batch(rows: rows, seed: seed, pool: context.pool))
                    let expected = try here.once(try other.batch(rows: rows, seed: seed, pool: context.pool))
                    let difference = try CheckDifference(found.outputs[0].get(), expected.outputs[0].get())
                    cells = ["\(difference.largest)", "\(difference.scale)", "\(difference.relative)"]
                    isRight = difference.isAcceptable
                } catch {
                    context.say("  \(model.name), \(rows) rows: \(error)")
                }
                if !isRight { wrong.append("\(model.name) at \(rows) rows") }
                tables.add(
                    [model.name, "\(rows)"] + cells + ["\(CheckDifference.tolerance)", isRight ? "passed" : "FAILED"])
            }
        }
        guard wrong.isEmpty else { throw CheckFailure("answers differ: " + wrong.joined(separator: ", ")) }
        context.say(
            "  \(models.count) models, differences of at most \(CheckDifference.tolerance) of the largest value")
    }
}
