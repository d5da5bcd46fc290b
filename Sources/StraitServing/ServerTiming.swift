// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

extension Timing {
    /// The metrics of the W3C's header `Server-Timing`, in milliseconds. `predicted` is when the answer was predicted to
    /// be ready. gRPC sends the same text as trailing metadata.
    package var serverTiming: String {
        // Written byte by byte: put together of strings, this took as long as reading the request.
        String(unsafeUninitializedCapacity: Self.textBytes) { buffer in
            var count = 0
            func put(_ name: StaticString, _ duration: Duration) {
                for index in 0..<name.utf8CodeUnitCount { buffer[count + index] = name.utf8Start[index] }
                count += name.utf8CodeUnitCount
                count += Self.put(duration, UnsafeMutableBufferPointer(rebasing: buffer[count...]))
            }
            put("queue;dur=", queue)
            put(", copy;dur=", copy)
            put(", compute;dur=", compute)
            put(", predicted;dur=", predicted)
            return count
        }
    }

    /// Room for the names and four numbers of the most digits.
    private static let textBytes = 160

    /// Writes milliseconds with three decimals, and returns the bytes they take.
    private static func put(_ duration: Duration, _ buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        let microseconds = UInt64(max(0, duration.nanoseconds)) / 1000
        // At least one digit before the point and three behind it.
        var digits = 4
        var limit: UInt64 = 10_000
        while microseconds >= limit {
            digits += 1
            limit *= 10
        }
        var rest = microseconds
        for index in stride(from: digits, through: 0, by: -1) {
            guard index != digits - 3 else {
                buffer[index] = UInt8(ascii: ".")
                continue
            }
            buffer[index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        return digits + 1
    }
}
