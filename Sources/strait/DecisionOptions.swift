// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// What `strait serve` remembers so that it can say why.
struct DecisionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How many of the last requests are remembered, for strait why; 0 remembers none.",
            discussion: "Each takes about 230 bytes, its batch and what was weighed for it included. docs/why.md.",
            valueName: "requests"))
    var decisions = 16_384

    mutating func validate() throws {
        guard (0...1_000_000).contains(decisions) else {
            throw ValidationError("--decisions is \(decisions); expected 0 to 1000000")
        }
    }
}
