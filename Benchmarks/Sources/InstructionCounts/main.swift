// SPDX-License-Identifier: Apache-2.0

// Does one thing over and over, for callgrind to count its instructions: `InstructionCounts CASE REPETITIONS` prints how
// many operations those were. `InstructionCounts list` names the cases. `make count` (Benchmarks/instructions.py) runs it.

let cases = StepCase.all.map { $0 as any CountedCase } + CodecCase.all

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments == ["list"] {
    for each in cases { print(each.name, each.repetitions.few, each.repetitions.many) }
} else if arguments.count == 2, let chosen = cases.first(where: { $0.name == arguments[0] }),
    let repetitions = Int(arguments[1])
{
    print(try chosen.run(repetitions))
} else {
    fatalError("give a case of `InstructionCounts list` and how often to repeat it")
}

/// Something whose instructions are counted.
protocol CountedCase: Sendable {
    /// As it stands in instructions.json.
    var name: String { get }
    /// The two numbers of repetitions whose difference is taken. What only the start costs falls out of it.
    var repetitions: (few: Int, many: Int) { get }

    /// Repeats it.
    ///
    /// - Returns: how many operations that were.
    func run(_ repetitions: Int) throws -> Int
}
