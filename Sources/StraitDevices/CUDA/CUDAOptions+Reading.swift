// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime

extension CUDAOptions {
    /// Reads the options of `--device cuda:N,KEY=VALUE,…`: lanes, priorities, graphs, memory and staging in MiB, provider.
    ///
    /// - Throws: ``DeviceSpecification/Misspelling`` with the option and what was expected.
    package init(
        ordinal: Int, _ options: [DeviceSpecification.Option], of text: String
    ) throws(DeviceSpecification.Misspelling) {
        self.init(ordinal: ordinal)
        for option in options {
            func number(_ range: ClosedRange<Int>) throws(DeviceSpecification.Misspelling) -> Int {
                guard let number = Int(option.value), range.contains(number) else {
                    throw Self.misspelling(text, option, "\(range.lowerBound) to \(range.upperBound)")
                }
                return number
            }
            func isOn() throws(DeviceSpecification.Misspelling) -> Bool {
                guard ["on", "off"].contains(option.value) else { throw Self.misspelling(text, option, "on or off") }
                return option.value == "on"
            }
            switch option.key {
            case "lanes": lanes = try number(1...Self.maximumLanes)
            case "priorities": usesPriorities = try isOn()
            case "graphs": usesGraphs = try isOn()
            case "memory": memoryBudget = try number(1...Self.mostMebibytes) << 20
            case "staging": stagingBudget = try number(1...Self.mostMebibytes) << 20
            case "provider":
                guard let kind = ExecutionProvider.Kind(rawValue: option.value) else {
                    throw Self.misspelling(text, option, "cuda or tensorrt")
                }
                provider = kind
            default:
                throw DeviceSpecification.Misspelling(
                    description: "--device \(text): there is no \(option.key); there are lanes, priorities, graphs, "
                        + "memory, staging and provider")
            }
        }
    }

    /// More MiB than any device has.
    private static let mostMebibytes = 1 << 24

    private static func misspelling(
        _ text: String, _ option: DeviceSpecification.Option, _ expected: String
    ) -> DeviceSpecification.Misspelling {
        DeviceSpecification.Misspelling(
            description: "--device \(text): \(option.key) is '\(option.value)'; expected \(expected)")
    }
}
