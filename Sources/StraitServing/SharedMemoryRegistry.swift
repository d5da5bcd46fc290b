// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import StraitProtocol
internal import Synchronization

/// The regions of system shared memory that clients have registered, for all transports.
///
/// Nothing is mapped: bytes are copied with `pread` and `pwrite`. A client may shorten its object at any moment, and
/// touching a mapping beyond the new end would kill the server; a call that comes up short is an error to report.
package final class SharedMemoryRegistry: Sendable {
    private let regions = Mutex<[String: SharedRegion]>([:])

    /// The most regions at a time: each keeps a descriptor open.
    package static let maximumRegions = 1024
    /// The longest name of a region, in bytes.
    package static let maximumNameLength = InferenceRequestDecoder.maximumNameLength
    /// The longest key, in bytes: what the file system takes as a name.
    private static let maximumKeyLength = 255

    package init() {}

    /// Registers a region.
    ///
    /// - Parameters:
    ///   - name: by which requests call it.
    ///   - key: of the shared memory object, as for `shm_open`: one name, with a slash before it or without.
    ///   - offset: where in the object it begins, in bytes.
    ///   - byteCount: its length, at least 1.
    /// - Throws: ``ProtocolError``: `alreadyExists`, `invalidArgument` for what cannot be, `notFound` where there is no
    ///   such object, `resourceExhausted` where there are too many.
    package func register(name: String, key: String, offset: Int, byteCount: Int) throws(ProtocolError) {
        guard !name.isEmpty, name.utf8.count <= Self.maximumNameLength else {
            throw ProtocolError(
                .invalidArgument, "a region's name has 1 to \(Self.maximumNameLength) bytes, not \(name.utf8.count)")
        }
        let region = try Self.open(
            SharedRegionStatus(name: name, key: key, offset: offset, byteCount: byteCount))
        let problem = regions.withLock { regions -> ProtocolError? in
            guard regions[name] == nil else {
                return ProtocolError(.alreadyExists, "shared memory region '\(name)' is registered already")
            }
            guard regions.count < Self.maximumRegions else {
                return ProtocolError(
                    .resourceExhausted, "\(Self.maximumRegions) shared memory regions are registered; unregister some")
            }
            regions[name] = region
            return nil
        }
        if let problem { throw problem }
    }

    private static func open(_ status: SharedRegionStatus) throws(ProtocolError) -> SharedRegion {
        let (key, offset, byteCount) = (status.key, status.offset, status.byteCount)
        let object = key.hasPrefix("/") ? String(key.dropFirst()) : key
        guard !object.isEmpty, object.utf8.count <= maximumKeyLength, object != ".", object != "..",
            object.utf8.allSatisfy({ $0 != UInt8(ascii: "/") && $0 != 0 })
        else {
            throw ProtocolError(
                .invalidArgument,
                "key '\(shortened(key))' is not the name of a shared memory object; expected one such as /my_region")
        }
        // They lie in the same folder, and who writes into one stops the programs that wait for it.
        guard !object.hasPrefix("sem.") else {
            throw ProtocolError(
                .invalidArgument, "key '\(shortened(key))' is that of a semaphore, not of shared memory")
        }
        let (end, overflow) = offset.addingReportingOverflow(byteCount)
        guard offset >= 0, byteCount > 0, !overflow else {
            throw ProtocolError(
                .invalidArgument, "offset is \(offset) and byte_size \(byteCount); expected at least 0 and at least 1")
        }
        let descriptor = shm_open("/" + object, O_RDWR | O_CLOEXEC, 0)
        guard descriptor >= 0 else {
            let code = errno
            let reason = strerror(code).map { String(cString: $0) } ?? "error \(code)"
            throw ProtocolError(
                code == ENOENT ? .notFound : .invalidArgument,
                "shared memory object '\(key)' cannot be opened: \(reason)")
        }
        let region = SharedRegion(status: status, descriptor: descriptor)
        guard let size = region.objectSize, size >= end else {
            throw ProtocolError(
                .invalidArgument,
                "shared memory object '\(key)' has \(region.objectSize ?? 0) bytes; offset and byte_size end at \(end)")
        }
        return region
    }

    /// Takes a region out; nothing happens if it is not there. An accepted request that was to put an output there fails.
    package func unregister(name: String) {
        // Its descriptor is closed after the lock is released.
        _ = regions.withLock { $0.removeValue(forKey: name) }
    }

    /// Takes all regions out.
    package func unregisterAll() {
        _ = regions.withLock { regions in
            defer { regions = [:] }
            return regions
        }
    }

    /// What is registered: one region, or all by name.
    ///
    /// - Throws: ``ProtocolError`` `notFound`.
    package func status(name: String?) throws(ProtocolError) -> [SharedRegionStatus] {
        guard let name, !name.isEmpty else {
            return regions.withLock { $0.values.map(\.status) }.sorted { $0.name < $1.name }
        }
        return [try find(name).status]
    }

    /// The region of a name.
    ///
    /// - Throws: ``ProtocolError`` `notFound`.
    func find(_ name: String) throws(ProtocolError) -> SharedRegion {
        guard let region = regions.withLock({ $0[name] }) else {
            throw ProtocolError(
                .notFound,
                "no shared memory region is registered as '\(shortened(name))'; its status lists those that are")
        }
        return region
    }
}

/// A registered region, open as long as anybody holds it.
final class SharedRegion: Sendable {
    let status: SharedRegionStatus
    private let descriptor: Int32

    init(status: SharedRegionStatus, descriptor: Int32) {
        self.status = status
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Bytes of the whole object now; nil for what is no file.
    var objectSize: Int? {
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(info.st_size)
    }

    /// Checks that a place lies inside.
    func check(_ place: SharedPlace) throws(ProtocolError) {
        guard place.offset + place.byteCount <= status.byteCount else {
            throw ProtocolError(
                .invalidArgument,
                "shared_memory_offset \(place.offset) and shared_memory_byte_size \(place.byteCount) go beyond region "
                    + "'\(status.name)', which has \(status.byteCount) bytes")
        }
    }

    /// Fills memory with the bytes at a place.
    ///
    /// - Complexity: O(bytes): the one copy that shared memory costs.
    func read(_ place: SharedPlace, into target: UnsafeMutableRawBufferPointer) throws(ProtocolError) {
        try check(place)
        var done = 0
        while done < place.byteCount {
            let rest = UnsafeMutableRawBufferPointer(rebasing: target[done..<place.byteCount])
            let count = pread(descriptor, rest.baseAddress, rest.count, off_t(status.offset + place.offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw shortened }
            done += count
        }
    }

    /// Puts bytes at the beginning of a place.
    ///
    /// - Complexity: O(bytes).
    func write(_ bytes: UnsafeRawBufferPointer, to place: SharedPlace) throws(ProtocolError) {
        try check(place)
        // A write beyond the end would make the object longer instead of failing.
        guard let size = objectSize, size >= status.offset + place.offset + bytes.count else { throw shortened }
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(status.offset + place.offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw shortened }
            done += count
        }
    }

    private var shortened: ProtocolError {
        ProtocolError(
            .invalidArgument,
            "shared memory object '\(status.key)' of region '\(status.name)' is shorter than it was when it was registered"
        )
    }
}
