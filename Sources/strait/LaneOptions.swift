// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitCore
internal import StraitDevices
internal import StraitPlatform

/// The lanes of the only CPU device, in the words of those who need no `--device`.
struct LaneOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Batches that run at the same time, each on a thread pinned to a core. Default: one fewer than cores.",
            discussion: "More lanes than cores share the cores in time, which makes each batch slower."))
    var lanes: Int?

    @Option(
        help: ArgumentHelp("The cores that lanes run on, such as 0,2-3. Default: from the first.", valueName: "list"))
    var laneCores: String?

    @Option(
        help: ArgumentHelp(
            "Batches expected to take no longer than this are run by the network thread that brought them; 0 for none.",
            discussion:
                "That saves two changes of thread, some 40 µs. Only on processor cores, and while it takes at most a "
                + "third of one thread's time.",
            valueName: "microseconds"))
    var inlineUs = 100

    /// Longer, and a network thread would keep others waiting for longer than a change of thread takes.
    private static let longestInline = 1000

    /// The longest batch that is run inline.
    var inlineLimit: Duration { .microseconds(Int64(inlineUs)) }

    mutating func validate() throws {
        try check(
            (0...Self.longestInline).contains(inlineUs),
            "--inline-us is \(inlineUs); expected 0 to \(Self.longestInline)")
        try check(
            lanes.map { (1...CPUDevice.maximumLanes).contains($0) } ?? true,
            "--lanes is \(lanes ?? 0); expected 1 to \(CPUDevice.maximumLanes)")
        try check(
            laneCores.map { CoreSet.parse($0) != nil } ?? true,
            "--lane-cores is '\(laneCores ?? "")'; expected a list such as 0,2-3")
    }

    /// Checks that they are not given beside a device that says itself what it is.
    func check(beside isDeviceGiven: Bool) throws {
        try check(
            !isDeviceGiven || lanes == nil && laneCores == nil,
            "--lanes and --lane-cores are of the only CPU device; with --device say cpu:lanes=N,cores=LIST")
    }

    /// The device.
    var specification: DeviceSpecification {
        DeviceSpecification(cores: laneCores.flatMap(CoreSet.parse), lanes: lanes)
    }
}

extension ParsableArguments {
    /// Refuses what was given, with how to say it right.
    func check(_ isGood: Bool, _ message: String) throws {
        guard isGood else { throw ValidationError(message) }
    }
}
