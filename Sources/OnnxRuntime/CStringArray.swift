// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Strings as C wants them, made once and kept.
// @unchecked: constant after init.
final class CStringArray: @unchecked Sendable {
    /// As many NUL-terminated strings as there were given.
    let pointer: UnsafePointer<UnsafePointer<CChar>?>
    private let strings: UnsafeMutableBufferPointer<UnsafePointer<CChar>?>

    /// Copies the strings.
    init(_ names: [String]) {
        // At least one place, so that there is an address for none.
        strings = .allocate(capacity: max(names.count, 1))
        strings.initialize(repeating: nil)
        for (index, name) in names.enumerated() { strings[index] = strdup(name).map { UnsafePointer($0) } }
        pointer = UnsafePointer(strings.baseAddress.unsafelyUnwrapped)  // a buffer of one or more has an address
    }

    deinit {
        for string in strings { free(UnsafeMutablePointer(mutating: string)) }
        strings.deallocate()
    }
}
