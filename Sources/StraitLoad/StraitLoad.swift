// SPDX-License-Identifier: Apache-2.0

// StraitLoad: the load generator. What is sent when, over which connections, and what became of every request.

internal import NIOCore
internal import NIOPosix
internal import StraitPlatform

/// Drives load at a server of the Open Inference Protocol and reports what became of it.
package enum Load {
    /// Carries out a plan and returns what was measured.
    ///
    /// Before the load starts every model is looked up and asked once, so that a misspelt name or a wrong shape is
    /// one clear message instead of a table of failures.
    ///
    /// - Parameters:
    ///   - plan: What to send, how fast, for how long.
    ///   - warn: Told of each thing that was assumed, such as a free dimension set to 1.
    ///   - onProgress: Called once a second from an event loop; it must be quick.
    /// - Throws: ``LoadError`` when the plan makes no sense, the server cannot be reached or refuses a trial request.
    package static func run(
        _ plan: LoadPlan,
        warn: (String) -> Void = { _ in },
        onProgress: (@Sendable (LoadProgress.Snapshot) -> Void)? = nil
    ) async throws(LoadError) -> LoadReport {
        try plan.validate()
        ProcessLimits.raiseDescriptorLimit(by: plan.maximumConnections)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: plan.threads)
        let outcome: Result<LoadReport, LoadError>
        do throws(LoadError) {
            outcome = .success(try await run(plan, on: group, warn: warn, onProgress: onProgress))
        } catch {
            outcome = .failure(error)
        }
        // A loop that does not shut down costs a thread until the process ends; the measurement stands all the same.
        try? await group.shutdownGracefully()
        return try outcome.get()
    }

    /// Whether the server says that it is ready; false too when it cannot be reached.
    package static func isReady(_ server: ServerAddress) async -> Bool {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var ready = false
        do throws(LoadError) {
            let client = try SetupClient(server: server, group: group)
            ready = try await client.ask(.readiness(of: server)).status == 200
        } catch {
            ready = false
        }
        try? await group.shutdownGracefully()
        return ready
    }

    private static func run(
        _ plan: LoadPlan,
        on group: MultiThreadedEventLoopGroup,
        warn: (String) -> Void,
        onProgress: (@Sendable (LoadProgress.Snapshot) -> Void)?
    ) async throws(LoadError) -> LoadReport {
        let client = try SetupClient(server: plan.server, trust: plan.trust, group: group)
        var targets: [PreparedTarget] = []
        for target in plan.targets {
            targets.append(try await PreparedTarget.prepare(target, plan: plan, client: client, warn: warn))
        }
        let progress = LoadProgress()
        let start = NIODeadline.now() + startDelay
        var results: [EventLoopFuture<Measurement>] = []
        for (index, loop) in group.makeIterator().enumerated() {
            let settings = DriverSettings(
                plan: plan, targets: targets, client: client, index: index,
                start: Int64(start.uptimeNanoseconds), progress: progress,
                onProgress: index == 0 ? onProgress : nil)
            let promise = loop.makePromise(of: Measurement.self)
            loop.execute { LoadDriver.start(settings, on: loop, finished: promise) }
            results.append(promise.futureResult)
        }
        var merged = Measurement(targetCount: targets.count)
        do {
            for result in results { merged.merge(try await result.get()) }
        } catch let error as LoadError {
            throw error
        } catch {
            throw LoadError(.system, "The load generator stopped early: \(error).")
        }
        return try LoadReport(plan: plan, measured: merged)
    }

    /// Time between set-up and the first arrival: enough for every loop to pin its thread and open its connections.
    private static let startDelay = TimeAmount.milliseconds(50)
}
