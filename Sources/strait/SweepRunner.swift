// SPDX-License-Identifier: Apache-2.0

internal import StraitEvaluation
internal import StraitLoad
internal import StraitPlatform
internal import StraitSimulation
internal import Synchronization

/// Makes the runs of a sweep on several threads. Which thread makes which changes nothing about the results.
final class SweepRunner: Sendable {
    private struct State {
        var done = 0
        var requests = 0
        var results: [RunResult?]
    }

    private let sweep: Sweep
    private let threads: Int
    private let line: StatusLine
    private let startedAt = MonotonicClock.nanoseconds()
    private let state: Mutex<State>

    /// A runner.
    ///
    /// - Parameter quiet: whether to show no progress.
    init(_ sweep: Sweep, threads: Int, quiet: Bool) {
        self.sweep = sweep
        self.threads = threads
        line = StatusLine(quiet: quiet)
        state = Mutex(State(results: Array(repeating: nil, count: sweep.runs.count)))
    }

    /// - Throws: the first failure; runs that had not begun by then are not made.
    func run() throws(SimulationError) -> [RunResult] {
        defer { line.clear() }
        try Workers.run(sweep.runs.count, threads: threads, named: "simulate") { (index) throws(SimulationError) in
            let result = try self.sweep.runs[index].result()
            let (done, requests) = self.state.withLock { state in
                state.results[index] = result
                state.done += 1
                state.requests += result.classes.reduce(0) { $0 + $1.arrivals }
                return (state.done, state.requests)
            }
            self.line.show(self.progress(done, requests))
        }
        return state.withLock { $0.results.compactMap(\.self) }
    }

    private func progress(_ done: Int, _ requests: Int) -> String {
        let rate = Double(requests) / (Double(MonotonicClock.nanoseconds() - startedAt) / 1e9)
        return "\(done) of \(sweep.runs.count) runs, \(decimal(rate, 0)) requests a second"
    }
}
