// SPDX-License-Identifier: Apache-2.0

internal import CCUDARuntime

/// A queue of a device: what is put on it happens in that order.
// @unchecked: the handle is constant, and CUDA takes it from any thread.
package final class CUDAStream: @unchecked Sendable {
    /// CUDA's handle, for libraries that take one.
    package let handle: UnsafeMutableRawPointer
    private let runtime: CUDARuntime

    /// A stream on the calling thread's device.
    ///
    /// - Parameter priority: within the device's range; smaller is more urgent.
    /// - Throws: ``CUDAError``.
    package init(priority: Int = 0, of runtime: CUDARuntime) throws(CUDAError) {
        var made: UnsafeMutableRawPointer?
        let flags = CUnsignedInt(CUDA_STREAM_NON_BLOCKING)
        try runtime.check(runtime.api.stream_create(&made, flags, CInt(priority)), "making a stream")
        guard let made else { throw CUDAError(.failed, "making a stream: CUDA reported success but made nothing") }
        handle = made
        self.runtime = runtime
    }

    deinit { _ = runtime.api.stream_destroy(handle) }

    /// Lets what is put on the stream from now on wait for an event.
    ///
    /// - Throws: ``CUDAError``.
    package func wait(for event: CUDAEvent) throws(CUDAError) {
        try runtime.check(runtime.api.stream_wait(handle, event.handle, 0), "letting a stream wait")
    }

    /// Copies from the host to the device. The host's memory must stay as it is until the copy is over; it is one beside
    /// kernels only if it is pinned.
    ///
    /// - Throws: ``CUDAError``.
    package func copy(_ bytes: UnsafeRawBufferPointer, toDevice address: UInt) throws(CUDAError) {
        guard let from = bytes.baseAddress else { return }
        let to = UnsafeMutableRawPointer(bitPattern: address)
        try runtime.check(
            runtime.api.copy(to, from, bytes.count, CInt(CUDA_HOST_TO_DEVICE), handle), "copying to the device")
    }

    /// Copies from the device to the host's memory, which is not to be touched until the copy is over.
    ///
    /// - Throws: ``CUDAError``.
    package func copy(fromDevice address: UInt, to bytes: UnsafeMutableRawBufferPointer) throws(CUDAError) {
        guard let to = bytes.baseAddress else { return }
        let from = UnsafeRawPointer(bitPattern: address)
        try runtime.check(
            runtime.api.copy(to, from, bytes.count, CInt(CUDA_DEVICE_TO_HOST), handle), "copying from the device")
    }

    /// Waits until all that is on the stream is done.
    ///
    /// - Throws: ``CUDAError``, also for what went wrong on the way.
    package func synchronize() throws(CUDAError) {
        try runtime.check(runtime.api.stream_synchronize(handle), "waiting for a stream")
    }
}

/// A point on a stream, with the time at which the device reached it.
// @unchecked: the handle is constant, and CUDA takes it from any thread.
package final class CUDAEvent: @unchecked Sendable {
    fileprivate let handle: UnsafeMutableRawPointer
    private let runtime: CUDARuntime

    /// An event of the calling thread's device; who waits for it sleeps.
    ///
    /// - Throws: ``CUDAError``.
    package init(of runtime: CUDARuntime) throws(CUDAError) {
        var made: UnsafeMutableRawPointer?
        try runtime.check(runtime.api.event_create(&made, CUnsignedInt(CUDA_EVENT_BLOCKING_WAIT)), "making an event")
        guard let made else { throw CUDAError(.failed, "making an event: CUDA reported success but made nothing") }
        handle = made
        self.runtime = runtime
    }

    deinit { _ = runtime.api.event_destroy(handle) }

    /// Puts the event behind all that is on a stream now.
    ///
    /// - Throws: ``CUDAError``.
    package func record(on stream: CUDAStream) throws(CUDAError) {
        try runtime.check(runtime.api.event_record(handle, stream.handle), "recording an event")
    }

    /// Waits until the device has reached it.
    ///
    /// - Throws: ``CUDAError``, also for what went wrong before it.
    package func synchronize() throws(CUDAError) {
        try runtime.check(runtime.api.event_synchronize(handle), "waiting for an event")
    }

    /// Nanoseconds from an earlier event to this one; both must be reached.
    ///
    /// - Throws: ``CUDAError``.
    package func nanoseconds(since earlier: CUDAEvent) throws(CUDAError) -> Int64 {
        var milliseconds: Float = 0
        try runtime.check(
            runtime.api.event_elapsed(&milliseconds, earlier.handle, handle), "asking for the time between events")
        return Int64(max(0, Double(milliseconds) * 1_000_000))
    }
}

/// Memory of the host that the device reaches by itself.
// @unchecked: the memory is the owner's to share.
package final class PinnedMemory: @unchecked Sendable {
    /// The memory.
    package let bytes: UnsafeMutableRawBufferPointer
    private let runtime: CUDARuntime

    /// So many bytes.
    ///
    /// - Throws: ``CUDAError``.
    package init(_ byteCount: Int, of runtime: CUDARuntime) throws(CUDAError) {
        var made: UnsafeMutableRawPointer?
        try runtime.check(
            runtime.api.pinned_allocate(&made, max(1, byteCount), CUnsignedInt(CUDA_HOST_MEMORY_PORTABLE)),
            "allocating \(byteCount) bytes of pinned memory")
        bytes = UnsafeMutableRawBufferPointer(start: made, count: byteCount)
        self.runtime = runtime
    }

    deinit { _ = runtime.api.pinned_free(bytes.baseAddress) }
}

/// Memory of a device.
// @unchecked: only an address; what is done with it is put on streams.
package final class DeviceAllocation: @unchecked Sendable {
    /// Where it begins.
    package let address: UInt
    /// Its bytes.
    package let byteCount: Int
    private let runtime: CUDARuntime

    /// So many bytes of the calling thread's device.
    ///
    /// - Throws: ``CUDAError``.
    package init(_ byteCount: Int, of runtime: CUDARuntime) throws(CUDAError) {
        var made: UnsafeMutableRawPointer?
        try runtime.check(
            runtime.api.device_allocate(&made, max(1, byteCount)), "allocating \(byteCount) bytes of device memory")
        address = UInt(bitPattern: made)
        self.byteCount = byteCount
        self.runtime = runtime
    }

    deinit { _ = runtime.api.device_free(UnsafeMutableRawPointer(bitPattern: address)) }
}
