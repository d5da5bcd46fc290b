// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import CUDARuntime
internal import DeviceCheck
internal import OnnxRuntime
internal import StraitPlatform

/// `strait gpu-check`: looks at a device from all sides that matter, and leaves its data in a folder.
struct GPUCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gpu-check",
        abstract: "Check a GPU: answers, times, copies, co-running, priorities, overload; 20 minutes at most.",
        discussion: """
            Each part fails by itself and leaves its tables in the folder as CSV, with a summary.json of where, when and what. \
            --device cpu runs the same parts on the processor, to see that they run. Exits with 0 if all passed, 1 if a part \
            failed, 3 if there is no CUDA device.

            EXAMPLE
              strait gpu-check --model-repository models --out results
            """)

    @Option(help: "The folder of models, in Triton's layout.")
    var modelRepository: String

    @Option(help: "The folder that the results are written to.")
    var out: String

    @Option(help: "cuda:N, or cpu.")
    var device = "cuda:0"

    @Option(
        help: ArgumentHelp(
            "Parts to run, separated by commas: \(DeviceCheck.partNames.joined(separator: ", ")). Default: all.",
            valueName: "list"))
    var parts: String?

    @Option(help: "Batches that run at the same time.")
    var lanes = 2

    @Option(help: "Seconds for each time that is measured.")
    var secondsPerPoint = 0.4

    @Option(help: "Seconds of overload under each policy.")
    var overloadSeconds = 20.0

    @OptionGroup var onnxRuntime: OnnxRuntimeOptions

    private var chosen: [String]? { parts?.split(separator: ",").map(String.init) }

    mutating func validate() throws {
        guard CheckSettings.Target(device) != nil else {
            throw ValidationError("--device is '\(device)'; expected cuda:0 or cpu")
        }
        for part in chosen ?? [] where !DeviceCheck.partNames.contains(part) {
            throw ValidationError(
                "there is no part '\(part)'; there are \(DeviceCheck.partNames.joined(separator: ", "))")
        }
        guard (1...64).contains(lanes) else { throw ValidationError("--lanes is \(lanes); expected 1 to 64") }
        guard (0.001...60).contains(secondsPerPoint), (0.1...600).contains(overloadSeconds) else {
            throw ValidationError("--seconds-per-point goes from 0.001 to 60, --overload-seconds from 0.1 to 600")
        }
    }

    /// What exit codes say.
    private static let (failed, noDevice): (Int32, Int32) = (1, 3)

    func run() throws {
        guard let target = CheckSettings.Target(device) else { throw ExitCode.validationFailure }
        do {
            ProcessLimits.keepTensorMemory()
            let library = try onnxRuntime.load()
            var settings = CheckSettings(target: target, repository: modelRepository, output: out)
            settings.parts = chosen
            settings.lanes = lanes
            settings.secondsPerPoint = secondsPerPoint
            settings.overloadSeconds = overloadSeconds
            let cuda: Result<CUDARuntime, CUDAError>
            do { cuda = .success(try CUDARuntime.load()) } catch { cuda = .failure(error) }
            // Only fatal messages: without a device ONNX Runtime would print what we say ourselves.
            let environment = try Environment(library: library, logSeverity: .fatal)
            let outcome = try DeviceCheck(settings, environment: environment, cuda: cuda, say: { Console.log($0) })
                .run()
            switch outcome {
            case .passed: return
            case .failed: throw ExitCode(Self.failed)
            case .noDevice:
                Console.log("there is no CUDA device here: nothing was measured on a GPU")
                throw ExitCode(Self.noDevice)
            }
        } catch let error as ExitCode {
            throw error
        } catch {
            Console.log("strait gpu-check: \(error)")
            throw ExitCode(Self.failed)
        }
    }
}
