// SPDX-License-Identifier: Apache-2.0

/// 1 / (1 + e⁻ˣ), the same to the last bit on every machine: only additions, multiplications and one division.
///
/// e⁻ˣ is 2ᵏ times a polynomial in the remainder; the relative error is below 10⁻⁷, far below what is decided with it.
///
/// - Complexity: O(1), no table.
@inline(__always)
package func sigmoid(_ x: Double) -> Double {
    // Beyond, the result differs from 0 or 1 by less than 10⁻¹².
    let limited = min(max(x, -28), 28)
    let scaled = -limited * 1.442695040888963407  // x / ln 2
    let whole = scaled.rounded(.toNearestOrEven)
    let rest = (scaled - whole) * 0.693147180559945309  // −0.35 … 0.35
    let tail = 1.0 / 24 + rest * (1.0 / 120 + rest * (1.0 / 720 + rest * (1.0 / 5040)))
    let series = 1 + rest * (1 + rest * (0.5 + rest * (1.0 / 6 + rest * tail)))
    let exponential = series * Double(sign: .plus, exponent: Int(whole), significand: 1)
    return 1 / (1 + exponential)
}
