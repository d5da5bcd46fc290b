// SPDX-License-Identifier: Apache-2.0

internal import StraitPlatform
internal import Synchronization

/// Pieces of work on several threads, each taken when a thread is free.
package enum Workers {
    private struct State<Failure: Error>: Sendable {
        var next = 0
        var failure: Failure?
    }

    /// Does the pieces 0..<count. Which thread does which is left open.
    ///
    /// - Throws: the first failure; pieces that had not begun by then are not done.
    package static func run<Failure: Error>(
        _ count: Int, threads: Int, named name: String, _ work: @escaping @Sendable (Int) throws(Failure) -> Void
    ) throws(Failure) {
        let state = Shared(State<Failure>())
        let workers = (0..<min(max(1, threads), max(1, count))).map { index in
            SystemThread(name: "\(name)-\(index)") {
                while let piece = take(of: count, state) {
                    do throws(Failure) { try work(piece) } catch { state.set { $0.failure = $0.failure ?? error } }
                }
            }
        }
        for worker in workers { worker.join() }
        if let failure = state.set({ $0.failure }) { throw failure }
    }

    private static func take<Failure: Error>(of count: Int, _ state: Shared<State<Failure>>) -> Int? {
        state.set { state in
            guard state.failure == nil, state.next < count else { return nil }
            defer { state.next += 1 }
            return state.next
        }
    }
}

/// A value behind a lock that several threads hold.
final class Shared<Value: Sendable>: Sendable {
    private let value: Mutex<Value>

    init(_ value: Value) { self.value = Mutex(value) }

    /// Does something to the value while nobody else does.
    func set<Result: Sendable>(_ body: (inout Value) -> Result) -> Result { value.withLock { body(&$0) } }
}
