// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Testing

/// An engine on several scripted devices, in the test's own time: how they share work, fail, go and come back.
private struct Site {
    let clock = ManualClock()
    let upkeep = VirtualTimer()
    let devices: [ScriptedDevice]
    let engine: Engine
    let log = ReplyLog()
    let lines = Lines()
    private let pool = SlabPool(budget: 1 << 24)

    init(_ devices: [ScriptedDevice]) {
        self.devices = devices
        engine = Engine(
            policy: .edfPriority, devices: devices, clock: clock, timer: VirtualTimer(), upkeep: upkeep, log: lines.note
        )
        engine.start()
    }

    func add(_ name: String = "m") throws -> ServedModel {
        let specification = ModelSpecification(
            name: name, version: 1, modelFile: "\(name)/1/model.onnx", maxBatchSize: 1,
            inputs: [TensorSpecification(name: "in", type: .fp32, shape: [-1, -1])],
            outputs: [TensorSpecification(name: "out", type: .fp32, shape: [-1, -1])])
        var onDevices: [LoadedModel] = []
        for device in devices { onDevices.append(try device.load(path: "", name: name)) }
        return engine.add(specification, onDevices: onDevices)
    }

    @discardableResult
    func submit(_ number: Int, to model: ServedModel, due: StraitCore.Duration = .seconds(100)) throws -> RequestID? {
        let slab = try pool.take(8)
        slab.bytes.bindMemory(to: Float.self).update(repeating: Float(number))
        let tensor = Tensor(name: "in", type: .fp32, shape: [1, 2], slab: slab, range: 0..<8)
        let submission = Submission(
            model: model, inputs: [tensor], rows: 1, requestClass: .high, arrived: clock.now(),
            deadline: clock.now() + due)
        return engine.submit(submission) { [log] in log.note(number, $0) }
    }

    /// The request on a lane of a device.
    func running(_ device: Int, lane: Int = 0) -> Int? {
        devices[device].running[lane].map { Int($0.parts[0].inputs[0].bytes.loadUnaligned(as: Float.self)) }
    }

    /// Lets the time pass until the engine's own thread is called, and calls.
    func maintain() {
        guard upkeep.alarm.instant < .never else { return }
        clock.advance(by: max(.zero, upkeep.alarm.instant - clock.now()))
        upkeep.fire()
    }

    /// Why a device does not serve.
    func reason(_ device: Int) -> String? { engine.deviceStatuses()[device].reason }
}

@Suite struct EngineDevicesTests {
    @Test func `devices share the work, and each is given its own copy of the model`() throws {
        let site = Site([ScriptedDevice(name: "one"), ScriptedDevice(name: "two")])
        // Another number on the second device.
        _ = try site.devices[1].load(path: "", name: "other")
        let model = try site.add()
        for number in 0..<3 { try site.submit(number, to: model) }
        #expect(site.running(0) == 0 && site.running(1) == 1)
        #expect(site.devices.map { $0.running[0]?.model.number } == [0, 1])
        site.devices[1].finish(lane: 0, taking: .milliseconds(5))
        #expect(site.running(1) == 2 && site.log[1]?.answer != nil)
        site.devices[0].finish(lane: 0, taking: .milliseconds(5))
        site.devices[1].finish(lane: 0, taking: .milliseconds(5))
        #expect(site.log.count == 3 && site.log.doubled.isEmpty)
    }

