// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import OnnxRuntime
internal import Synchronization
internal import Testing

@Suite("Stopping a run")
struct TerminateTests {
    @Test("a run whose options are terminated fails, others go on, and after a reset it runs again")
    func terminateAndReset() throws {
        let session = try Runtime.session(.arithmetic, named: "stopped")
        let (stopped, running) = (try RunOptions(in: Runtime.environment()), try RunOptions(in: Runtime.environment()))
        let row = try Value(floats: [1, 2, 3], [1, 3])
        var outputs: [Value?] = [nil, nil]

        try stopped.terminate()
        let error = try failure { try session.run(inputs: [row, row], outputs: &outputs, options: stopped) }
        #expect(error.code == .failed)
        #expect(error.ortCode == 1)
        #expect(error.model == "stopped")
        #expect(error.message.contains("terminate"))
        #expect(outputs[0] == nil && outputs[1] == nil)

        try session.run(inputs: [row, row], outputs: &outputs, options: running)
        #expect(outputs[0]?.elements(Float.self) == [2, 4, 6])

        try stopped.reset()
        outputs = [nil, nil]
        try session.run(inputs: [row, row], outputs: &outputs, options: stopped)
        #expect(outputs[0]?.elements(Float.self) == [2, 4, 6])
    }

    /// What the two threads of the next test tell each other.
    private final class Progress: Sendable {
        let runs = Atomic<Int>(0)
        let error = Mutex<OnnxRuntimeError?>(nil)
    }

    @Test("another thread stops a model that keeps running")
    func terminateFromAnotherThread() throws {
        let side = 192
        let session = try Runtime.session(.power(side: side, steps: 64), named: "long")
        let options = try RunOptions(in: Runtime.environment())
        let matrix = try Value(floats: [Float](repeating: 0, count: side * side), [side, side])
        let progress = Progress()
        // Far more runs than happen before the stop; a stop that does not work ends the test all the same.
        let most = 2_000
        let thread = try TestThread {
            var outputs: [Value?] = [nil]
            for _ in 0..<most {
                do throws(OnnxRuntimeError) {
                    try session.run(inputs: [matrix], outputs: &outputs, options: options)
                    progress.runs.add(1, ordering: .releasing)
                } catch {
                    progress.error.withLock { $0 = error }
                    return
                }
            }
        }
        while progress.runs.load(ordering: .acquiring) == 0, progress.error.withLock({ $0 == nil }) { sched_yield() }
        try options.terminate()
        thread.join()

        #expect(progress.runs.load(ordering: .acquiring) < most)
        let error = try #require(progress.error.withLock { $0 })
        #expect(error.code == .failed)
        #expect(error.model == "long")
    }
}
