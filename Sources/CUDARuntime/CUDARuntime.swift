// SPDX-License-Identifier: Apache-2.0

// CUDARuntime: a thin Swift face over CUDA's runtime library: devices, streams with priorities, events, pinned and device
// memory, copies, and errors that carry CUDA's number and name. Finding the library is its business too.

package import CCUDARuntime

/// What CUDA refused to do.
package struct CUDAError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds that are told apart.
    package enum Code: Sendable, Hashable {
        /// No library could be used; the message lists what was tried.
        case libraryNotFound
        /// There is no such device, or no driver for it.
        case noDevice
        /// The device's memory, or memory that it can reach, does not suffice.
        case outOfMemory
        /// The device failed in a way after which the process can do nothing with it any more.
        case lost
        /// Anything else.
        case failed
    }

    /// The kind of failure.
    package let code: Code
    /// CUDA's number for it; nil where the failure is not CUDA's.
    package let number: Int?
    /// What was wrong.
    package let message: String

    package init(_ code: Code, number: Int? = nil, _ message: String) {
        self.code = code
        self.number = number
        self.message = message
    }

    package var description: String { message }

    /// Numbers after which every later call fails as well: faults of kernels and of the hardware.
    private static let lasting: Set<Int> = [
        46, 101, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 720, 721, 999,
    ]

    /// The kind that a number of CUDA's is of.
    package static func code(_ number: Int) -> Code {
        switch number {
        case Int(CUDA_OUT_OF_MEMORY): .outOfMemory
        case Int(CUDA_NO_DRIVER), Int(CUDA_NO_DEVICE): .noDevice
        case _ where lasting.contains(number): .lost
        default: .failed
        }
    }
}

/// CUDA's runtime library.
// @unchecked: the table is constant, and CUDA's functions may be called by any thread.
package final class CUDARuntime: @unchecked Sendable {
    private let table: UnsafePointer<cuda_api>
    /// The library's version, such as `13.0`, and the driver's newest, such as `13.0`; `?` where it does not say.
    package let version: String
    package let driverVersion: String

    /// The functions.
    var api: cuda_api { table.pointee }

    /// A runtime of the functions of a table, which stays.
    package init(table: UnsafePointer<cuda_api>) {
        self.table = table
        func words(_ read: (UnsafeMutablePointer<CInt>?) -> CInt) -> String {
            var number: CInt = 0
            guard read(&number) == 0, number > 0 else { return "?" }
            return "\(number / 1000).\(number % 1000 / 10)"
        }
        version = words(table.pointee.runtime_version)
        driverVersion = words(table.pointee.driver_version)
    }

    /// The names that the loader is asked for, in order: what ONNX Runtime's provider is built with, then older.
    package static let names = ["libcudart.so.13", "libcudart.so.12", "libcudart.so"]

    /// Loads the first of some libraries that is CUDA's runtime.
    ///
    /// - Throws: `libraryNotFound` with what was tried and why not.
    package static func load(searching names: [String] = CUDARuntime.names) throws(CUDAError) -> CUDARuntime {
        var tried: [String] = []
        for name in names {
            var table: UnsafePointer<cuda_api>?
            let reason = withUnsafeTemporaryAllocation(of: CChar.self, capacity: reasonCapacity) { reason in
                _ = cuda_load(name, &table, reason.baseAddress, reason.count)
                return reason.baseAddress.map { String(cString: $0) } ?? ""
            }
            if let table { return CUDARuntime(table: table) }
            tried.append(reason.hasPrefix(name) ? reason : "\(name): \(reason)")
        }
        throw CUDAError(
            .libraryNotFound,
            "CUDA's runtime library was not found; tried \(tried.joined(separator: "; ")). Install it, and put its "
                + "folder on LD_LIBRARY_PATH.")
    }

    /// Room for the loader's longest complaint: a path and a sentence.
    private static let reasonCapacity = 4608

    /// Turns a number into an error.
    ///
    /// - Parameter what: what was asked for, for people.
    func check(_ number: CInt, _ what: @autoclosure () -> String) throws(CUDAError) {
        guard number != 0 else { return }
        // Forgotten here, or the next one to ask, such as ONNX Runtime, would take it for its own.
        _ = api.last_error()
        let name = api.error_name(number).map { String(cString: $0) } ?? "unknown"
        let text = api.error_text(number).map { String(cString: $0) } ?? ""
        throw CUDAError(
            CUDAError.code(Int(number)), number: Int(number), "\(what()): CUDA error \(number) (\(name)): \(text)")
    }

    /// Devices that the driver shows.
    ///
    /// - Throws: ``CUDAError``, `noDevice` where there is no driver.
    package func deviceCount() throws(CUDAError) -> Int {
        var count: CInt = 0
        try check(api.device_count(&count), "counting devices")
        return Int(count)
    }
}

