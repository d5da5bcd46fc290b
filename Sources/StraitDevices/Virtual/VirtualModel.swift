// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import OnnxRuntime
internal import StraitCore
internal import StraitTensor
internal import VirtualAccelerator

/// A model as virtual accelerators pretend to run it.
struct VirtualModel: Sendable {
    let source: ModelSource
    /// What it takes and gives.
    let interface: ModelSource.Interface
    /// What its author wrote into its file, if that was read.
    let metadata: [String: String]
    /// What the simulated devices run. Its bytes are those of a row of the sizes that do not vary.
    let kernels: KernelModel
    /// What of its costs was not declared and what they are taken to be, for the log; empty where nothing was missing.
    let guesses: String

    /// - Parameters:
    ///   - environment: reads the model's file where its configuration does not say all of its inputs and outputs.
    ///   - spec: what it is to run on.
    /// - Throws: ``DeviceError`` `cannotLoad` where its inputs, outputs or times cannot be known.
    init(_ source: ModelSource, on spec: VirtualSpec, environment: Environment?) throws(DeviceError) {
        self.source = source
        (interface, metadata) = try Self.interface(source, environment)
        for output in interface.outputs { try SyntheticAnswers.check(output, source) }
        let costs = source.virtualCosts
        var guesses: [String] = []
        let times: (base: Int64, row: Int64)
        if case .fixed(let milliseconds) = spec.kind {
            times = (Self.nanoseconds(milliseconds), 0)
        } else if costs.baseMilliseconds != nil || costs.rowMilliseconds != nil {
            times = (
                Self.nanoseconds(costs.baseMilliseconds ?? 0), Self.nanoseconds(costs.rowMilliseconds ?? 0)
            )
        } else {
            times = try Self.guessedTimes(source)
            guesses.append("\(Self.words(times.base)) and \(Self.words(times.row)) a row, guessed from its size")
        }
        guard times.base + times.row >= Self.shortest else {
            throw DeviceError(
                .cannotLoad,
                "model \(source.name): strait.virtual_base_ms and strait.virtual_row_ms are too short; a row takes 1 µs at "
                    + "least")
        }
        var kernels = KernelModel(
            name: source.name, baseTime: times.base, timePerRow: times.row, maximumRows: max(1, source.maximumRows),
            bytesInPerRow: costs.inputBytes ?? Self.usualBytes(interface.inputs),
            bytesOutPerRow: costs.outputBytes ?? Self.usualBytes(interface.outputs), isPinned: costs.isPinned ?? true,
            demand: ResourceDemand(
                compute: costs.compute ?? Self.usualDemand.compute,
                bandwidth: costs.bandwidth ?? Self.usualDemand.bandwidth, cache: costs.cache ?? Self.usualDemand.cache),
            cacheSensitivity: costs.cacheSensitivity ?? Self.usualSensitivity,
            seed: costs.phases ?? Self.number(of: source.name))
        if let gpuClass = spec.gpuClass {
            kernels = gpuClass.running(kernels)
            if costs.compute == nil || costs.bandwidth == nil || costs.cache == nil {
                guesses.append("a usual demand")
            }
        } else {
            (kernels.bytesInPerRow, kernels.bytesOutPerRow) = (0, 0)
        }
        self.kernels = kernels
        self.guesses = guesses.joined(separator: ", ")
    }

    // -- inputs and outputs ---------------------------------------------------------------------------------------

    private static func interface(
        _ source: ModelSource, _ environment: Environment?
    ) throws(DeviceError) -> (ModelSource.Interface, [String: String]) {
        if let declared = source.declared { return (declared, [:]) }
        guard source.hasFile, let environment else {
            let reason = source.hasFile ? "without ONNX Runtime its file cannot be read" : "it has no file"
            throw DeviceError(
                .cannotLoad,
                "model \(source.name): \(reason), and its config.pbtxt does not say the name, data_type and dims of all "
                    + "inputs and outputs")
        }
        do {
            var options = SessionOptions()
            options.logSeverity = .fatal
            // Opened to be read, not to run: it is gone when this returns.
            let session = try Session(path: source.path, model: source.name, options: options, in: environment)
            var interface = ModelSource.Interface(inputs: [], outputs: [])
            for input in session.inputs { interface.inputs.append(try TensorSignature(input, of: source.name)) }
            for output in session.outputs { interface.outputs.append(try TensorSignature(output, of: source.name)) }
            var metadata: [String: String] = [:]
            for key in try session.metadataKeys() { metadata[key] = try session.metadata(key) }
            return (interface, metadata)
        } catch let error as DeviceError {
            throw error
        } catch {
            throw DeviceError(.cannotLoad, "\(error)")
        }
    }

