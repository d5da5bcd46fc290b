// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix

/// Runs the tasks of calls on the network's own threads.
///
/// A task that an event of a connection wakes goes on right there, on that connection's event loop. On the global
/// executor each of a call's half a dozen steps would wake another thread, which costs more than the call itself, and
/// its threads would run on the cores of the lanes.
final class LoopExecutor: TaskExecutor {
    private let group: MultiThreadedEventLoopGroup

    init(group: MultiThreadedEventLoopGroup) { self.group = group }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedTaskExecutor()
        let loop = MultiThreadedEventLoopGroup.currentEventLoop ?? group.next()
        loop.execute { job.runSynchronously(on: executor) }
    }
}
