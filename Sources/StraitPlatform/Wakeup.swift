// SPDX-License-Identifier: Apache-2.0

internal import CPlatform
internal import Glibc

/// A counting wake-up for a thread that has nothing to do: a system semaphore.
// @unchecked: semaphores exist to be shared between threads; the pointer is constant.
package final class Wakeup: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    /// A wake-up that nobody has signalled yet.
    package init() {
        semaphore = .allocate(capacity: 1)
        semaphore.initialize(to: sem_t())
        let result = sem_init(semaphore, 0, 0)
        precondition(result == 0, "a private semaphore of value 0 can always be made")
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    /// Wakes the waiting thread, or lets its next wait return at once.
    package func signal() { sem_post(semaphore) }

    /// Waits for a signal.
    package func wait() {
        // Interrupted by a signal handler of the process: wait on.
        while sem_wait(semaphore) != 0 {}
    }

    /// Waits for a signal until a time of the monotonic clock.
    ///
    /// - Returns: whether the signal came.
    package func wait(untilNanoseconds deadline: Int64) -> Bool {
        while true {
            switch platform_wait_until(semaphore, deadline) {
            case 0: return true
            case ETIMEDOUT: return false
            default: continue  // interrupted by a signal handler of the process
            }
        }
    }
}
