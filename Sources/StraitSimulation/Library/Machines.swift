// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import VirtualAccelerator

extension LibraryEntry {
    /// Centre on other machines.
    static let machines = [
        LibraryEntry("slow-bus", "half a PCIe 3 link: 6 GB/s, 2 GB/s from pageable memory") {
            $0.link.pinnedRate = 6e9
            $0.link.pageableRate = 2e9
        },
        LibraryEntry("large-inputs", "images of 4 MB, of 16 MB for the detector") { scenario in
            for index in scenario.models.indices where scenario.models[index].kernels.bytesInPerRow >= 600_000 {
                scenario.models[index].kernels.bytesInPerRow =
                    scenario.models[index].kernels.isPinned ? 4_000_000 : 16_000_000
            }
        },
        devices(2), devices(4), devices(8),
        LibraryEntry("a100", "one device like an A100: times of 0.3 to 0.6, the same link") {
            GPUClass.a100.apply(to: &$0)
        },
        LibraryEntry("stream-priority", "high batches on high streams; 0.35 of the slow-down leaks") {
            $0.leakage = 0.35
        },
    ]

    private static func devices(_ count: Int) -> LibraryEntry {
        LibraryEntry("devices-\(count)", "\(count) devices that share an uplink of 24 GB/s") {
            $0.devices = count
            $0.uplink = 24e9
        }
    }
}

/// A class of GPU, relative to the L4 that the catalogue's times are of. Of the right order, not measured;
/// docs/scenarios.md tells where each number comes from.
struct GPUClass: Sendable {
    /// Of the time that any batch takes: launches, and layers too small to fill the device.
    var baseTime = 1.0
    /// Of the time that each row takes: arithmetic and memory traffic.
    var timePerRow = 1.0
    /// Of what the largest batch needs of the device.
    var demand = 1.0
    var streams = 16
    var link = Link()

    static let l4 = GPUClass()
    static let a100 = GPUClass(baseTime: 0.6, timePerRow: 0.3, demand: 0.75, streams: 32)

    /// Puts a scenario's models on such devices.
    func apply(to scenario: inout Scenario) {
        scenario.streams = streams
        scenario.link = link
        for index in scenario.models.indices {
            var kernels = scenario.models[index].kernels
            kernels.baseTime = (Duration(nanoseconds: kernels.baseTime) * baseTime).nanoseconds
            kernels.timePerRow = (Duration(nanoseconds: kernels.timePerRow) * timePerRow).nanoseconds
            kernels.demand.compute *= demand
            kernels.demand.bandwidth *= demand
            kernels.demand.cache *= demand
            scenario.models[index].kernels = kernels
        }
    }
}
