// SPDX-License-Identifier: Apache-2.0

package import OnnxRuntime
package import StraitCore
internal import StraitPlatform
package import StraitTensor
internal import Synchronization

/// Processor cores as a device: each lane is a thread pinned to one core that calls ONNX Runtime, one batch at a time.
///
/// One thread per batch, without a pool and without spinning, was measured to be the most predictable and the cheapest
/// way to run these models; lanes beyond the number of cores share them in time.
package final class CPUDevice: Device {
    package let name: String
    package let identity: DeviceIdentity
    package let laneCount: Int
    /// The core of each lane.
    package let cores: [Int]
    package let runsInline = true

    private let environment: Environment
    private let pool: SlabPool
    private let lanes: Mutex<[Lane]>
    /// Told of what was run inline, while it serves.
    private let driver: Mutex<(any LaneDriver)?> = Mutex(nil)
    /// The loaded models, by their numbers. Any lane may run any of them; ONNX Runtime shares their weights.
    private let sessions: Mutex<SessionTable>

    /// Sessions by the numbers of their models. A number is not used again: a batch must never find another's session.
    private struct SessionTable {
        var all: [Int: Session] = [:]
        var next = 0

        subscript(number: Int) -> Session {
            guard let session = all[number] else { preconditionFailure("a batch's model is loaded") }
            return session
        }
    }

    /// The most lanes one device may have: far beyond what any machine's cores can serve well.
    package static let maximumLanes = 256

    /// A device of `laneCount` lanes, placed on `cores` one after the other, around and around.
    ///
    /// - Parameters:
    ///   - cores: at least one.
    ///   - pool: where batches' results are put.
    package init(laneCount: Int, cores: [Int], environment: Environment, pool: SlabPool) {
        precondition((1...Self.maximumLanes).contains(laneCount) && !cores.isEmpty, "a device has lanes and cores")
        self.laneCount = laneCount
        self.cores = (0..<laneCount).map { cores[$0 % cores.count] }
        self.name = "cpu (cores \(CoreSet.list(Array(Set(self.cores)).sorted())))"
        // Which cores does not matter, but how many lanes share them does.
        let places = "\(laneCount) lane\(laneCount == 1 ? "" : "s") on \(Set(self.cores).count) of its cores"
        self.identity = DeviceIdentity(
            name: "\(Processor.name), \(places)", driver: "ONNX Runtime \(environment.library.version)",
            kind: Processor.name)
        self.environment = environment
        self.pool = pool
        self.lanes = Mutex([])
        self.sessions = Mutex(SessionTable())
    }

    package func load(path: String, name: String) throws(DeviceError) -> LoadedModel {
        do {
            var options = SessionOptions()
            // Every failure comes back as an error and is told to the client; a line on standard error adds nothing.
            options.logSeverity = .fatal
            let session = try Session(path: path, model: name, options: options, in: environment)
            let inputs = try session.inputs.map { try TensorSignature($0, of: name) }
            let outputs = try session.outputs.map { try TensorSignature($0, of: name) }
            var metadata: [String: String] = [:]
            for key in try session.metadataKeys() { metadata[key] = try session.metadata(key) }
            let number = sessions.withLock { sessions in
                defer { sessions.next += 1 }
                sessions.all[sessions.next] = session
                return sessions.next
            }
            return LoadedModel(number: number, inputs: inputs, outputs: outputs, metadata: metadata)
        } catch let error as DeviceError {
            throw error
        } catch {
            throw DeviceError(.cannotLoad, "\(error)")
        }
    }

    package func unload(_ model: LoadedModel) {
        // Let go of outside the lock: it frees all weights.
        let session = sessions.withLock { $0.all.removeValue(forKey: model.number) }
        _ = consume session
    }

    package func rehearse(_ batch: DeviceBatch) throws(DeviceError) -> MeasuredTimes {
        let runner = BatchRunner(environment, pool: pool)
        let session = sessions.withLock { $0[batch.model.number] }
        let result = Mutex<Result<BatchResult, DeviceError>?>(nil)
        // On a thread like a lane's: pinned to its core, and gone afterwards.
        let thread = SystemThread(name: "rehearsal", cores: [cores[0]]) {
            let ran = runner.run(batch, session)
            result.withLock { $0 = ran }
        }
        thread.join()
        guard let ran = result.withLock({ $0 }) else { preconditionFailure("the thread has left a result") }
        return try ran.get().times
    }

    package func start(driver: any LaneDriver) {
        let made = (0..<laneCount).map { index in
            Lane(index: index, core: cores[index]) { [self] in serve($0, for: driver) }
        }
        lanes.withLock { $0 = made }
        self.driver.withLock { $0 = driver }
    }

    /// Runs a batch and reports it.
    ///
    /// - Returns: the batch that its lane is to run next.
    private func serve(_ batch: DeviceBatch, for driver: any LaneDriver) -> DeviceBatch? {
        let session = sessions.withLock { $0[batch.model.number] }
        return driver.laneFinished(batch, BatchRunner(environment, pool: pool).run(batch, session))
    }

    package func run(_ batch: DeviceBatch, on lane: LaneID) {
        let lane = lanes.withLock { $0[lane.index] }
        lane.hand(batch)
    }

    package func runInline(_ batch: DeviceBatch) {
        // Once it has stopped nobody waits for anything.
        guard let driver = driver.withLock({ $0 }) else { return }
        // The lane's thread sleeps meanwhile.
        var next: DeviceBatch? = batch
        while let current = next { next = serve(current, for: driver) }
    }

    package func stop() {
        driver.withLock { $0 = nil }
        let all = lanes.withLock { lanes in
            defer { lanes = [] }
            return lanes
        }
        for lane in all { lane.stop() }
    }
}

/// A lane: a pinned thread with a place for the batch that it is to run next.
private final class Lane: Sendable {
    private struct Mailbox {
        var batch: DeviceBatch?
        var isStopping = false
    }

    private let mailbox = Mutex(Mailbox())
    private let wakeup = Wakeup()
    private let thread: Mutex<SystemThread?> = Mutex(nil)

    /// - Parameter run: runs a batch to its end, reports it, and returns the next one if there is one.
    init(index: Int, core: Int, run: @escaping @Sendable (DeviceBatch) -> DeviceBatch?) {
        let started = SystemThread(name: "lane-\(index)", cores: [core]) { [self] in serve(run) }
        thread.withLock { $0 = started }
    }

    func hand(_ batch: DeviceBatch) {
        mailbox.withLock {
            precondition($0.batch == nil, "a lane holds one batch")
            $0.batch = batch
        }
        wakeup.signal()
    }

    func stop() {
        mailbox.withLock { $0.isStopping = true }
        wakeup.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    private func serve(_ run: (DeviceBatch) -> DeviceBatch?) {
        while true {
            wakeup.wait()
            let (batch, isStopping) = mailbox.withLock { mailbox in
                defer { mailbox.batch = nil }
                return (mailbox.batch, mailbox.isStopping)
            }
            var next = batch
            while let current = next { next = run(current) }
            if isStopping { return }
        }
    }
}
