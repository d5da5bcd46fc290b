// SPDX-License-Identifier: Apache-2.0

internal import CPlatform
internal import Glibc
internal import Synchronization

/// A thread of one's own, for work that blocks: it never runs on the shared pool of Swift's concurrency.
// @unchecked: the handle is constant, and `join` is called once, by the owner.
package final class SystemThread: @unchecked Sendable {
    private let handle: pthread_t

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: shown by `top -H` and debuggers; the first 15 bytes count.
    ///   - cores: where it may run; nil for anywhere. A system that refuses leaves it anywhere.
    package convenience init(name: String, cores: [Int]? = nil, body: @escaping @Sendable () -> Void) {
        let (handle, result) = Self.create(name, cores, body)
        precondition(result == 0, "the system refuses a thread: \(String(cString: strerror(result)))")
        self.init(handle)
    }

    /// Starts a thread, if the system has room for it.
    ///
    /// - Parameter name: as above.
    package convenience init?(ifPossible name: String, body: @escaping @Sendable () -> Void) {
        let (handle, result) = Self.create(name, nil, body)
        guard result == 0 else { return nil }
        self.init(handle)
    }

    private init(_ handle: pthread_t) { self.handle = handle }

    private static func create(
        _ name: String, _ cores: [Int]?, _ body: @escaping @Sendable () -> Void
    ) -> (handle: pthread_t, result: CInt) {
        let start = Unmanaged.passRetained(Start(name: name, cores: cores, body: body))
        var handle = pthread_t()
        let result = pthread_create(
            &handle, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                platform_name_thread(start.name)
                if let cores = start.cores { _ = CoreSet.pinCurrentThread(to: cores) }
                start.body()
                return nil
            }, start.toOpaque())
        if result != 0 { start.release() }
        return (handle, result)
    }

    /// Lets the system wake the calling thread on time rather than up to 50 µs later, which is its habit to save power.
    package static func wakeOnTime() { platform_wake_on_time() }

    /// Waits until the thread's body has returned. Call it once.
    package func join() { pthread_join(handle, nil) }

    private final class Start {
        let name: String
        let cores: [Int]?
        let body: @Sendable () -> Void

        init(name: String, cores: [Int]?, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.cores = cores
            self.body = body
        }
    }
}

/// The place of a thread that an object starts and, when it stops, waits for once.
package final class ThreadSlot: Sendable {
    private let thread = Mutex<SystemThread?>(nil)

    /// A place without a thread.
    package init() {}

    /// Keeps a thread that was started.
    package func put(_ started: SystemThread) { thread.withLock { $0 = started } }

    /// Takes the thread out, to be joined or left alone; nil where there is none, or where it was taken before.
    package func take() -> SystemThread? {
        thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
    }
}
