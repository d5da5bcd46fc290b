// SPDX-License-Identifier: Apache-2.0

// StraitDevices: the device contract and its implementations. A device runs batches on its lanes and says how long
// their parts took; it knows nothing of classes, deadlines or queues.

package import StraitCore
package import StraitTensor

/// What runs batches.
///
/// Every batch that it is given it reports exactly once, by ``LaneDriver/laneFinished(_:_:)``, whatever happens: one that
/// it gave up on as a failure. A device that copies reports on the way there what `copying` says. All reports come from
/// its own threads, but those of batches that it is told to run inline, and while it holds no lock: the driver may hand it
/// the next batch before a report returns.
package protocol Device: AnyObject, Sendable {
    /// For people: what it is and where it runs.
    var name: String { get }
    /// What its times depend on.
    var identity: DeviceIdentity { get }
    /// Batches that it can run at the same time.
    var laneCount: Int { get }
    /// How it copies between the host and itself; nil for a device that works on host memory.
    ///
    /// Where it is not nil, each batch is reported three times, each time after the report before has returned:
    /// ``LaneDriver/copiedIn(_:)``, ``LaneDriver/kernelsDone(_:)``, and the end. Its copy stage holds one batch at a time:
    /// the next is given after the last one's inputs are there. Its lanes are free when kernels are done, so that a lane
    /// may have its next batch while the results of the last are still being copied back. A batch that fails is reported
    /// at its end only, wherever it was. Where it is nil, only ends are reported.
    var copying: CopyDescription? { get }
    /// Whether its results are made up, which clients are then told.
    var isSynthetic: Bool { get }
    /// Whether a model must have a file to be loaded.
    var needsModelFiles: Bool { get }

    /// Whether the thread that brings a batch can run it itself, by `runInline`.
    var runsInline: Bool { get }

    /// Loads a model and makes it ready to run. It takes milliseconds to seconds and may disturb running batches.
    ///
    /// - Throws: ``DeviceError`` with what the runtime reported; `outOfMemory` where its memory does not suffice.
    func load(path: String, name: String) throws(DeviceError) -> LoadedModel

    /// Loads a model as its repository has it; for devices that look at more than its file.
    ///
    /// - Throws: as `load(path:name:)` does.
    func load(_ source: ModelSource) throws(DeviceError) -> LoadedModel

    /// What is known of a loaded model's times without measuring them; nil where nothing is.
    func knownProfile(of model: LoadedModel) -> ModelProfile?

    /// Makes ready to run batches like this one, on all lanes: reserves memory for them, warms up, captures what it can.
    /// Called before serving, for each loaded model with batches of 1, 2, 4, … rows and of the most that it will get, made
    /// up; what they compute does not matter.
    ///
    /// - Throws: ``DeviceError``; the model is not served then.
    func prepare(_ batch: DeviceBatch) throws(DeviceError)

    /// Frees a model. No batch of it is on a lane, and none comes any more. It may disturb running batches.
    func unload(_ model: LoadedModel)

    /// Runs a batch as a lane would and waits for it, to see how long its parts take while nothing else runs. Only before
    /// `start`.
    ///
    /// - Throws: ``DeviceError``; `cannotRehearse` from a device that runs batches only on its lanes.
    func rehearse(_ batch: DeviceBatch) throws(DeviceError) -> MeasuredTimes

    /// Starts the lanes. Whatever happens on them is reported to `driver`.
    func start(driver: any LaneDriver)

    /// Puts a batch on an idle lane. Returns at once.
    func run(_ batch: DeviceBatch, on lane: LaneID)

    /// Runs a batch that is for an idle lane on the calling thread, and reports its end there before it returns, and so with
    /// what it is given next. Only where `runsInline` says so.
    func runInline(_ batch: DeviceBatch)

    /// Makes sure that it works, after it failed, hung or was lost: called now and then, on a thread that may be blocked
    /// for seconds, while it is given no batches. One that can reset itself does it here, and reports what it gave up on.
    /// It is given batches again when this returns and all that it was given before was reported.
    ///
    /// - Throws: ``DeviceError`` with what is still wrong.
    func probe() throws(DeviceError)

    /// Ends the lanes when what runs on them is done.
    func stop()
}

