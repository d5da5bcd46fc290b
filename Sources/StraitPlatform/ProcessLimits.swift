// SPDX-License-Identifier: Apache-2.0

internal import CPlatform
internal import Glibc

/// What the process asks of the system once, at its start.
package enum ProcessLimits {
    /// Tensors of some hundred kilobytes cross glibc's limits for giving memory back to the system, and then every
    /// request pays for fresh pages. These limits keep such memory in the process.
    private static let mmapThresholdBytes: CInt = 64 << 20
    private static let trimThresholdBytes: CInt = 256 << 20

    /// Makes malloc keep the memory of tensors.
    package static func keepTensorMemory() {
        platform_keep_memory(mmapThresholdBytes, trimThresholdBytes)
    }

    /// Maps no code but what is used, from now on: for all libraries that are loaded by then.
    ///
    /// - Returns: whether the system does so; else everything is as it was. Linux can since 6.7, and containers may forbid
    ///   it.
    @discardableResult
    package static func mapOnlyUsedCode() -> Bool { platform_map_only_used_code() == 0 }

    /// Gives back the memory that only work needed which is over: code, much of it of libraries that read and optimise
    /// models, and what malloc keeps. Code that is used again comes back from the file by itself.
    package static func releaseUnused() { platform_forget_code() }

    /// Descriptors with which a server can do something: a dozen for itself, the others for connections.
    package static let leastDescriptors = 32

    /// Lets the process hold so many more descriptors, as far as the system's hard limit goes.
    ///
    /// - Returns: the descriptors that it may hold now.
    @discardableResult
    package static func raiseDescriptorLimit(by count: Int) -> Int {
        /// What a process has open besides its connections, generously.
        let others = 256
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return .max }
        let wanted = min(rlim_t(count + others), limit.rlim_max)
        guard limit.rlim_cur < wanted else { return Int(clamping: limit.rlim_cur) }
        let current = limit.rlim_cur
        limit.rlim_cur = wanted
        // Refused at worst: then the old limit stands.
        return Int(clamping: setrlimit(resource, &limit) == 0 ? wanted : current)
    }

    /// Keeps signals from interrupting the process's threads, so that one thread can wait for them. To be called before
    /// any other thread starts.
    package static func blockSignals(_ signals: [CInt]) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        // A client that hangs up while we write is an error of that write, nothing more.
        signal(SIGPIPE, SIG_IGN)
    }

    /// One of the blocked signals that has come; nil for none.
    package static func takeSignal(_ signals: [CInt]) -> CInt? {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        var none = timespec()
        let signal = sigtimedwait(&set, nil, &none)
        return signal > 0 ? signal : nil
    }

    /// Waits for one of the blocked signals, at most so many seconds.
    ///
    /// - Returns: the signal; nil where none has come, or the wait was interrupted.
    package static func waitForSignal(_ signals: [CInt], seconds: Int) -> CInt? {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        var time = timespec(tv_sec: seconds, tv_nsec: 0)
        let signal = sigtimedwait(&set, nil, &time)
        return signal > 0 ? signal : nil
    }

    /// Waits for one of the blocked signals.
    package static func waitForSignal(_ signals: [CInt]) -> CInt {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        var received: CInt = 0
        while sigwait(&set, &received) != 0 {}
        return received
    }
}
