// swift-tools-version: 6.2
import PackageDescription

// One package, layered: a target may depend only on targets listed above it (docs/architecture.md).
//
// STRAIT_PURE=1 leaves out everything that needs NIO, so that the scheduler, the codecs, the engine and the
// ONNX Runtime wrapper build and test in seconds. Use a scratch path of its own: `make test-pure` does.
let pureOnly = Context.environment["STRAIT_PURE"] == "1"
// STRAIT_SERVER_TESTS=1 leaves out the tests of the pure targets, so that the others run against the release build.
let serverTestsOnly = Context.environment["STRAIT_SERVER_TESTS"] == "1"
// STRAIT_SANITIZER=thread goes with --sanitize=thread: it tells ThreadSanitizer what it cannot see by itself, and leaves
// out the tests of what has one thread only. STRAIT_SANITIZER=address leaves out those of what touches no memory by its
// address.
let sanitizer = Context.environment["STRAIT_SANITIZER"]
let isForThreadSanitizer = sanitizer == "thread"

// STRAIT_COMMIT=abc123 is what `strait --version` says it was built from. Not asked of git: each commit would relink.
let commit = Context.environment["STRAIT_COMMIT"].map { $0.filter(\.isHexDigit) }

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

// -- dependencies ------------------------------------------------------------------------------------------------

let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]

var dependencies: [Package.Dependency] = [
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.38.0", traits: []),
    // Imports no Foundation, which would be a third of the binary.
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
]

// -- floors 0 to 3, and evaluation: no network -------------------------------------------------------------------

var targets: [Target] = [
    .target(name: "CPlatform", cSettings: commit.map { [.define("STRAIT_COMMIT", to: "\"\($0)\"")] } ?? []),
    .systemLibrary(name: "CZlib"),
    .target(name: "COnnxRuntime", cSettings: [.unsafeFlags(["-O2"])]),
    .target(name: "CCUDARuntime"),

    library("StraitPlatform", isForThreadSanitizer ? ["CPlatform", "CThreadSanitizer"] : ["CPlatform"]),
    library("StraitTensor"),
    library("StraitCore"),
    library("VirtualAccelerator"),
    .target(
        name: "StraitWire", dependencies: [protobuf], exclude: ["GENERATED.sha256"], swiftSettings: swiftSettings),
    library("OnnxRuntime", ["COnnxRuntime"]),
    library("CUDARuntime", ["CCUDARuntime"]),

    library("StraitTelemetry"),
    library("StraitProtocol", ["StraitTensor", "StraitWire", "CZlib", protobuf]),
    library("StraitFrames", ["StraitCore", "StraitProtocol", "StraitTensor"]),
    library(
        "StraitDevices",
        ["StraitCore", "StraitTensor", "StraitPlatform", "OnnxRuntime", "CUDARuntime", "VirtualAccelerator"]),

    library("StraitFormats", ["StraitCore"]),
    library("StraitTracing"),
    library("StraitSimulation", ["StraitCore", "StraitFormats", "VirtualAccelerator"]),
    library(
        "StraitServing",
        [
            "StraitCore", "StraitDevices", "StraitFormats", "StraitPlatform", "StraitProtocol", "StraitTelemetry",
            "StraitTensor", "StraitTracing", logging,
        ]),

    library(
        "DeviceCheck",
        [
            "StraitServing", "StraitDevices", "StraitProtocol", "StraitCore", "StraitTensor", "StraitPlatform",
            "OnnxRuntime", "CUDARuntime",
        ]),

    library(
        "StraitEvaluation", ["StraitCore", "StraitFormats", "StraitPlatform", "StraitSimulation", "VirtualAccelerator"]),
]

if isForThreadSanitizer { targets.append(.target(name: "CThreadSanitizer", path: "Tests/CThreadSanitizer")) }

// Their tests look inside (@testable), which the release build of `make test-server` does not allow.
if !serverTestsOnly {
    targets += [
        // What must hold for any bytes that a decoder is given; tests replay what the fuzzer has found.
        .target(
            name: "FuzzedDecoders",
            dependencies: [
                "StraitCore", "StraitTensor", "StraitWire", "StraitProtocol", "StraitFormats", "StraitSimulation",
                "StraitTracing", "StraitFrames", "VirtualAccelerator", protobuf,
            ],
            path: "Fuzzing/Sources/FuzzedDecoders", swiftSettings: swiftSettings),
        tests("FuzzTests", ["FuzzedDecoders"]),
        tests("StraitTensorTests", ["StraitTensor"]),
        tests("StraitTelemetryTests", ["StraitTelemetry"]),
        tests("StraitCoreTests", ["StraitCore"]),
        tests("VirtualAcceleratorTests", ["VirtualAccelerator"]),
        tests("StraitFormatsTests", ["StraitFormats", "StraitCore"]),
        tests("StraitSimulationTests", ["StraitSimulation", "StraitCore", "StraitFormats", "VirtualAccelerator"]),
        tests(
            "StraitEvaluationTests",
            ["StraitEvaluation", "StraitSimulation", "StraitCore", "StraitFormats", "VirtualAccelerator"]),
        tests("OnnxRuntimeTests", ["OnnxRuntime"]),
        tests("StraitProtocolTests", ["StraitProtocol", "StraitTensor", "StraitWire", protobuf]),
        tests(
            "VirtualDeviceTests",
            ["StraitDevices", "StraitCore", "StraitPlatform", "StraitTensor", "VirtualAccelerator"]),
        // A device that is none, behind CUDA's functions.
        .target(name: "CFakeCUDA", dependencies: ["CCUDARuntime"], path: "Tests/CFakeCUDA"),
        tests(
            "CUDADeviceTests",
            [
                "CUDARuntime", "CCUDARuntime", "CFakeCUDA", "StraitDevices", "StraitCore", "StraitPlatform",
                "StraitTensor", "OnnxRuntime",
            ]),
        tests("DeviceCheckTests", ["DeviceCheck", "CUDARuntime", "CFakeCUDA", "OnnxRuntime"]),
        tests(
            "StraitServingTests",
            [
                "StraitServing", "StraitCore", "StraitDevices", "StraitFormats", "StraitPlatform", "StraitProtocol",
                "StraitTelemetry", "StraitTensor", "OnnxRuntime", "StraitSimulation", "VirtualAccelerator",
                "StraitTracing",
            ]),
        tests("StraitTracingTests", ["StraitTracing"]),
        tests("StraitFramesTests", ["StraitFrames", "StraitCore"]),
    ]
}

