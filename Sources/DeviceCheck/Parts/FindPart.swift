// SPDX-License-Identifier: Apache-2.0

internal import CUDARuntime
internal import OnnxRuntime
internal import StraitPlatform

/// What the device is.
enum FindPart: CheckPart {
    static let name = "find"
    static let title = "what the device is"

    static func run(_ context: CheckContext, _ tables: CheckTables) throws {
        tables.begin("machine", ["key", "value"])
        func add(_ key: String, _ value: Any) { tables.add([key, "\(value)"]) }
        add("processor", Processor.name)
        add("cores", CoreSet.allowed().count)
        add("onnxruntime", context.environment.library.version)
        add("onnxruntime_path", context.environment.library.path)
        add("providers", try context.environment.library.availableProviders().joined(separator: " "))
        guard !context.isProcessor else { return }
        let hardware = try context.hardware()
        let memory = try hardware.memory()
        add("device", hardware.name)
        add("compute_capability", hardware.capability)
        add("multiprocessors", hardware.multiprocessors)
        add("l2_bytes", hardware.cacheBytes)
        add("copy_engines", hardware.copyEngines)
        add("memory_bytes", memory.total)
        add("free_bytes", memory.free)
        add("priority_least", hardware.priorities.least)
        add("priority_greatest", hardware.priorities.greatest)
        add("cuda_runtime", hardware.runtime.version)
        add("cuda_driver", hardware.runtime.driverVersion)
        context.say(
            "  \(hardware.name), compute capability \(hardware.capability), \(memory.total >> 20) MiB, CUDA "
                + "\(hardware.runtime.version)")
    }
}
