// SPDX-License-Identifier: Apache-2.0

internal import VirtualAccelerator

// What changes about virtual devices on the way: `clock=0.7@30`, `lost=2@20-35`.

extension VirtualSpec {
    /// From a time on the clocks are a factor of their normal ones.
    package struct ClockTurn: Sendable, Hashable {
        /// The factor.
        package let factor: Double
        /// Seconds of the host's from when the devices start.
        package let at: Double
    }

    /// A time in which a device is gone.
    package struct Loss: Sendable, Hashable {
        /// Which of them, from 0.
        package let device: Int
        /// Seconds of the host's from when the devices start.
        package let from: Double
        /// The same; nil for a device that never comes back.
        package let until: Double?
    }

    /// Options whose values are lists with commas.
    static let lists: Set = ["clock", "lost"]
    /// As in the simulator's scenarios: a clock much slower would take for ever, a time much later is a slip.
    private static let factors = 0.05...4
    private static let seconds = 0.0...100_000
    /// As many as anybody rehearses.
    private static let mostChanges = 1000

    /// Reads `0.7@30`, or several of them with commas.
    static func clocks(_ value: String?, of text: String) throws(Malformed) -> [ClockTurn] {
        var turns: [ClockTurn] = []
        for part in try elements(value, "clock", of: text) {
            let sides = part.split(separator: "@", omittingEmptySubsequences: false)
            guard sides.count == 2, let factor = number(sides[0], in: factors), let at = number(sides[1], in: seconds)
            else {
                throw Malformed(
                    description:
                        "virtual:\(text): clock is '\(part)'; expected FACTOR@SECONDS such as 0.7@30, the factor from "
                        + "0.05 to 4, the seconds from 0 to 100000")
            }
            guard turns.last.map({ $0.at < at }) ?? true else {
                throw Malformed(description: "virtual:\(text): clock is '\(part)'; expected later than the one before")
            }
            turns.append(ClockTurn(factor: factor, at: at))
        }
        return turns
    }

    /// Reads `2@20-35`, or `2@20` for a device that never comes back, or several of them with commas.
    static func losses(_ value: String?, of text: String, count: Int) throws(Malformed) -> [Loss] {
        var losses: [Loss] = []
        for part in try elements(value, "lost", of: text) {
            let sides = part.split(separator: "@", omittingEmptySubsequences: false)
            let ends = (sides.count == 2 ? sides[1] : "").split(separator: "-", omittingEmptySubsequences: false)
            let until = ends.count == 2 ? number(ends[1], in: seconds) : nil
            guard (1...2).contains(ends.count), ends.count == 1 || until != nil, let device = Int(sides[0]),
                (0..<count).contains(device), let from = number(ends[0], in: seconds), from < until ?? .infinity
            else {
                throw Malformed(
                    description: "virtual:\(text): lost is '\(part)'; expected DEVICE@FROM-UNTIL such as 0@20-35, or "
                        + "DEVICE@FROM for good, the device from 0 to \(count - 1), the seconds from 0 to 100000")
            }
            let overlaps = losses.contains { other in
                other.device == device && other.from < until ?? .infinity && from < other.until ?? .infinity
            }
            guard !overlaps else {
                throw Malformed(
                    description: "virtual:\(text): lost is '\(part)'; device \(device) is not back by then")
            }
            losses.append(Loss(device: device, from: from, until: until))
        }
        return losses
    }

    private static func elements(_ value: String?, _ key: String, of text: String) throws(Malformed) -> [Substring] {
        let parts = value?.split(separator: ",", omittingEmptySubsequences: false) ?? []
        guard parts.count <= mostChanges else {
            throw Malformed(description: "virtual: \(key) has \(parts.count) parts; \(mostChanges) are the most")
        }
        return parts
    }

    private static func number(_ text: Substring, in range: ClosedRange<Double>) -> Double? {
        Double(text).flatMap { range.contains($0) ? $0 : nil }
    }

    /// The simulated devices with what changes about them.
    var drilled: AcceleratorDescription {
        func time(_ seconds: Double) -> Int64 { Int64(seconds * 1e9 * speed) }
        var description = description
        for device in description.devices.indices {
            description.devices[device].clock = clocks.map { ClockChange(at: time($0.at), factor: $0.factor) }
        }
        for loss in losses {
            // What lasts on the host may be nothing to slow devices.
            let (from, until) = (time(loss.from), loss.until.map(time) ?? .max)
            if from < until { description.devices[loss.device].outages.append(Outage(from: from, until: until)) }
        }
        return description
    }
}
