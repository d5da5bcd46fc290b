// SPDX-License-Identifier: Apache-2.0

// The functions that arrivals need, from the four operations alone: a C library's differ in the last bit from one to
// the next, and the same seed must give the same load on every machine.

/// The natural logarithm of a positive, finite number, to about 1e-15.
func naturalLogarithm(_ value: Double) -> Double {
    precondition(value > 0 && value.isFinite, "a logarithm needs a positive, finite number")
    var mantissa = value.significand
    var exponent = Double(value.exponent)
    if mantissa > 1.414_213_562_373_095 {
        mantissa /= 2
        exponent += 1
    }
    // ln m = 2 artanh((m − 1) / (m + 1)), whose argument is now within ±0.172.
    let ratio = (mantissa - 1) / (mantissa + 1)
    let square = ratio * ratio
    var sum = 0.0
    var odd = 21.0
    while odd >= 1 {
        sum = sum * square + 1 / odd
        odd -= 2
    }
    return exponent * 0.693_147_180_559_945_3 + 2 * ratio * sum
}

/// e to the power of a number between −700 and 700, to about 1e-14; 0 below that.
func exponential(_ power: Double) -> Double {
    guard power > -700 else { return 0 }
    precondition(power < 700, "e to the power of \(power) is beyond what a Double holds")
    let doublings = (power / 0.693_147_180_559_945_3).rounded()
    let rest = power - doublings * 0.693_147_180_559_945_3
    var sum = 1.0
    var term = 16.0
    while term >= 1 {
        sum = 1 + sum * rest / term
        term -= 1
    }
    return Double(sign: .plus, exponent: Int(doublings), significand: sum)
}