extension Device {
    package var identity: DeviceIdentity { DeviceIdentity(name: name, driver: "none") }
    package var copying: CopyDescription? { nil }
    package var isSynthetic: Bool { false }
    package var needsModelFiles: Bool { true }
    package var runsInline: Bool { false }

    package func load(_ source: ModelSource) throws(DeviceError) -> LoadedModel {
        try load(path: source.path, name: source.name)
    }

    package func knownProfile(of model: LoadedModel) -> ModelProfile? { nil }

    package func prepare(_ batch: DeviceBatch) throws(DeviceError) {}

    package func rehearse(_ batch: DeviceBatch) throws(DeviceError) -> MeasuredTimes {
        throw DeviceError(.cannotRehearse, "\(name) runs batches only on its lanes")
    }

    package func probe() throws(DeviceError) {}

    package func runInline(_ batch: DeviceBatch) { run(batch, on: batch.lane) }
}

/// What the times on a device depend on: what was measured or learned on one of another identity does not count.
package struct DeviceIdentity: Sendable, Hashable {
    /// The hardware, and how much of it is used how.
    package let name: String
    /// The software that runs models on it, with its version.
    package let driver: String
    /// The hardware alone: how fast a batch is by itself. Devices of one kind and driver share the profiles of models.
    package let kind: String

    /// - Parameter kind: nil where it is as the name says.
    package init(name: String, driver: String, kind: String? = nil) {
        self.name = name
        self.driver = driver
        self.kind = kind ?? name
    }

    /// What the times on several devices depend on. One device is what it is; equal ones are counted.
    ///
    /// - Complexity: O(devices²).
    package init(of devices: [any Device]) {
        var kinds: [(name: String, count: Int)] = []
        for name in devices.map(\.identity.name) {
            if let index = kinds.firstIndex(where: { $0.name == name }) {
                kinds[index].count += 1
            } else {
                kinds.append((name, 1))
            }
        }
        let words = kinds.map { $0.count > 1 ? "\($0.count) x \($0.name)" : $0.name }
        // A profile's name of a device may have 256 bytes, and a character that is cut becomes three.
        let name = String(decoding: words.joined(separator: " + ").utf8.prefix(250), as: UTF8.self)
        self.init(name: name, driver: devices[0].identity.driver, kind: devices[0].identity.kind)
    }
}

/// What a device tells about its lanes; the engine.
package protocol LaneDriver: AnyObject, Sendable {
    /// The inputs of a batch are on its device and its kernels start. Only from devices that copy.
    func copiedIn(_ batch: DeviceBatch)

    /// The kernels of a batch are done: its lane is free, its results are being copied back. Only from devices that copy.
    func kernelsDone(_ batch: DeviceBatch)

    /// A batch has ended. From a device that does not copy it is called on the thread that ran it, the lane's but for
    /// batches run inline, and the lane has nothing to do until this returns.
    ///
    /// - Returns: the lane's next batch if there is one and the calling thread is to go on with it, so that a busy lane needs
    ///   no wake-up; always nil to a device that copies, which is given its batches by `run` alone.
    func laneFinished(_ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>) -> DeviceBatch?

    /// A device finds that it can run nothing any more, whether or not it holds batches. Those it reports, too.
    func deviceLost(_ device: any Device, _ reason: DeviceError)
}

/// A model in a device's memory, as its device describes it.
package struct LoadedModel: Sendable {
    /// The device's own number for it, which no other model of it ever has.
    package let number: Int
    /// What it takes, in the order in which batches bring it.
    package let inputs: [TensorSignature]
    /// What it gives, in the order in which results come.
    package let outputs: [TensorSignature]
    /// What its author wrote into the file, by key.
    package let metadata: [String: String]

    package init(
        number: Int, inputs: [TensorSignature], outputs: [TensorSignature], metadata: [String: String] = [:]
    ) {
        self.number = number
        self.inputs = inputs
        self.outputs = outputs
        self.metadata = metadata
    }
}

