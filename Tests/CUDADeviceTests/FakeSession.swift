// SPDX-License-Identifier: Apache-2.0

internal import CFakeCUDA
internal import CUDARuntime
internal import StraitCore
internal import StraitDevices
internal import StraitPlatform
internal import StraitTensor
internal import Synchronization

@testable internal import OnnxRuntime

/// Models that double what they are given, on the stand-in's streams: they read when their kernels begin, and write when
/// those end. The number 666 among the inputs makes the launch fail.
final class FakeLoader: AcceleratorLoader {
    struct Launch: Sendable, Equatable {
        let priority: Int
        let graph: Int?
        let input: UInt
        let output: UInt?
    }

    let software = "a stand-in"
    let launches = Mutex<[Launch]>([])
    let kernelTime: @Sendable (_ rows: Int) -> Int64
    /// Whether the outputs' sizes are known before a run.
    let isShapeKnown: Bool
    /// Bytes of device memory that a session takes.
    let sessionBytes: Int
    let runtime: CUDARuntime

    init(
        _ runtime: CUDARuntime, isShapeKnown: Bool = true, sessionBytes: Int = 1000,
        kernelTime: @escaping @Sendable (Int) -> Int64 = { Int64($0) * 1_000_000 }
    ) {
        self.runtime = runtime
        self.isShapeKnown = isShapeKnown
        self.sessionBytes = sessionBytes
        self.kernelTime = kernelTime
    }

    func load(
        path: String, model: String, on stream: CUDAStream, memoryLimit: Int, usesGraphs: Bool
    ) throws(DeviceError) -> any AcceleratorSession {
        do {
            return FakeSession(self, stream, weights: try DeviceAllocation(sessionBytes, of: runtime))
        } catch {
            throw DeviceError(.outOfMemory, "\(error)")
        }
    }
}

final class FakeSession: AcceleratorSession {
    private let loader: FakeLoader
    private let stream: CUDAStream
    private let weights: DeviceAllocation

    init(_ loader: FakeLoader, _ stream: CUDAStream, weights: DeviceAllocation) {
        self.loader = loader
        self.stream = stream
        self.weights = weights
    }

    let inputs = [TensorInfo(name: "in", type: .fp32, dimensions: [-1, 4], symbols: ["batch", nil])]
    var outputs: [TensorInfo] {
        [
            TensorInfo(
                name: "out", type: .fp32, dimensions: loader.isShapeKnown ? [-1, 4] : [-1, -1],
                symbols: ["batch", loader.isShapeKnown ? nil : "n"])
        ]
    }

    func metadata() -> [String: String] { [:] }

    func launch(
        inputs: [DeviceTensor], outputs: [DeviceTensor?], graph: Int?
    ) throws(DeviceError) -> [AllocatedOutput?] {
        var allocated: AllocatedOutput?
        var output = outputs[0]
        do {
            if output == nil {
                let memory = try DeviceAllocation(inputs[0].byteCount, of: loader.runtime)
                var tensor = inputs[0]
                tensor.address = memory.address
                output = tensor
                allocated = AllocatedOutput(tensor, owner: memory)
            }
        } catch {
            throw DeviceError(.outOfMemory, "\(error)")
        }
        loader.launches.withLock {
            $0.append(
                FakeLoader.Launch(
                    priority: Int(fake_cuda_priority(stream.handle)), graph: graph, input: inputs[0].address,
                    output: outputs[0]?.address))
        }
        let kernel = Kernel(from: inputs[0], to: output ?? inputs[0])
        let context = Unmanaged.passRetained(kernel).toOpaque()
        fake_cuda_launch(
            stream.handle, loader.kernelTime(inputs[0].shape[0]),
            { Unmanaged<Kernel>.fromOpaque($0.unsafelyUnwrapped).takeUnretainedValue().start() },
            { Unmanaged<Kernel>.fromOpaque($0.unsafelyUnwrapped).takeRetainedValue().end() }, context)
        return [allocated]
    }

    /// Kernels of one run.
    // @unchecked: the stand-in calls both halves one after the other.
    private final class Kernel: @unchecked Sendable {
        private let input, output: DeviceTensor
        private var values: [Float] = []

        init(from input: DeviceTensor, to output: DeviceTensor) {
            self.input = input
            self.output = output
        }

        func start() {
            let bytes = UnsafeRawBufferPointer(
                start: UnsafeRawPointer(bitPattern: input.address), count: input.byteCount)
            values = bytes.bindMemory(to: Float.self).map { $0 * 2 }
        }

        func end() {
            let bytes = UnsafeMutableRawBufferPointer(
                start: UnsafeMutableRawPointer(bitPattern: output.address), count: output.byteCount)
            values.withUnsafeBytes { bytes.copyMemory(from: $0) }
        }
    }
}

/// Notes what a device reports.
final class NotingDriver: LaneDriver {
    enum Report: Sendable, Equatable {
        case copiedIn(Int), kernelsDone(Int), ended(Int), lost
    }

    private struct State {
        var reports: [Report] = []
        var results: [Int: Result<BatchResult, DeviceError>] = [:]
    }

    private let state = Mutex(State())
    let ended = Wakeup()

    func copiedIn(_ batch: DeviceBatch) { note(.copiedIn(Int(batch.batch.slot))) }
    func kernelsDone(_ batch: DeviceBatch) { note(.kernelsDone(Int(batch.batch.slot))) }

    func laneFinished(_ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>) -> DeviceBatch? {
        state.withLock { $0.results[Int(batch.batch.slot)] = result }
        note(.ended(Int(batch.batch.slot)))
        ended.signal()
        return nil
    }

    func deviceLost(_ device: any Device, _ reason: DeviceError) { note(.lost) }

    private func note(_ report: Report) { state.withLock { $0.reports.append(report) } }

    var reports: [Report] { state.withLock { $0.reports } }
    func result(_ batch: Int) -> Result<BatchResult, DeviceError>? { state.withLock { $0.results[batch] } }
}
