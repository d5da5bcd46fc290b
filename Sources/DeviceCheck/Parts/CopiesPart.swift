// SPDX-License-Identifier: Apache-2.0

internal import CUDARuntime
internal import StraitPlatform

/// How fast copies are: from pinned and pageable memory, in each direction, alone and both at once.
enum CopiesPart: CheckPart {
    static let name = "copies"
    static let title = "how fast copies are, alone and beside each other"

    private static let sizes = [4 << 10, 256 << 10, 4 << 20, 64 << 20]
    private static let repetitions = 10

    static func run(_ context: CheckContext, _ tables: CheckTables) throws {
        tables.begin("copies", ["memory", "direction", "beside", "bytes", "runs", "ms_p50", "ms_p95", "gbytes_per_s"])
        guard !context.isProcessor else { return runOnHost(context, tables) }
        let hardware = try context.hardware()
        let runtime = hardware.runtime
        let (inward, outward) = (try CUDAStream(of: runtime), try CUDAStream(of: runtime))
        for bytes in sizes {
            let (source, target) = (try DeviceAllocation(bytes, of: runtime), try DeviceAllocation(bytes, of: runtime))
            let pinned = (try PinnedMemory(bytes, of: runtime), try PinnedMemory(bytes, of: runtime))
            let pageable = (Pages(bytes), Pages(bytes))
            for (memory, hosts) in [
                ("pinned", (pinned.0.bytes, pinned.1.bytes)), ("pageable", (pageable.0.bytes, pageable.1.bytes)),
            ] {
                let copyIn: () throws(CUDAError) -> Void = { () throws(CUDAError) in
                    try inward.copy(UnsafeRawBufferPointer(hosts.0), toDevice: target.address)
                }
                let copyOut: () throws(CUDAError) -> Void = { () throws(CUDAError) in
                    try outward.copy(fromDevice: source.address, to: hosts.1)
                }
                try measure(tables, memory, "in", "nothing", bytes, inward, runtime, copyIn, nil)
                try measure(tables, memory, "out", "nothing", bytes, outward, runtime, copyOut, nil)
                try measure(tables, memory, "in", "out", bytes, inward, runtime, copyIn, (outward, copyOut))
                try measure(tables, memory, "out", "in", bytes, outward, runtime, copyOut, (inward, copyIn))
            }
        }
        try hardware.synchronize()
    }

    private static func measure(
        _ tables: CheckTables, _ memory: String, _ direction: String, _ beside: String, _ bytes: Int,
        _ stream: CUDAStream,
        _ runtime: CUDARuntime, _ copy: () throws(CUDAError) -> Void,
        _ other: (stream: CUDAStream, copy: () throws(CUDAError) -> Void)?
    ) throws {
        let (start, end) = (try CUDAEvent(of: runtime), try CUDAEvent(of: runtime))
        try copy()
        try stream.synchronize()
        var times: [Int64] = []
        for _ in 0..<repetitions {
            // Two of them, so that the other direction is busy from before until after.
            if let other { for _ in 0..<2 { try other.copy() } }
            try start.record(on: stream)
            try copy()
            try end.record(on: stream)
            try end.synchronize()
            times.append(try end.nanoseconds(since: start))
            if let other { try other.stream.synchronize() }
        }
        add(tables, memory, direction, beside, bytes, times)
    }

    /// The same from memory to memory, so that the part is exercised where there is no device.
    private static func runOnHost(_ context: CheckContext, _ tables: CheckTables) {
        for bytes in sizes {
            let (from, to) = (Pages(bytes), Pages(bytes))
            var times: [Int64] = []
            for _ in 0..<repetitions {
                let start = MonotonicClock.nanoseconds()
                to.bytes.copyMemory(from: UnsafeRawBufferPointer(from.bytes))
                times.append(MonotonicClock.nanoseconds() - start)
            }
            add(tables, "host", "host", "nothing", bytes, times)
        }
    }

    private static func add(
        _ tables: CheckTables, _ memory: String, _ direction: String, _ beside: String, _ bytes: Int, _ times: [Int64]
    ) {
        let sorted = times.sorted()
        let (median, p95) = (sorted[sorted.count / 2], sorted[sorted.count * 95 / 100])
        tables.add([
            memory, direction, beside, "\(bytes)", "\(sorted.count)", thousandths(Double(median) / 1e6),
            thousandths(Double(p95) / 1e6), thousandths(Double(bytes) / Double(max(1, median))),
        ])
    }

    /// Ordinary memory, touched.
    private final class Pages {
        let bytes: UnsafeMutableRawBufferPointer

        init(_ byteCount: Int) {
            bytes = .allocate(byteCount: byteCount, alignment: 4096)
            bytes.initializeMemory(as: UInt8.self, repeating: 1)
        }

        deinit { bytes.deallocate() }
    }
}
