// SPDX-License-Identifier: Apache-2.0

internal import FuzzedDecoders
internal import Glibc

/// The decoder that STRAIT_FUZZ names.
private let decoder: FuzzedDecoder = {
    let name = getenv("STRAIT_FUZZ").map { String(cString: $0) } ?? ""
    guard let decoder = FuzzedDecoder(rawValue: name) else {
        let all = FuzzedDecoder.allCases.map(\.rawValue).joined(separator: ", ")
        fatalError("STRAIT_FUZZ is \"\(name)\"; expected one of \(all)")
    }
    return decoder
}()

/// What libFuzzer calls with each input it makes up. A flaw stops the process, which libFuzzer reports with the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    if let flaw = decoder.flaw(Array(UnsafeBufferPointer(start: start, count: count))) { fatalError(flaw) }
    return 0
}
