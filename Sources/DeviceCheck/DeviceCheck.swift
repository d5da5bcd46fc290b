// SPDX-License-Identifier: Apache-2.0

// DeviceCheck: what `strait gpu-check` does. It looks at a device from all sides that matter to Strait, in parts that fail
// without each other, and writes what it measured to a folder.

package import CUDARuntime
package import OnnxRuntime
internal import StraitDevices
internal import StraitPlatform
internal import StraitTensor

/// What is checked, and how long it may take.
package struct CheckSettings: Sendable {
    /// A device to check.
    package enum Target: Sendable, Hashable {
        case cuda(Int)
        /// The processor, to see that the check itself runs.
        case cpu

        /// As it is written: `cuda:0`, `cpu`; nil where a text is neither.
        package init?(_ text: String) {
            if text == "cpu" {
                self = .cpu
            } else if text.hasPrefix("cuda:"), let number = Int(text.dropFirst(5)), (0..<64).contains(number) {
                self = .cuda(number)
            } else {
                return nil
            }
        }

        /// As it is written.
        package var text: String {
            switch self {
            case .cuda(let number): "cuda:\(number)"
            case .cpu: "cpu"
            }
        }
    }

    /// The device.
    package var target: Target
    /// The folder of models.
    package var repository: String
    /// The folder that results are written to.
    package var output: String
    /// Lanes where batches meet.
    package var lanes = 2
    /// Seconds for each time that is measured.
    package var secondsPerPoint = 0.4
    /// Seconds of overload under each policy.
    package var overloadSeconds = 20.0
    /// The overload, as a multiple of the measured capacity.
    package var overload = 1.3
    /// Parts to run; nil for all.
    package var parts: [String]?
    /// After so many seconds no further part begins: the whole is to take 20 minutes at most.
    package var limit = 1080.0
    /// Of random inputs and arrivals; tuning seeds are below 100.
    package var seed: UInt64 = 1

    /// The defaults for a device.
    package init(target: Target, repository: String, output: String) {
        self.target = target
        self.repository = repository
        self.output = output
    }
}

/// What a part that cannot be done says; any other error is a failure.
struct CheckSkipped: Error, CustomStringConvertible {
    let description: String
}

/// What went wrong, for people.
struct CheckFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// What parts work with.
struct CheckContext: Sendable {
    let settings: CheckSettings
    let environment: Environment
    /// CUDA, or why there is none.
    let cuda: Result<CUDARuntime, CUDAError>
    let pool: SlabPool
    /// Tells people how it goes.
    let say: @Sendable (String) -> Void

    /// Whether the device is the processor.
    var isProcessor: Bool { settings.target == .cpu }

    /// The CUDA device.
    ///
    /// - Throws: ``CheckSkipped`` where there is none.
    func hardware() throws -> CUDAHardware {
        guard case .cuda(let ordinal) = settings.target else {
            throw CheckSkipped(description: "no CUDA device was asked for")
        }
        do {
            return try CUDAHardware(ordinal, of: cuda.get())
        } catch {
            guard error.code == .noDevice || error.code == .libraryNotFound else { throw error }
            throw CheckSkipped(description: "no CUDA device: \(error.message)")
        }
    }

    /// The device, opened anew: parts share none, so that one cannot spoil the next.
    ///
    /// - Throws: ``CheckSkipped`` where there is none; what it reports.
    func device(lanes: Int? = nil, change: (inout CUDAOptions) -> Void = { _ in }) throws -> any Device {
        let lanes = lanes ?? settings.lanes
        guard case .cuda(let ordinal) = settings.target else {
            let cores = CoreSet.allowed()
            return CPUDevice(
                laneCount: lanes, cores: cores.isEmpty ? [0] : cores, environment: environment, pool: pool)
        }
        _ = try hardware()
        var options = CUDAOptions(ordinal: ordinal)
        options.lanes = lanes
        change(&options)
        let loader = try OrtAcceleratorLoader(options, in: environment)
        return try CUDADevice(options, runtime: cuda.get(), loader: loader, pool: pool)
    }

