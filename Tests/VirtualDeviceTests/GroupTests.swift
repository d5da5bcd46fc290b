// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitPlatform
internal import StraitTensor
internal import Synchronization
internal import Testing

@testable internal import StraitDevices

/// Real threads and the real clock, but nothing that depends on how fast they are.
@Suite struct GroupTests {
    /// Notes what it is told, and gives follow-up batches from within the telling.
    final class Driver: LaneDriver {
        struct State {
            var told: [String] = []
            var times: [MeasuredTimes] = []
            var left: Int
        }

        let state: Mutex<State>
        let ended = Wakeup()
        private let next: @Sendable (DeviceBatch, String) -> DeviceBatch?

        init(expecting count: Int, next: @escaping @Sendable (DeviceBatch, String) -> DeviceBatch? = { _, _ in nil }) {
            state = Mutex(State(left: count))
            self.next = next
        }

        private func note(_ batch: DeviceBatch, _ what: String) -> DeviceBatch? {
            state.withLock { $0.told.append("\(batch.batch.slot) \(what)") }
            return next(batch, what)
        }

        func copiedIn(_ batch: DeviceBatch) { _ = note(batch, "copied in") }

        func kernelsDone(_ batch: DeviceBatch) { _ = note(batch, "kernels done") }

        func laneFinished(_ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>) -> DeviceBatch? {
            let next = note(batch, "finished")
            let isLast = state.withLock { state in
                if case .success(let result) = result { state.times.append(result.times) }
                state.left -= 1
                return state.left == 0
            }
            if isLast { ended.signal() }
            return next
        }

        func deviceLost(_ device: any Device, _ reason: DeviceError) {
            state.withLock { $0.told.append("\(device.name) lost") }
        }
    }

    private let pool = SlabPool(budget: 1 << 20)

    private func device(_ text: String) throws -> (VirtualDevice, LoadedModel) {
        let group = VirtualGroup(.made(text), environment: nil, pool: pool) { _ in }
        let device = try #require(group.devices().first)
        return (device, try device.load(VirtualModelTests.source()))
    }

    private func batch(_ slot: UInt32, _ model: LoadedModel, rows: Int = 2) throws -> DeviceBatch {
        let tensor = Tensor(
            name: "in", type: .fp32, shape: [rows, 3], slab: try pool.take(rows * 12), range: 0..<rows * 12)
        return DeviceBatch(
            batch: BatchID(slot: slot, generation: 0), lane: LaneID(index: 0), modelID: ModelID(index: 0), model: model,
            isBatchable: true,
            parts: [DeviceBatch.Part(request: RequestID(slot: slot, generation: 0), rows: rows, inputs: [tensor])])
    }

    @Test func aBatchIsToldThreeTimesAndTakesWhatARehearsalTakes() throws {
        let (device, model) = try device("l4,speed=100,noise=0")
        let driver = Driver(expecting: 1)
        device.start(driver: driver)
        let batch = try batch(0, model)
        device.run(batch, on: batch.lane)
        driver.ended.wait()
        device.stop()
        #expect(driver.state.withLock { $0.told } == ["0 copied in", "0 kernels done", "0 finished"])
        let rehearsed = try device.rehearse(batch)
        #expect(driver.state.withLock { $0.times } == [rehearsed])
        // 1 ms and twice 0.5 ms, a hundred times as fast.
        #expect((20_000...20_001).contains(rehearsed.kernels.nanoseconds))
        #expect(device.copying?.overhead == .microseconds(0) + Duration(nanoseconds: 120))
        #expect(device.group.pacingErrors.count == 3)
    }

    @Test func fixedTimesAreToldOnceAndExact() throws {
        let (device, model) = try device("fixed,ms=0.25,count=2")
        let second = try batch(1, model, rows: 8)
        let driver = Driver(expecting: 2) { batch, _ in batch.batch.slot == 0 ? second : nil }
        device.start(driver: driver)
        let first = try batch(0, model)
        device.run(first, on: first.lane)
        driver.ended.wait()
        device.stop()
        #expect(device.copying == nil)
        #expect(driver.state.withLock { $0.told } == ["0 finished", "1 finished"])
        // Each of its phases ends at a whole nanosecond.
        let times = driver.state.withLock { $0.times.map(\.kernels.nanoseconds) }
        #expect(times.allSatisfy { (250_000...250_010).contains($0) }, "\(times)")
    }

    @Test func whatIsGivenFromWithinATellingRuns() throws {
        let (device, model) = try device("l4,speed=1000")
        let batches = try (0..<50).map { try batch(UInt32($0), model) }
        let driver = Driver(expecting: batches.count) { batch, what in
            let next = Int(batch.batch.slot) + 1
            // As an engine does: the next copy once this one is through.
            if what == "copied in", next < batches.count { device.run(batches[next], on: batches[next].lane) }
            return nil
        }
        device.start(driver: driver)
        device.run(batches[0], on: batches[0].lane)
        driver.ended.wait()
        device.stop()
        #expect(driver.state.withLock { $0.told }.count == 150)
        #expect(driver.state.withLock { $0.told.count { $0.hasSuffix("finished") } } == 50)
    }

    @Test func devicesOfAGroupKnowAModelByOneNumber() throws {
        let group = VirtualGroup(.made("l4,count=3"), environment: nil, pool: pool) { _ in }
        let source = VirtualModelTests.source()
        let numbers = try group.devices().map { try $0.load(source).number }
        #expect(numbers == [0, 0, 0])
        var other = source
        other.name = "other"
        #expect(try group.devices()[1].load(other).number == 1)
        #expect(Set(group.devices().map(\.identity)).count == 1)
        #expect(Set(group.devices().map(\.name)).count == 3)
        #expect(group.devices().allSatisfy { $0.isSynthetic && !$0.needsModelFiles })
    }

    @Test func aDeviceThatIsLostSaysSoItselfAndReportsWhatItHad() throws {
        // A batch takes ten minutes: it cannot be done before the loss.
        let (device, model) = try device("fixed,ms=600000,lost=0@0")
        let driver = Driver(expecting: 1)
        device.start(driver: driver)
        let batch = try batch(0, model)
        device.run(batch, on: batch.lane)
        driver.ended.wait()
        #expect(throws: DeviceError.self) { try device.probe() }
        device.stop()
        let told = driver.state.withLock { $0.told }
        #expect(told.contains("virtual fixed 600000.0 ms, 1 lane lost") && told.last == "0 finished" && told.count == 2)
        #expect(driver.state.withLock { $0.times.isEmpty })
    }

    @Test func nobodyWaitsForALossThatIsToCome() throws {
        let (device, model) = try device("fixed,ms=0.1,lost=0@99999")
        let driver = Driver(expecting: 1)
        device.start(driver: driver)
        let batch = try batch(0, model)
        device.run(batch, on: batch.lane)
        driver.ended.wait()
        try device.probe()
        device.stop()
        #expect(driver.state.withLock { $0.told } == ["0 finished"])
    }

    @Test func aDrillOnAVirtualDeviceServesTheSameModels() throws {
        let group = VirtualGroup(
            .made("l4"), environment: nil, pool: SlabPool(budget: 1 << 20)
        ) { _ in }
        let device = try #require(group.devices().first)
        let drilled = FaultyDevice(device, plan: FaultPlan(kind: .lost, afterBatches: 0, milliseconds: 1))
        #expect(!drilled.needsModelFiles && drilled.isSynthetic)
        let model = try drilled.load(VirtualModelTests.source())
        #expect(drilled.knownProfile(of: model) == device.knownProfile(of: model))
        #expect(drilled.knownProfile(of: model) != nil)
    }
}