/// An input or output as a model declares it.
package struct TensorSignature: Sendable, Hashable {
    /// Its name.
    package let name: String
    /// The type of its elements.
    package let type: ElementType
    /// Its dimensions, outermost first; −1 where a dimension varies.
    package let dimensions: [Int]
    /// For each dimension the model's name for it; empty where it has none.
    package let symbols: [String]

    package init(name: String, type: ElementType, dimensions: [Int], symbols: [String] = []) {
        self.name = name
        self.type = type
        self.dimensions = dimensions
        self.symbols = symbols
    }
}

/// Work for a lane: the rows of one or several requests.
package struct DeviceBatch: Sendable {
    /// The scheduler's number for it.
    package let batch: BatchID
    /// The device that runs it.
    package let device: DeviceID
    /// The lane that it runs on.
    package let lane: LaneID
    /// The scheduler's number for the model.
    package let modelID: ModelID
    /// The model to run.
    package let model: LoadedModel
    /// Whether the outermost dimension of all inputs and outputs counts rows, so that requests can be put together.
    package let isBatchable: Bool
    /// The class that it counts as, for devices that know priorities.
    package let requestClass: RequestClass
    /// The requests, in the order of their rows.
    package let parts: [Part]

    /// One request's part of a batch.
    package struct Part: Sendable {
        /// The request.
        package let request: RequestID
        /// Its rows.
        package let rows: Int
        /// Its inputs, in the order of the model's.
        package let inputs: [Tensor]

        package init(request: RequestID, rows: Int, inputs: [Tensor]) {
            self.request = request
            self.rows = rows
            self.inputs = inputs
        }
    }

    /// A batch; without more, one of a rehearsal on the only device.
    package init(
        batch: BatchID, device: DeviceID = DeviceID(index: 0), lane: LaneID, modelID: ModelID, model: LoadedModel,
        isBatchable: Bool, requestClass: RequestClass = .low, parts: [Part]
    ) {
        self.batch = batch
        self.device = device
        self.lane = lane
        self.modelID = modelID
        self.model = model
        self.isBatchable = isBatchable
        self.requestClass = requestClass
        self.parts = parts
    }

    /// Rows in all.
    package var rows: Int { parts.reduce(0) { $0 + $1.rows } }

    /// The same with one of its parts only.
    func only(_ part: Part) -> DeviceBatch {
        DeviceBatch(
            batch: batch, device: device, lane: lane, modelID: modelID, model: model, isBatchable: isBatchable,
            requestClass: requestClass, parts: [part])
    }
}

/// What became of a batch.
package struct BatchResult: Sendable {
    /// For each part its outputs, in the order of the model's, or why it has none. Parts share the memory; each sees its
    /// rows.
    package let outputs: [Result<[Tensor], DeviceError>]
    /// How long it took.
    package let times: MeasuredTimes
    /// Whether the batch failed as a whole, and its parts were then run one by one. Its times are no batch's then.
    package let wasSplit: Bool

    package init(outputs: [Result<[Tensor], DeviceError>], times: MeasuredTimes, wasSplit: Bool = false) {
        self.outputs = outputs
        self.times = times
        self.wasSplit = wasSplit
    }
}

/// Why a device could not do what it was asked to.
package struct DeviceError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    package enum Code: Sendable, Hashable {
        /// The model cannot be loaded.
        case cannotLoad
        /// The model failed while it ran.
        case runFailed
        /// The model's results are not what it declared.
        case unexpectedOutput
        /// The device cannot run batches outside of serving.
        case cannotRehearse
        /// The device's memory does not suffice.
        case outOfMemory
        /// The device gave up on the batch, which may run elsewhere.
        case abandoned
        /// The device can run nothing any more. A batch that failed so may run elsewhere.
        case deviceLost
        /// There is no such device here.
        case noDevice
    }

    /// What kind of failure it is.
    package let code: Code
    /// What happened, for people; names the model.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
