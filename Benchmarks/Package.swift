// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// A package of its own, so that nobody who builds Strait builds its benchmarks. `make bench-core` runs it.
let package = Package(
    name: "Benchmarks",
    dependencies: [.package(name: "strait", path: "..")],
    targets: [
        .target(name: "CAllocations"),
        .target(
            name: "SchedulerLoad", dependencies: [.product(name: "StraitCore", package: "strait")],
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
        .executableTarget(
            name: "DecisionCost",
            dependencies: [.product(name: "StraitCore", package: "strait"), "SchedulerLoad", "CAllocations"],
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
    ]
)
