// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitPlatform

/// How many threads a command works with.
struct ThreadOptions: ParsableArguments {
    @Option(help: "Threads; as many as there are cores if not given.")
    var threads: Int?

    /// More than any machine has cores.
    private static let most = 1024

    mutating func validate() throws {
        try check(
            threads.map { (1...Self.most).contains($0) } ?? true,
            "--threads is \(threads ?? 0); expected 1 to \(Self.most)")
    }

    /// How many.
    var count: Int { threads ?? CoreSet.allowed().count }
}
