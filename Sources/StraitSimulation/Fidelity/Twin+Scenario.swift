// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitFormats
internal import VirtualAccelerator

extension Twin {
    /// What results call times that are those of a scenario.
    package static let scenarioTimes = "scenario"

    /// The twin of a server whose devices were virtual ones of a scenario's kind: the scenario's devices and models, the
    /// recorded requests. It is told what the server's scheduler was told, so nothing is left that could differ but the
    /// host: how late it was with events, and what its own work took.
    ///
    /// - Parameters:
    ///   - devices: has the link, its uplink, the noise, the physics, and the truth of each recorded model, by name.
    ///   - speed: at which the server's devices ran.
    /// - Throws: `badPlan` for a recording of which none can be made, with the reason.
    package init(of recording: Recording, on devices: Scenario, speed: Double) throws(SimulationError) {
        let head = recording.head
        func require(_ holds: Bool, _ reason: String) throws(SimulationError) {
            if !holds { throw SimulationError(.badPlan, "This recording has no counterpart: \(reason).") }
        }
        try require(speed > 0 && speed.isFinite, "its devices' speed is not above 0")
        try require(head.devices.allSatisfy(\.copies), "its devices do not copy, and the scenario's do")
        var scenario = devices
        scenario.models = []
        for model in head.models {
            guard var found = devices.models.first(where: { $0.kernels.name == model.name }) else {
                throw SimulationError(
                    .badPlan, "This recording has no counterpart: scenario \(devices.name) has no model \(model.name).")
            }
            try require(found.kernels.maximumRows == model.maximumBatch, "\(model.name) has batches of another size")
            found.kernels.stretch(by: 1 / speed)
            found.told = ModelDescription(
                maximumBatch: model.maximumBatch, maximumQueued: model.maximumQueued, profile: model.profile)
            scenario.models.append(found)
        }
        scenario.devices = head.devices.count
        scenario.copies = true
        scenario.link.overhead = Int64(Double(scenario.link.overhead) / speed)
        scenario.link.pinnedRate *= speed
        scenario.link.pageableRate *= speed
        scenario.uplink = scenario.uplink.map { $0 * speed }
        scenario.noise.shortestHiccup = Int64(Double(scenario.noise.shortestHiccup) / speed)
        scenario.noise.longestHiccup = Int64(Double(scenario.noise.longestHiccup) / speed)
        scenario.change = .none
        scenario.changes = []
        scenario.closedLoop = []
        try self.init(of: recording, scenario: scenario)
    }
}

extension KernelModel {
    /// Makes all of its times longer by a factor.
    fileprivate mutating func stretch(by factor: Double) {
        baseTime = Int64(Double(baseTime) * factor)
        timePerRow = Int64(Double(timePerRow) * factor)
        times = times.map { Int64(Double($0) * factor) }
    }
}
