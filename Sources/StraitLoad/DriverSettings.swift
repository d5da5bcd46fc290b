// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitNetwork

/// One event loop's part of a load.
struct DriverSettings: Sendable {
    let targets: [PreparedTarget]
    let address: SocketAddress
    /// The host's name or address, as it was given.
    let host: String
    /// TLS to it; nil for none.
    let tls: ClientTLS?
    let mix: MixSampler
    let random: RandomSource
    /// This loop's part of the pace.
    let pace: LoadPlan.Pace
    /// This loop's part of the connections.
    let maximumConnections: Int
    let cores: [Int]
    let progress: LoadProgress
    let onProgress: (@Sendable (LoadProgress.Snapshot) -> Void)?
    /// What is spoken.
    let transport: LoadPlan.Transport
    /// Requests to make room for in each tally.
    let expectedEach: Int

    // Instants on NIO's monotonic clock, in nanoseconds.

    /// Of the first arrival's time zero.
    let start: Int64
    /// Where the measured part begins.
    let windowStart: Int64
    /// Where it ends.
    let windowEnd: Int64
    /// When requests without an answer are given up.
    let giveUp: Int64

    /// Room is made for at most this many requests in each tally (8 bytes a time, three times a request).
    private static let maximumExpected = 1 << 20

    init(
        plan: LoadPlan, targets: [PreparedTarget], client: SetupClient, index: Int, start: Int64,
        progress: LoadProgress, onProgress: (@Sendable (LoadProgress.Snapshot) -> Void)?
    ) {
        func part(of whole: Int) -> Int { whole / plan.threads + (index < whole % plan.threads ? 1 : 0) }
        self.targets = targets
        address = client.address
        host = client.server.host
        tls = client.tls
        mix = MixSampler(weights: targets.map(\.weight), highShare: plan.highShare)
        random = RandomSource(seed: plan.seed, part: index)
        switch plan.pace {
        case .openLoop(let rate):
            pace = .openLoop(requestsPerSecond: rate / Double(plan.threads))
            expectedEach = min(Int(rate * plan.duration.inSeconds) / plan.threads, Self.maximumExpected)
        case .closedLoop(let outstanding):
            pace = .closedLoop(outstanding: part(of: outstanding))
            expectedEach = 0
        }
        maximumConnections = part(of: plan.maximumConnections)
        cores = plan.cores
        self.progress = progress
        self.onProgress = onProgress
        transport = plan.transport
        self.start = start
        windowStart = start + plan.warmup.nanoseconds
        windowEnd = windowStart + plan.duration.nanoseconds
        giveUp = windowEnd + plan.tailWait.nanoseconds
    }
}
