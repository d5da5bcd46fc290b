// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitPlatform

/// What `strait serve` does to take little memory.
struct MemoryOptions: ParsableArguments {
    @Flag(
        help: ArgumentHelp(
            "Do not give memory back when no requests come, and let the system map code around what is used.",
            discussion: "docs/hot-path.md."))
    var keepMemory = false

    /// Gives back what only starting needed.
    func forgetStart() {
        if !keepMemory { ProcessLimits.mapOnlyUsedCode() }
        ProcessLimits.releaseUnused()
    }
}