/// One CUDA device.
package struct CUDAHardware: Sendable {
    /// The library.
    package let runtime: CUDARuntime
    /// Its number.
    package let ordinal: Int
    /// The driver's name for it, such as `NVIDIA H100 80GB HBM3`; `CUDA device N` where it does not say.
    package let name: String
    /// Its compute capability, such as `9.0`.
    package let capability: String
    /// Its multiprocessors.
    package let multiprocessors: Int
    /// Bytes of its second-level cache.
    package let cacheBytes: Int
    /// Copies that can run at the same time as each other and as kernels.
    package let copyEngines: Int
    /// Priorities of streams: the least and the greatest, which is the smaller number. Alike where there are none.
    package let priorities: (least: Int, greatest: Int)

    /// Asks a device about itself, and chooses it for the calling thread.
    ///
    /// - Throws: ``CUDAError``: `noDevice` where there is none of that number.
    package init(_ ordinal: Int, of runtime: CUDARuntime) throws(CUDAError) {
        let count = try runtime.deviceCount()
        guard (0..<count).contains(ordinal) else {
            throw CUDAError(.noDevice, "there is no CUDA device \(ordinal); the driver shows \(count)")
        }
        self.runtime = runtime
        self.ordinal = ordinal
        func attribute(_ number: Int) throws(CUDAError) -> Int {
            var value: CInt = 0
            try runtime.check(
                runtime.api.device_attribute(&value, CInt(number), CInt(ordinal)),
                "asking device \(ordinal) about itself")
            return Int(value)
        }
        var text = [CChar](repeating: 0, count: 256)
        let isNamed = runtime.api.device_name?(&text, CInt(text.count), CInt(ordinal)) == 0
        name =
            isNamed
            ? String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            : "CUDA device \(ordinal)"
        capability = "\(try attribute(CUDA_ATTRIBUTE_MAJOR)).\(try attribute(CUDA_ATTRIBUTE_MINOR))"
        multiprocessors = try attribute(CUDA_ATTRIBUTE_MULTIPROCESSORS)
        cacheBytes = try attribute(CUDA_ATTRIBUTE_L2_BYTES)
        copyEngines = try attribute(CUDA_ATTRIBUTE_COPY_ENGINES)
        try runtime.check(runtime.api.choose_device(CInt(ordinal)), "choosing device \(ordinal)")
        var (least, greatest): (CInt, CInt) = (0, 0)
        try runtime.check(runtime.api.priority_range(&least, &greatest), "asking for priorities")
        priorities = (Int(least), Int(greatest))
    }

    /// Makes what the calling thread does happen on this device.
    ///
    /// - Throws: ``CUDAError``.
    package func choose() throws(CUDAError) {
        try runtime.check(runtime.api.choose_device(CInt(ordinal)), "choosing device \(ordinal)")
    }

    /// Bytes of its memory that are free, and all.
    ///
    /// - Throws: ``CUDAError``.
    package func memory() throws(CUDAError) -> (free: Int, total: Int) {
        var (free, total) = (0, 0)
        try runtime.check(runtime.api.memory_info(&free, &total), "asking for free memory")
        return (free, total)
    }

    /// Waits for all that the device has to do.
    ///
    /// - Throws: ``CUDAError``.
    package func synchronize() throws(CUDAError) {
        try runtime.check(runtime.api.synchronize(), "waiting for device \(ordinal)")
    }
}
