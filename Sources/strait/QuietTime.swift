// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitPlatform
internal import StraitServing
internal import StraitTensor

/// What a server does when nobody asks it anything any more: it gives back the memory that its last work took, once.
struct QuietTime {
    let engine: Engine
    let pool: SlabPool
    /// Whether it gives anything back.
    let isOn: Bool
    private var seen = 0
    private var wasBusy = false

    init(engine: Engine, pool: SlabPool, isOn: Bool) {
        (self.engine, self.pool, self.isOn) = (engine, pool, isOn)
    }

    /// How often it is looked whether requests have come. Long beside what comes back with the next request (half a
    /// millisecond or so), short beside the hours for which a server may be idle.
    private static let seconds = 5

    /// Waits for one of the signals.
    mutating func waitForSignal(_ signals: [CInt]) -> CInt {
        guard isOn else { return ProcessLimits.waitForSignal(signals) }
        while true {
            if let signal = ProcessLimits.waitForSignal(signals, seconds: Self.seconds) { return signal }
            look()
        }
    }

    private mutating func look() {
        let (high, low) = (engine.counters(of: .high), engine.counters(of: .low))
        let arrived = high.arrived + low.arrived
        if arrived != seen {
            (seen, wasBusy) = (arrived, true)
        } else if wasBusy {
            wasBusy = false
            pool.releaseIdle()
            ProcessLimits.releaseUnused()
        }
    }
}
