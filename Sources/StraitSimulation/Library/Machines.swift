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

extension GPUClass {
    /// Puts a scenario's models on such devices.
    func apply(to scenario: inout Scenario) {
        scenario.streams = streams
        scenario.link = link
        for index in scenario.models.indices {
            scenario.models[index].kernels = running(scenario.models[index].kernels)
        }
    }
}