    @Test func `what runs on a device that is lost runs on another, and is answered once`() throws {
        let site = Site([ScriptedDevice(name: "one"), ScriptedDevice(name: "two")])
        let model = try site.add()
        for number in 0..<2 { try site.submit(number, to: model) }
        site.devices[0].lose("the cable is out")
        #expect(site.reason(0) == "the cable is out")
        try site.submit(2, to: model)
        site.devices[1].finish(lane: 0, taking: .milliseconds(5))
        #expect(site.running(1) == 0, "it was due first")
        // The device still has it, so a probe does not bring it back.
        site.maintain()
        #expect(site.devices[0].probes == 1 && site.reason(0) != nil)
        // What it says late is passed over, and it may serve now.
        site.devices[0].finish(lane: 0, taking: .milliseconds(5))
        #expect(site.log[0] == nil)
        site.maintain()
        #expect(site.reason(0) == nil && site.running(0) == 2)
        site.devices[1].finish(lane: 0, taking: .milliseconds(5))
        site.devices[0].finish(lane: 0, taking: .milliseconds(5))
        #expect(site.log.count == 3 && site.log.doubled.isEmpty)
        #expect((0..<3).allSatisfy { site.log[$0]?.answer != nil })
        #expect(
            site.lines.all.map { $0.prefix(21) }
                == ["one is out of service:", "one serves again after"].map { $0.prefix(21) })
    }

    @Test func `a batch that its device lost is not failed but run elsewhere, once`() throws {
        let site = Site([ScriptedDevice(name: "one"), ScriptedDevice(name: "two")])
        let model = try site.add()
        try site.submit(0, to: model)
        site.devices[0].fail(lane: 0, .deviceLost)
        #expect(site.running(1) == 0 && site.log[0] == nil)
        site.devices[1].fail(lane: 0, .abandoned)
        // It may be what breaks them.
        #expect(site.log[0]?.refusal?.error.code == .failedInternally)
        #expect(site.reason(0) != nil && site.reason(1) != nil)
        // Nobody knows when a device will be there again.
        try site.submit(1, to: model, due: .seconds(1))
        #expect(site.log[1]?.refusal?.error.code == .deadlineExceeded)
        site.maintain()
        try site.submit(2, to: model)
        #expect(site.running(0) == 2)
    }

    @Test func `a device that is still broken is probed again, later each time`() throws {
        let site = Site([ScriptedDevice(name: "one"), ScriptedDevice(name: "two")])
        _ = try site.add()
        site.devices[0].complaint = "no answer"
        site.devices[0].lose("gone")
        var waits: [Double] = []
        for probe in 1...8 {
            let before = site.clock.now()
            site.maintain()
            waits.append((site.clock.now() - before).milliseconds)
            #expect(site.devices[0].probes == probe)
        }
        #expect(waits == [100, 200, 400, 800, 1600, 3200, 6400, 10_000])
        #expect(site.reason(0) == "gone; no answer")
        site.devices[0].complaint = nil
        site.maintain()
        #expect(site.reason(0) == nil)
        // It did not last: the next time it is left alone for as long.
        site.devices[0].lose("gone again")
        let before = site.clock.now()
        site.maintain()
        #expect((site.clock.now() - before).milliseconds == 10_000)
        #expect(site.engine.deviceStatuses()[0].removals == 2)
    }

    @Test func `a device on which a batch hangs is taken out of service where there is another`() throws {
        let site = Site([ScriptedDevice(name: "one", lanes: 2), ScriptedDevice(name: "two")])
        let model = try site.add()
        for number in 0..<30 {
            try site.submit(number, to: model)
            site.clock.advance(by: .milliseconds(5))
            site.devices[0].finish(lane: 0, taking: .milliseconds(5))
        }
        for number in 30..<33 { try site.submit(number, to: model) }
        site.clock.advance(by: .seconds(3))
        // Whatever happens next finds it.
        site.devices[1].finish(lane: 0, taking: .milliseconds(5))
        #expect(site.reason(0) == "a batch hangs on it")
        let moved = try #require(site.running(1))
        site.clock.advance(by: .milliseconds(5))
        site.devices[1].finish(lane: 0, taking: .milliseconds(5))
        #expect(site.log[moved]?.answer != nil)
        site.devices[1].finish(lane: 0, taking: .milliseconds(5))
        #expect((30..<33).allSatisfy { site.log[$0]?.answer != nil })
        for lane in 0..<2 { site.devices[0].finish(lane: lane, taking: .milliseconds(5)) }
        site.maintain()
        #expect(site.reason(0) == nil && site.log.doubled.isEmpty)
    }

    @Test func `the only device is left to finish what it can, hung or failing`() throws {
        let site = Site([ScriptedDevice(name: "one", lanes: 2)])
        let model = try site.add()
        for number in 0..<10 {
            try site.submit(number, to: model)
            site.devices[0].fail(lane: 0)
        }
        #expect(site.reason(0) == nil)
        for number in 10..<20 {
            try site.submit(number, to: model)
            site.clock.advance(by: .milliseconds(5))
            site.devices[0].finish(lane: 0, taking: .milliseconds(5))
        }
        for number in 20..<22 { try site.submit(number, to: model, due: .seconds(1)) }
        site.clock.advance(by: .seconds(5))
        try site.submit(22, to: model)
        #expect(site.reason(0) == nil)
        site.devices[0].finish(lane: 1, taking: .milliseconds(5))
        #expect(site.log[21]?.answer?.isLate == true)
    }

    @Test func `batches that fail in a row have a device probed, and less soon when nothing is wrong with it`() throws {
        let site = Site([ScriptedDevice(name: "one"), ScriptedDevice(name: "two")])
        let model = try site.add()
        try site.submit(1000, to: model)
        try site.submit(1001, to: model)
        site.devices[0].finish(lane: 0, taking: .milliseconds(5))
        // The other device is busy all the time.
        var counts: [Int] = []
        for number in 0..<100 {
            let before = site.devices[0].probes
            try site.submit(number, to: model)
            site.devices[0].fail(lane: 0)
            site.maintain()
            if site.devices[0].probes > before { counts.append(number + 1) }
            #expect(site.reason(0) == nil, "nothing is wrong with it")
        }
        #expect(counts == [3, 9, 21, 45, 93])
        #expect((0..<100).allSatisfy { site.log[$0]?.refusal?.error.message == "model m: it broke" })
    }

    @Test func `a device that copies is given its next batches as its copy stage and its lanes become free`() throws {
        let copying = CopyDescription(overhead: .milliseconds(1), bytesPerSecond: 1e9)
        let site = Site([ScriptedDevice(name: "gpu", lanes: 2, copying: copying, isSynthetic: true)])
        let model = try site.add()
        for number in 0..<4 { try site.submit(number, to: model) }
        #expect(site.running(0) == 0 && site.running(0, lane: 1) == nil)
        site.devices[0].copyIn(lane: 0)
        #expect(site.running(0, lane: 1) == 1)
        site.devices[0].copyIn(lane: 1)
        site.clock.advance(by: .milliseconds(7))
        let first = try #require(site.devices[0].endKernels(lane: 0))
        #expect(site.running(0) == 2 && site.log[0] == nil)
        site.devices[0].copyIn(lane: 0)
        #expect(site.devices[0].copyOut(first) == nil)
        #expect(site.log[0]?.answer?.isSynthetic == true)
        let second = try #require(site.devices[0].endKernels(lane: 1))
        // Its lane is taken again at once, but not by whom reports.
        #expect(site.running(0, lane: 1) == 3 && site.devices[0].copyOut(second) == nil)
    }

    @Test func `a device that copies is handed its next batch even when one fails before its lane was given away`()
        throws
    {
        let copying = CopyDescription(overhead: .milliseconds(1), bytesPerSecond: 1e9)
        let site = Site([ScriptedDevice(name: "gpu", copying: copying)])
        let model = try site.add()
        for number in 0..<3 { try site.submit(number, to: model) }
        site.devices[0].fail(lane: 0)
        #expect(site.running(0) == 1)
        site.devices[0].copyIn(lane: 0)
        site.devices[0].fail(lane: 0)
        #expect(site.running(0) == 2)
    }

    @Test func `a model is freed on all devices when all that it accepted is answered, and its number is given again`()
        throws
    {
        let site = Site([ScriptedDevice(name: "one"), ScriptedDevice(name: "two")])
        let model = try site.add("a")
        let other = try site.add("b")
        for number in 0..<3 { try site.submit(number, to: model) }
        let freed = Lines()
        site.engine.unload(model) { _ in freed.note("freed") }
        site.maintain()
        try site.submit(3, to: model)
        #expect(site.log[3]?.refusal?.error == ProtocolError(.unavailable, "model 'a' is being unloaded (request 4)"))
        site.devices[0].finish(lane: 0, taking: .milliseconds(5))
        site.devices[1].finish(lane: 0, taking: .milliseconds(5))
        site.maintain()
        #expect(site.devices[0].unloaded.isEmpty && freed.all.isEmpty)
        site.devices[0].finish(lane: 0, taking: .milliseconds(5))
        #expect(site.log[2]?.answer != nil)
        site.maintain()
        #expect(site.devices.map(\.unloaded) == [[0], [0]] && freed.all == ["freed"])
        site.engine.unload(model) { _ in freed.note("again") }
        #expect(freed.all == ["freed", "again"])
        let next = try site.add("c")
        #expect(next.id == model.id && next.id != other.id)
        #expect(site.engine.statistics(of: next).success.count == 0)
        try site.submit(4, to: model)
        #expect(site.log[4]?.refusal?.error.code == .unavailable)
        try site.submit(5, to: next)
        #expect(site.devices[0].running[0]?.model.number == 2)
    }

    @Test func `a model that is unloaded without draining gives up what waits, and is freed when nothing runs`() throws
    {
        let site = Site([ScriptedDevice(name: "one"), ScriptedDevice(name: "two")])
        let model = try site.add("a")
        for number in 0..<3 { try site.submit(number, to: model) }
        // A batch that was taken back still uses it.
        site.devices[1].lose("gone")
        site.engine.unload(model, drains: false)
        #expect([1, 2].allSatisfy { site.log[$0]?.refusal?.error.code == .unavailable })
        site.devices[0].finish(lane: 0, taking: .milliseconds(5))
        #expect(site.log[0]?.answer != nil)
        site.maintain()
        #expect(site.devices[0].unloaded.isEmpty)
        site.devices[1].finish(lane: 0, taking: .milliseconds(5))
        site.maintain()
        #expect(site.devices.map(\.unloaded) == [[0], [0]])
    }
}
