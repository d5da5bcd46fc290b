// SPDX-License-Identifier: Apache-2.0

// StraitDevices: the device contract and its implementations. A device runs batches on its lanes and says how long
// their parts took; it knows nothing of classes, deadlines or queues.

package import StraitCore
package import StraitTensor

/// What runs batches.
package protocol Device: AnyObject, Sendable {
    /// For people: what it is and where it runs.
    var name: String { get }
    /// What its times depend on.
    var identity: DeviceIdentity { get }
    /// Batches that it can run at the same time.
    var laneCount: Int { get }

    /// Loads a model and makes it ready to run. It takes milliseconds to seconds and may disturb running batches.
    ///
    /// - Throws: ``DeviceError`` with what the runtime reported.
    func load(path: String, name: String) throws(DeviceError) -> LoadedModel

    /// Runs a batch as a lane would and waits for it, to see how long its parts take while nothing else runs. Only before
    /// `start`.
    ///
    /// - Throws: ``DeviceError``; `cannotRehearse` from a device that runs batches only on its lanes.
    func rehearse(_ batch: DeviceBatch) throws(DeviceError) -> MeasuredTimes

    /// Starts the lanes. Whatever ends on them is reported to `driver`, on the lane's own thread.
    func start(driver: any LaneDriver)

    /// Puts a batch on an idle lane. Returns at once.
    func run(_ batch: DeviceBatch, on lane: LaneID)

    /// Ends the lanes when what runs on them is done.
    func stop()
}

extension Device {
    package var identity: DeviceIdentity { DeviceIdentity(name: name, driver: "none") }

    package func rehearse(_ batch: DeviceBatch) throws(DeviceError) -> MeasuredTimes {
        throw DeviceError(.cannotRehearse, "\(name) runs batches only on its lanes")
    }
}

/// What the times on a device depend on: what was measured or learned on one of another identity does not count.
package struct DeviceIdentity: Sendable, Hashable {
    /// The hardware, and how much of it is used how.
    package let name: String
    /// The software that runs models on it, with its version.
    package let driver: String

    package init(name: String, driver: String) {
        self.name = name
        self.driver = driver
    }
}

/// What a device tells about its lanes; the engine.
package protocol LaneDriver: AnyObject, Sendable {
    /// A batch has ended. Called on the lane's thread, which has nothing to do until this returns.
    ///
    /// - Returns: the lane's next batch if there is one, so that a busy lane needs no wake-up.
    func laneFinished(_ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>) -> DeviceBatch?
}

/// A model in a device's memory, as its device describes it.
package struct LoadedModel: Sendable {
    /// The device's own number for it.
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
    /// The lane that it runs on.
    package let lane: LaneID
    /// The scheduler's number for the model.
    package let modelID: ModelID
    /// The model to run.
    package let model: LoadedModel
    /// Whether the outermost dimension of all inputs and outputs counts rows, so that requests can be put together.
    package let isBatchable: Bool
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

    package init(
        batch: BatchID, lane: LaneID, modelID: ModelID, model: LoadedModel, isBatchable: Bool, parts: [Part]
    ) {
        self.batch = batch
        self.lane = lane
        self.modelID = modelID
        self.model = model
        self.isBatchable = isBatchable
        self.parts = parts
    }

    /// Rows in all.
    package var rows: Int { parts.reduce(0) { $0 + $1.rows } }

    /// The same with one of its parts only.
    func only(_ part: Part) -> DeviceBatch {
        DeviceBatch(
            batch: batch, lane: lane, modelID: modelID, model: model, isBatchable: isBatchable, parts: [part])
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
