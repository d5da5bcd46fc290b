// SPDX-License-Identifier: Apache-2.0

internal import StraitPlatform

/// What `--device` asks for, such as `cpu:cores=0,2-3,lanes=2`: a kind, and options behind a colon.
package struct DeviceSpecification: Sendable, Hashable {
    /// The kinds of device.
    package enum Kind: Sendable, Hashable {
        /// Processor cores; nil where nothing is said about them.
        case cpu(cores: [Int]?, lanes: Int?)
        /// A GPU by CUDA's number for it.
        case cuda(index: Int, options: [Option])
        /// A simulated device, such as `l4`, or `fixed` for a fixed service time.
        case virtual(model: String, options: [Option])
    }

    /// An option of a kind that is read where that device is made.
    package struct Option: Sendable, Hashable {
        /// What stands before the equals sign.
        package let key: String
        /// What stands after it.
        package let value: String
    }

    /// What it is.
    package let kind: Kind
    /// What shall go wrong on it, for tests and drills.
    package let fault: FaultPlan?
    /// As it was written.
    package let text: String

    /// Why a specification cannot be understood.
    package struct Misspelling: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// Whether it only plays a device.
    package var isVirtual: Bool { if case .virtual = kind { true } else { false } }

    /// Processor cores; nil where nothing is said about them.
    package init(cores: [Int]?, lanes: Int?) {
        kind = .cpu(cores: cores, lanes: lanes)
        fault = nil
        text = "cpu"
    }

    /// Reads what stands after `--device`.
    package init(_ text: String) throws(Misspelling) {
        self.text = text
        let head = text.prefix { $0 != ":" }
        var options = try Options(text.dropFirst(head.count + 1), of: text)
        let fault = try options.fault()
        switch head {
        case "cpu":
            kind = .cpu(cores: try options.cores("cores"), lanes: try options.number("lanes", in: 1...256))
            try options.finish("cores and lanes")
        case "cuda":
            let index = options.name.isEmpty ? 0 : Int(options.name) ?? -1
            guard (0...63).contains(index) else { throw options.misspelling("expected a GPU's number, such as cuda:0") }
            kind = .cuda(index: index, options: options.rest)
        case "virtual":
            guard !options.name.isEmpty else {
                throw options.misspelling("expected a device to simulate, such as virtual:l4 or virtual:fixed,ms=8")
            }
            kind = .virtual(model: options.name, options: options.rest)
        default:
            throw options.misspelling("there are cpu, cuda:N and virtual:NAME")
        }
        self.fault = fault
    }
}

/// The options of a specification: a name first if it has one, then keys with values. A value may have commas, where what
/// follows has no equals sign.
private struct Options {
    let name: String
    private(set) var rest: [DeviceSpecification.Option] = []
    private let text: String

    init(_ options: Substring, of text: String) throws(DeviceSpecification.Misspelling) {
        self.text = text
        var name = ""
        for (index, part) in options.split(separator: ",", omittingEmptySubsequences: false).enumerated() {
            let key = part.prefix { $0 != "=" }
            if key.count < part.count {
                let option = DeviceSpecification.Option(
                    key: String(key), value: String(part.dropFirst(key.count + 1)))
                guard !rest.contains(where: { $0.key == option.key }) else {
                    throw DeviceSpecification.Misspelling(
                        description: "--device \(text): \(option.key) is given twice")
                }
                rest.append(option)
            } else if index == 0 {
                name = String(part)
            } else if let last = rest.popLast() {
                rest.append(DeviceSpecification.Option(key: last.key, value: "\(last.value),\(part)"))
            } else {
                throw DeviceSpecification.Misspelling(
                    description: "--device \(text): expected KEY=VALUE, found '\(part)'")
            }
        }
        self.name = name
    }

    func misspelling(_ expected: String) -> DeviceSpecification.Misspelling {
        DeviceSpecification.Misspelling(description: "--device \(text): \(expected)")
    }

    mutating func take(_ key: String) -> String? {
        guard let index = rest.firstIndex(where: { $0.key == key }) else { return nil }
        return rest.remove(at: index).value
    }

    mutating func number(
        _ key: String, in range: ClosedRange<Int>
    ) throws(DeviceSpecification.Misspelling) -> Int? {
        guard let value = take(key) else { return nil }
        guard let number = Int(value), range.contains(number) else {
            throw misspelling("\(key) is '\(value)'; expected \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    mutating func cores(_ key: String) throws(DeviceSpecification.Misspelling) -> [Int]? {
        guard let value = take(key) else { return nil }
        guard let cores = CoreSet.parse(value) else {
            throw misspelling("\(key) is '\(value)'; expected a list such as 0,2-3")
        }
        return cores
    }

    mutating func fault() throws(DeviceSpecification.Misspelling) -> FaultPlan? {
        let after = try number("fault-after", in: 0...1_000_000_000)
        let milliseconds = try number("fault-ms", in: 1...86_400_000)
        guard let name = take("fault") else {
            guard after == nil, milliseconds == nil else { throw misspelling("fault-after and fault-ms need fault") }
            return nil
        }
        guard let kind = FaultPlan.Kind(rawValue: name) else {
            let known = FaultPlan.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw misspelling("fault is '\(name)'; there are \(known)")
        }
        return FaultPlan(
            kind: kind, afterBatches: after ?? 0, milliseconds: milliseconds ?? FaultPlan.usualMilliseconds)
    }

    func finish(_ known: String) throws(DeviceSpecification.Misspelling) {
        guard name.isEmpty else { throw misspelling("'\(name)' is no option; there are \(known)") }
        if let option = rest.first { throw misspelling("there is no option '\(option.key)'; there are \(known)") }
    }
}