    /// The processor as a device to compare with.
    func reference() -> CPUDevice {
        CPUDevice(laneCount: 1, cores: [CoreSet.allowed().first ?? 0], environment: environment, pool: pool)
    }
}

/// A part of the check.
protocol CheckPart {
    /// Its name on the command line and in files.
    static var name: String { get }
    /// What it does, in a few words.
    static var title: String { get }

    /// Does it.
    ///
    /// - Returns: what was measured.
    /// - Throws: ``CheckSkipped`` where it cannot be done here; anything else is a failure. What was measured before a
    ///   failure is in ``CheckTables``.
    static func run(_ context: CheckContext, _ tables: CheckTables) throws
}

/// The check.
package struct DeviceCheck {
    private static var parts: [any CheckPart.Type] {
        [
            FindPart.self, AnswersPart.self, SoloPart.self, CopiesPart.self, PairsPart.self, PrioritiesPart.self,
            ServesPart.self, OverloadPart.self,
        ]
    }

    /// The names of all parts, in order.
    package static var partNames: [String] { parts.map { $0.name } }

    /// How it ended.
    package enum Outcome: Sendable, Hashable {
        /// All parts that were run passed.
        case passed
        /// One at least failed.
        case failed
        /// There is no device.
        case noDevice
    }

    private let context: CheckContext

    /// A check.
    ///
    /// - Parameters:
    ///   - cuda: CUDA, or why there is none.
    ///   - say: told how it goes, a line at a time.
    package init(
        _ settings: CheckSettings, environment: Environment, cuda: Result<CUDARuntime, CUDAError>,
        say: @escaping @Sendable (String) -> Void
    ) {
        context = CheckContext(
            settings: settings, environment: environment, cuda: cuda, pool: SlabPool(budget: 1 << 31), say: say)
    }

    /// Runs the parts one after the other and writes each one's tables as soon as it ends, then a summary.
    ///
    /// - Throws: where the folder cannot be written.
    package func run() throws -> Outcome {
        let settings = context.settings
        let folder = try CheckFolder(settings.output)
        let start = MonotonicClock.nanoseconds()
        func elapsed() -> Double { Double(MonotonicClock.nanoseconds() - start) / 1e9 }
        var records: [CheckSummary.Record] = []
        for part in Self.parts where settings.parts?.contains(part.name) ?? true {
            let began = elapsed()
            let tables = CheckTables()
            var record = CheckSummary.Record(name: part.name, result: "passed", message: "", seconds: 0)
            context.say("\(part.name): \(part.title) …")
            if began > settings.limit {
                (record.result, record.message) = ("skipped", "the time is used up")
            } else {
                do {
                    try part.run(context, tables)
                } catch let error as CheckSkipped {
                    (record.result, record.message) = ("skipped", error.description)
                } catch {
                    (record.result, record.message) = ("FAILED", "\(error)")
                }
            }
            record.seconds = elapsed() - began
            for table in tables.all { try folder.write(table) }
            // Without a device all parts say the same, and once is enough.
            let isKnown = record.result == "skipped" && record.message == records.last?.message
            let message = isKnown ? "" : record.message
            context.say(
                "\(part.name): \(record.result)\(message.isEmpty ? "" : ": " + message) (\(tenths(record.seconds)) s)")
            records.append(record)
        }
        try folder.write(CheckSummary(context: context, records: records))
        context.say("written to \(settings.output)")
        if records.contains(where: { $0.result == "FAILED" }) { return .failed }
        guard !context.isProcessor else { return .passed }
        return (try? context.hardware()) == nil ? .noDevice : .passed
    }
}

/// A number with one digit behind the point.
func tenths(_ number: Double) -> String {
    guard number.isFinite, number.magnitude < 1e15 else { return "?" }
    let tenths = Int64((number * 10).rounded())
    return "\(tenths < 0 ? "-" : "")\(tenths.magnitude / 10).\(tenths.magnitude % 10)"
}

/// A number with three digits behind the point.
func thousandths(_ number: Double) -> String {
    guard number.isFinite, number.magnitude < 1e12 else { return "?" }
    let all = Int64((number * 1000).rounded())
    let rest = "\(all.magnitude % 1000)"
    return "\(all < 0 ? "-" : "")\(all.magnitude / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
}