let untouched: [String: Set<String>] = [
    "thread": [
        "FuzzTests", "StraitCoreTests", "StraitEvaluationTests", "StraitFormatsTests", "StraitProtocolTests",
        "StraitSimulationTests", "StraitTracingTests", "StraitFramesTests", "VirtualAcceleratorTests",
    ],
    "address": [
        "StraitCoreTests", "StraitEvaluationTests", "StraitSimulationTests", "StraitTracingTests",
        "VirtualAcceleratorTests",
    ],
]
if let untouched = sanitizer.flatMap({ untouched[$0] }) { targets.removeAll { untouched.contains($0.name) } }

// -- floors 4 and 5: the network and the command -----------------------------------------------------------------

if !pureOnly {
    dependencies += [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.42.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
    ]
    targets += [
        library(
            "StraitNetwork",
            [
                "StraitFormats", "StraitPlatform", .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
            ] + nio),
        .target(
            name: "StraitHTTP",
            dependencies: [
                "StraitNetwork", "StraitServing", "StraitCore", "StraitPlatform", "StraitProtocol", "StraitTelemetry",
                "StraitTensor",
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
            ] + nio,
            // The files of the page end in the binary as arrays of bytes.
            resources: [.embedInCode("Dashboard")], swiftSettings: swiftSettings),
        library(
            "StraitGRPC",
            [
                "StraitNetwork", "StraitServing", "StraitCore", "StraitPlatform", "StraitProtocol", "StraitTensor",
                "StraitWire", "StraitFrames", protobuf,
            ] + nio),
        library(
            "StraitLoad",
            [
                "StraitNetwork", "StraitPlatform", "StraitProtocol", "StraitTensor", "StraitWire", protobuf,
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
            ] + nio),
        tests("StraitLoadTests", ["StraitLoad", "StraitPlatform", "StraitProtocol", "StraitTensor"] + nio),
        .executableTarget(
            name: "strait",
            dependencies: [
                "StraitNetwork", "StraitHTTP", "StraitGRPC", "StraitLoad", "StraitServing", "StraitDevices",
                "StraitProtocol",
                "StraitCore", "StraitTensor", "StraitPlatform", "StraitTelemetry", "OnnxRuntime", "StraitFormats",
                "StraitSimulation", "StraitEvaluation", "VirtualAccelerator", "DeviceCheck", "CUDARuntime",
                "StraitTracing",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ] + nio,
            swiftSettings: swiftSettings
        ),
    ]
}

// -- benchmarks of what is `package`, which a package of their own could not see ---------------------------------

if Context.environment["STRAIT_BENCHMARKS"] == "1" {
    targets += [
        .executableTarget(
            name: "SimulationSpeed", dependencies: ["StraitCore", "StraitSimulation"],
            path: "Benchmarks/Sources/SimulationSpeed", swiftSettings: swiftSettings),
        .target(
            name: "SchedulerLoad", dependencies: ["StraitCore"], path: "Benchmarks/Sources/SchedulerLoad",
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "InstructionCounts", dependencies: ["SchedulerLoad", "StraitCore", "StraitProtocol", "StraitTensor"],
            path: "Benchmarks/Sources/InstructionCounts", swiftSettings: swiftSettings),
    ]
    if !pureOnly {
        // What gRPC costs with the library for it. Its transport brings BoringSSL, which takes most of a clean build.
        dependencies += [
            .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.0"),
            .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.0"),
        ]
        targets.append(
            .executableTarget(
                name: "GRPCEcho",
                dependencies: [
                    "StraitWire", protobuf,
                    .product(name: "GRPCCore", package: "grpc-swift-2"),
                    .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                ],
                path: "Benchmarks/Sources/GRPCEcho", swiftSettings: swiftSettings))
    }
}

// -- the fuzzer (`make fuzz`) ------------------------------------------------------------------------------------

if Context.environment["STRAIT_FUZZING"] == "1" {
    targets.append(
        // libFuzzer brings the entry point.
        .executableTarget(
            name: "Fuzz", dependencies: ["FuzzedDecoders"], path: "Fuzzing/Sources/Fuzz",
            swiftSettings: swiftSettings + [.unsafeFlags(["-parse-as-library"])]))
}

// The scheduler as a library, for those who put it under a driver of their own.
let products: [Product] = [.library(name: "StraitCore", targets: ["StraitCore"])]

let package = Package(name: "strait", products: products, dependencies: dependencies, targets: targets)
