// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitPlatform
internal import StraitServing
internal import Testing

@Suite struct TimerThreadTests {
    @Test(.timeLimit(.minutes(1))) func `a timer ends though a call of it hangs`() {
        let (hangs, ends) = (Wakeup(), Wakeup())
        let timer = TimerThread(name: "hanging", patience: .zero)
        timer.start {
            hangs.signal()
            ends.wait()
        }
        timer.set(Instant(nanoseconds: 1))
        hangs.wait()
        timer.stop()
        ends.signal()
    }

    @Test(.timeLimit(.minutes(1))) func `a timer waits for a call that ends`() {
        let begun = Wakeup()
        let timer = TimerThread(name: "patient", patience: .seconds(3600))
        timer.start { begun.signal() }
        timer.set(Instant(nanoseconds: 1))
        begun.wait()
        timer.stop()
    }
}