    /// The elements of a row of all inputs; nil where a dimension besides the batch varies.
    private var elementsPerRow: Int? {
        var sum = 0
        for input in interface.inputs {
            var dimensions = input.dimensions
            if source.maximumRows > 1, dimensions.first == -1 { dimensions[0] = 1 }
            guard !dimensions.contains(-1), let count = Shape(dimensions).elementCount else { return nil }
            sum += min(count, 1 << 40)
        }
        return sum
    }

    // -- costs ----------------------------------------------------------------------------------------------------

    /// A microsecond: no kernel is shorter.
    private static let shortest: Int64 = 1000
    /// About the mean of the library's models (docs/scenarios.md).
    private static let usualDemand = ResourceDemand(compute: 0.88, bandwidth: 0.64, cache: 0.39)
    private static let usualSensitivity = 0.39
    /// About the mean of the library's models: launches take a millisecond, a row some 3.5 µs for each megabyte of weights.
    /// Right to a factor of three at best.
    private static let usualBase: Int64 = 1_000_000
    private static let usualRowPerMegabyte = 3500.0

    private static func guessedTimes(_ source: ModelSource) throws(DeviceError) -> (base: Int64, row: Int64) {
        var info = stat()
        guard source.hasFile, stat(source.path, &info) == 0 else {
            throw DeviceError(
                .cannotLoad,
                "model \(source.name): it has no file, and its config.pbtxt does not say how long it takes; set "
                    + "strait.virtual_base_ms and strait.virtual_row_ms")
        }
        return (usualBase, Int64(Double(info.st_size) / 1e6 * usualRowPerMegabyte))
    }

    /// Bytes of a row of tensors, with 1 for what varies.
    private static func usualBytes(_ tensors: [TensorSignature]) -> Int {
        tensors.reduce(0) { sum, tensor in
            let elements = Shape(tensor.dimensions.map { max(1, $0) }).elementCount ?? 1
            return sum + min(elements, 1 << 40) * (tensor.type.byteSize ?? 1)
        }
    }

    private static func nanoseconds(_ milliseconds: Double) -> Int64 { Int64(milliseconds * 1e6 + 0.5) }

    private static func words(_ nanoseconds: Int64) -> String {
        let microseconds = nanoseconds / 1000
        return "\(microseconds / 1000).\(String(microseconds % 1000 + 1000).dropFirst()) ms"
    }

    /// The same for a name on every machine (FNV-1a).
    private static func number(of name: String) -> UInt64 {
        name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0100_0000_01B3 }
    }

    // -- what a scheduler is told ---------------------------------------------------------------------------------

    /// Sizes of row whose binary logarithm is up to this have a curve where sizes vary: a terabyte.
    private static let largestBucket: UInt8 = 40

    /// Averages over phases at powers of two of rows: what measuring it would give, but for the noise.
    ///
    /// - Parameter hostSpan: how long a span of the devices' time is on the host.
    func profile(hostSpan: (Int64) -> Int64) -> ModelProfile {
        var points: [ModelProfile.Point] = []
        var rows = 1
        while rows <= kernels.maximumRows {
            let demand = kernels.averageDemand(rows: rows)
            points.append(
                ModelProfile.Point(
                    rows: rows, kernelTime: Duration(nanoseconds: hostSpan(kernels.soloTime(rows: rows))),
                    demand: Demand(compute: demand.compute, bandwidth: demand.bandwidth, cache: demand.cache)))
            rows = rows < kernels.maximumRows ? min(rows * 2, kernels.maximumRows) : rows + 1
        }
        // Here a row takes the same whatever its size.
        let buckets = elementsPerRow.map { elements in
            [WorkShape(model: ModelID(index: 0), elementsPerRow: elements).bucket]
        }
        return ModelProfile(
            curves: (buckets ?? Array(0...Self.largestBucket)).map { ModelProfile.Curve(bucket: $0, points: points) },
            bytesInPerRow: kernels.bytesInPerRow, bytesOutPerRow: kernels.bytesOutPerRow)
    }
}
