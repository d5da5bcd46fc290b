// SPDX-License-Identifier: Apache-2.0

internal import VirtualAccelerator

/// Virtual accelerators as a person asks for them: `l4,count=4,speed=0.5`, what stands behind `virtual:`.
package struct VirtualSpec: Sendable, Hashable {
    /// What they are like.
    package enum Kind: Sendable, Hashable {
        /// A small inference GPU: times of models are given for this one.
        case l4
        /// A large GPU.
        case a100
        /// Every batch of every model takes so many milliseconds, whatever its rows and whatever runs beside it.
        case fixed(milliseconds: Double)
    }

    /// What they are like.
    package var kind: Kind
    /// How many.
    package var count = 1
    /// Batches that each runs at the same time.
    package var lanes: Int
    /// How fast their time passes, relative to the host's; below 1 where the host is too slow for them.
    package var speed = 1.0
    /// Decides all that is left to chance.
    package var seed: UInt64 = 0
    /// Whether anything is left to chance.
    package var isNoisy = true
    /// Bytes per second and direction of the uplink that all share; nil if each has its own.
    package var uplink: Double?
    /// Nanoseconds before each event from which on the host's processor waits for it instead of sleeping.
    package var spin: Int64 = 0
    /// What their clocks are from given times on.
    package var clocks: [ClockTurn] = []
    /// When which of them is lost.
    package var losses: [Loss] = []

    /// What a text does not say of virtual accelerators, or says wrong.
    package struct Malformed: Error, Sendable, Hashable, CustomStringConvertible {
        /// What was wrong, and what was expected.
        package let description: String
    }

    /// What can be asked for.
    package static let forms = "virtual:l4, virtual:a100, virtual:fixed,ms=MS"
    private static let keys = "count, lanes, speed, seed, noise, uplink-gb, spin-us, clock, lost"
    /// More devices than any host can pace.
    private static let counts = 1...64
    private static let laneCounts = 1...256
    private static let milliseconds = 0.001...600_000
    private static let speeds = 0.001...1000
    private static let gigabytes = 0.001...100_000
    /// A millisecond: longer than any host oversleeps for no reason.
    private static let spins = 0.0...1000

    /// What the policies were tuned with on such a device.
    private static let usualLanes = 4

    /// What a `--device virtual:…` asks for.
    ///
    /// - Throws: ``Malformed``.
    package init(model: String, options: [DeviceSpecification.Option]) throws(Malformed) {
        try self.init(([model] + options.map { "\($0.key)=\($0.value)" }).joined(separator: ","))
    }

    /// Reads what stands behind `virtual:`.
    ///
    /// - Throws: ``Malformed``.
    package init(_ text: String) throws(Malformed) {
        var parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let name = parts.removeFirst()
        var values: [String: String] = [:]
        var last = ""
        for part in parts {
            // What has no equals sign goes on with a list.
            if Self.lists.contains(last), !part.contains("="), let begun = values[last] {
                values[last] = "\(begun),\(part)"
                continue
            }
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2 else {
                throw Malformed(description: "virtual:\(text): '\(part)' is not of the form key=value")
            }
            guard values.updateValue(sides[1], forKey: sides[0]) == nil else {
                throw Malformed(description: "virtual:\(text): \(sides[0]) is given twice")
            }
            last = sides[0]
        }
        func number(_ key: String, in range: ClosedRange<Double>) throws(Malformed) -> Double? {
            guard let value = values.removeValue(forKey: key) else { return nil }
            guard let number = Double(value), range.contains(number) else {
                throw Malformed(
                    description: "virtual:\(text): \(key) is '\(value)'; expected a number from \(range.lowerBound) to "
                        + "\(range.upperBound)")
            }
            return number
        }
        func whole(_ key: String, in range: ClosedRange<Int>) throws(Malformed) -> Int? {
            guard let value = values.removeValue(forKey: key) else { return nil }
            guard let number = Int(value), range.contains(number) else {
                throw Malformed(
                    description: "virtual:\(text): \(key) is '\(value)'; expected a whole number from "
                        + "\(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
        switch name {
        case "l4": (kind, lanes) = (.l4, Self.usualLanes)
        case "a100": (kind, lanes) = (.a100, Self.usualLanes)
        case "fixed":
            guard let time = try number("ms", in: Self.milliseconds) else {
                throw Malformed(description: "virtual:\(text): how long a batch takes is missing; add ms=MS")
            }
            (kind, lanes, isNoisy) = (.fixed(milliseconds: time), 1, false)
        default: throw Malformed(description: "virtual:\(text): there is no '\(name)'; there are \(Self.forms)")
        }
        count = try whole("count", in: Self.counts) ?? count
        lanes = try whole("lanes", in: Self.laneCounts) ?? lanes
        speed = try number("speed", in: Self.speeds) ?? speed
        seed = UInt64(try whole("seed", in: 0...Int.max) ?? 0)
        spin = Int64((try number("spin-us", in: Self.spins) ?? 0) * 1000)
        clocks = try Self.clocks(values.removeValue(forKey: "clock"), of: text)
        losses = try Self.losses(values.removeValue(forKey: "lost"), of: text, count: count)
        if case .fixed = kind {
        } else {
            isNoisy = try whole("noise", in: 0...1) != 0
            uplink = try number("uplink-gb", in: Self.gigabytes).map { $0 * 1e9 }
        }
        if let unknown = values.keys.min() {
            throw Malformed(description: "virtual:\(text): \(unknown) means nothing here; there are \(Self.keys)")
        }
    }

    /// The hardware that they play: what the time of a batch by itself depends on.
    var hardware: String {
        let name =
            switch kind {
            case .l4: "virtual l4"
            case .a100: "virtual a100"
            case .fixed(let milliseconds): "virtual fixed \(milliseconds) ms"
            }
        return speed == 1 ? name : "\(name), speed \(speed)"
    }

    /// All that times on one of them depend on, in one line.
    package var canonicalName: String {
        var name = "\(hardware), \(lanes) lane\(lanes == 1 ? "" : "s")"
        if let uplink { name += ", \(count) on an uplink of \(uplink / 1e9) GB/s" }
        return name
    }

    /// The class of GPU that they are of; nil for those of fixed times.
    var gpuClass: GPUClass? {
        switch kind {
        case .l4: .l4
        case .a100: .a100
        case .fixed: nil
        }
    }

    /// How long a span of the devices' time is on the host, in nanoseconds.
    func hostSpan(_ span: Int64) -> Int64 { speed == 1 ? span : Int64(Double(span) / speed) }

    /// The simulated devices, in their own time, if nothing ever changed about them.
    var description: AcceleratorDescription {
        var device = SimulatedDevice()
        if let gpuClass {
            device.streams = gpuClass.streams
            device.link = gpuClass.link
            if uplink != nil { device.link.uplink = 0 }
        } else {
            device.streams = lanes
            device.isShared = false
            device.link.overhead = 0
        }
        var description = AcceleratorDescription(devices: Array(repeating: device, count: count))
        description.uplinks = uplink.map { [$0] } ?? []
        if !isNoisy { description.noise = .none }
        return description
    }
}
