// SPDX-License-Identifier: Apache-2.0

internal import CUDARuntime
package import StraitCore
internal import StraitPlatform
internal import Synchronization

// Batches on their way through a CUDA device, and what is reported of them.

extension CUDADevice {
    package func start(driver: any LaneDriver) {
        self.driver.withLock { $0 = driver }
        let choose: @Sendable () -> Void = { [hardware] in try? hardware.choose() }
        let arrivals = FlightReporter(name: "cuda\(options.ordinal)-in", prepare: choose) { [weak self] flight in
            self?.reportArrival(flight)
            flight.arrived.signal()
        }
        let departures = FlightReporter(name: "cuda\(options.ordinal)-out", prepare: choose) { [weak self] flight in
            self?.reportEnd(flight)
        }
        self.arrivals.withLock { $0 = arrivals }
        self.departures.withLock { $0 = departures }
    }

    package func run(_ batch: DeviceBatch, on lane: LaneID) {
        lanes[lane.index].perform { [self] in serve(batch, on: lanes[lane.index]) }
    }

    /// A batch up to the end of its kernels, on its lane's thread.
    func serve(_ batch: DeviceBatch, on lane: CUDALane) {
        let (models, loss) = state.withLock { ($0.models[batch.model.number], $0.loss) }
        if let loss { return report(batch, .failure(loss)) }
        guard let model = models?[lane.index] else { return report(batch, .failure(unknown(batch))) }
        let flight: Flight
        do {
            flight = try lane.begin(batch, model)
        } catch {
            lane.settle()
            return giveUp(batch, model, lane, error)
        }
        // Before the kernels are launched, which takes the host a while: the copy may be over sooner.
        arrivals.withLock { $0 }?.add(flight)
        var hasArrived = false
        do throws(DeviceError) {
            try lane.launch(flight, model)
            flight.arrived.wait()
            hasArrived = true
            if let failure = flight.failure { throw failure }
            do { try flight.events.kernelsDone.synchronize() } catch { throw DeviceError(error) }
        } catch {
            // Its arrival may still be under way in another thread; each batch is reported by one at a time.
            if !hasArrived { flight.arrived.wait() }
            lane.settle()
            lane.done(flight)
            return giveUp(batch, model, lane, error)
        }
        driver.withLock { $0 }?.kernelsDone(batch)
        departures.withLock { $0 }?.add(flight)
    }

    func reportArrival(_ flight: Flight) {
        do {
            try flight.events.copied.synchronize()
            flight.releaseInputs()
        } catch {
            return flight.fail(DeviceError(error))
        }
        driver.withLock { $0 }?.copiedIn(flight.batch)
    }

    func reportEnd(_ flight: Flight) {
        let lane = lanes[flight.batch.lane.index]
        let result: Result<BatchResult, DeviceError>
        do {
            try flight.events.copiedOut.synchronize()
            result = .success(try flight.collect(into: pool))
        } catch {
            result = .failure(DeviceError(any: error))
        }
        lane.done(flight)
        report(flight.batch, result)
    }

    /// A batch that failed as a whole: its requests are run one by one where that may help, since the input of one may be
    /// to blame.
    func giveUp(_ batch: DeviceBatch, _ model: LaneModel, _ lane: CUDALane, _ error: DeviceError) {
        guard error.code != .deviceLost, batch.parts.count > 1 else { return report(batch, .failure(error)) }
        let start = MonotonicClock.nanoseconds()
        let outputs = batch.parts.map { part in lane.runAlone(batch.only(part), model).flatMap { $0.outputs[0] } }
        let took = Duration(nanoseconds: MonotonicClock.nanoseconds() - start)
        let times = MeasuredTimes(copyIn: .zero, kernels: took, copyOut: .zero)
        report(batch, .success(BatchResult(outputs: outputs, times: times, wasSplit: true)))
    }

    func report(_ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>) {
        let driver = driver.withLock { $0 }
        if case .failure(let error) = result, error.code == .deviceLost {
            let isFirst = state.withLock { state in
                defer { state.loss = state.loss ?? error }
                return state.loss == nil
            }
            if isFirst { driver?.deviceLost(self, error) }
        }
        _ = driver?.laneFinished(batch, result)
    }
}
