// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import VirtualAccelerator

/// One of a group of virtual accelerators: it takes the time that simulated hardware would take, and makes answers up.
package final class VirtualDevice: Device {
    package let name: String
    package let identity: DeviceIdentity
    package let laneCount: Int
    package let copying: CopyDescription?
    package let isSynthetic = true
    package let needsModelFiles = false
    /// The group that it is of.
    package let group: VirtualGroup
    private let index: Int

    init(group: VirtualGroup, index: Int) {
        let spec = group.spec
        self.group = group
        self.index = index
        name = "\(spec.canonicalName)" + (spec.count > 1 ? " (\(index + 1) of \(spec.count))" : "")
        identity = DeviceIdentity(
            name: spec.canonicalName, driver: "simulated physics 1", kind: spec.hardware)
        laneCount = spec.lanes
        copying = spec.gpuClass.map { gpuClass in
            CopyDescription(
                overhead: Duration(nanoseconds: spec.hostSpan(gpuClass.link.overhead)),
                bytesPerSecond: gpuClass.link.pinnedRate * spec.speed, uplink: spec.uplink == nil ? nil : group.number)
        }
    }

    package func load(path: String, name: String) throws(DeviceError) -> LoadedModel {
        try group.load(ModelSource(path: path, name: name))
    }

    package func load(_ source: ModelSource) throws(DeviceError) -> LoadedModel { try group.load(source) }

    package func unload(_ model: LoadedModel) {}

    package func rehearse(_ batch: DeviceBatch) throws(DeviceError) -> MeasuredTimes { group.rehearse(batch) }

    package func knownProfile(of model: LoadedModel) -> ModelProfile? { group.profile(of: model) }

    package func start(driver: any LaneDriver) { group.start(index, as: self, driver: driver) }

    package func run(_ batch: DeviceBatch, on lane: LaneID) { group.run(batch, on: index) }

    package func probe() throws(DeviceError) { try group.probe(index) }

    package func stop() { group.stop() }
}
