// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitCore

/// The log of decisions has so much room, and uses it over and over.
@Suite struct DecisionLogRoomTests {
    @Test func `a short log tells the same as a long one, as far as it goes back`() {
        for seed in 0..<UInt64(35) {
            var short = RandomRun(seed: seed, explanations: 20)
            var long = RandomRun(seed: seed, explanations: 100_000)
            short.play()
            long.play()
            let told = (short.harness.scheduler.decisions?.records ?? []).map { "\($0)" }
            let all = (long.harness.scheduler.decisions?.records ?? []).map { "\($0)" }
            #expect(told == all.suffix(told.count), "seed \(seed)")
            #expect(told.count == min(20, all.count), "seed \(seed)")
        }
    }

    @Test(arguments: 0..<4)
    func `large decisions take the place of more small ones, and none is mixed with another`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        // Room for 128 options, 1024 names and 8192 members.
        var log = DecisionLog(capacity: 8)
        var expected: [String] = []
        var batches = BatchTable()
        var requests = RequestTable()
        for number in 0..<300 {
            let now = Instant(nanoseconds: Int64(number))
            log.beginWeighing()
            let count = Int.random(in: 0...40, using: &generator)
            let chosen = count > 0 ? Int.random(in: 0..<count, using: &generator) : nil
            var options: [String] = []
            for place in 0..<count {
                let first = log.namesWeighed
                let names = (0..<Int.random(in: 0...12, using: &generator)).map {
                    RequestID(slot: UInt32(number), generation: UInt32(place * 100 + $0))
                }
                for name in names { log.name(name) }
                let option = PackedOption(
                    model: UInt32(place), rows: UInt32(number), device: 3, firstName: UInt16(first),
                    nameCount: UInt16(names.count), requestClass: .high, isAdmitted: place % 3 > 0,
                    loss: place % 2 == 0 ? .nan : 1.5,
                    prediction: BoundedFinish(.milliseconds(1), from: now, Calibration()), regret: Double(place),
                    harm: 2, slack: 3, rank: 4)
                log.weigh(option, isChosen: place == chosen)
                let whole = Array(repeating: RequestID(slot: 0, generation: 0), count: first) + names
                options.append("\(option.option(whole))")
            }
            let weighing = count > 0 ? "\(chosen as Int?) \(options)" : "nil"
            switch Int.random(in: 0..<3, using: &generator) {
            case 0:
                let before = log.added
                log.addWait(at: now, arrivals: UInt64(number))
                if count > 0, log.added == before { expected.removeLast() }
                if count > 0 { expected.append("wait \(number) \(weighing)") }
            case 1:
                // One that is passed over is logged before what is staged in its stead.
                log.addShedding(
                    Self.record(number), .hopelessInQueue, predictedFinish: now, .expired, at: now, arrivals: 0)
                expected.append("shed \(number)")
                fallthrough
            default:
                let members = (0..<Int.random(in: 1...3000, using: &generator)).map {
                    RequestID(slot: UInt32($0), generation: 1)
                }
                let id = batches.open(
                    device: DeviceID(index: 0), lane: LaneID(index: 0),
                    work: WorkShape(model: ModelID(index: 0), bucket: 0), phase: .running, at: now)
                for member in members where requests[member] == nil {
                    let request = Request(
                        id: member, work: WorkShape(model: ModelID(index: 0), bucket: 0), shape: ShapeID(number: 0),
                        requestClass: .low, rows: 1, deadline: now)
                    requests.insert(request, state: .running(id), arrival: UInt64(member.slot) + 7, key: now)
                }
                batches.modify(id) { $0.members = members }
                log.addStaging(
                    batches[live: id], BoundedFinish(.milliseconds(1), from: now, Calibration()), .policy, requests,
                    at: now, arrivals: UInt64(number))
                batches.close(id)
                expected.append("staged \(number) \(members.count) \(weighing)")
            }
            let told = log.records.map(Self.words)
            #expect(told == expected.suffix(told.count))
            #expect(told.count >= 2 || expected.count < 2)
            if told != expected.suffix(told.count) { return }
            expected = expected.suffix(16)
        }
    }

    @Test func `small decisions take little room, and larger ones more, up to the limit`() {
        var log = DecisionLog(capacity: 2048)
        func decide(_ count: Int, options: Int) {
            for number in 0..<count {
                log.beginWeighing()
                for place in 0..<options {
                    log.name(RequestID(slot: UInt32(number), generation: UInt32(place)))
                    log.weigh(
                        PackedOption(
                            model: UInt32(place), rows: 1, device: 0, firstName: UInt16(place), nameCount: 1,
                            requestClass: .low, isAdmitted: true, loss: 0,
                            prediction: BoundedFinish(.milliseconds(1), from: .zero, Calibration()), regret: 0, harm: 0,
                            slack: 0, rank: Double(number)),
                        isChosen: place == 0)
                }
                log.addWait(at: .zero, arrivals: 0)
                // Else the next wait would take this one's place.
                log.addShedding(
                    Self.record(number), .hopelessInQueue, predictedFinish: .zero, .expired, at: .zero, arrivals: 0)
            }
        }
        decide(10_000, options: 1)
        #expect(log.records.count == 2048)
        // A thousand waits, each with an option and one that is weighed now.
        #expect(log.options.room == 2048)
        #expect(log.names.room == 2048)
        #expect(log.members.room == 1024)
        decide(5000, options: 40)
        #expect(log.options.room == 32_768)
        #expect(log.options.limit == 32_768)
        var waits = 0
        for case .waited(let weighing) in log.records.map(\.what) {
            #expect(weighing.options.count == 40)
            waits += 1
        }
        #expect(waits == 32_768 / 40)
    }

    private static func record(_ number: Int) -> RequestRecord {
        RequestRecord(
            request: Request(
                id: RequestID(slot: UInt32(number), generation: 0),
                work: WorkShape(model: ModelID(index: 0), bucket: 0),
                shape: ShapeID(number: 0), requestClass: .low, rows: 1, deadline: .never), state: .free, arrival: 0,
            key: .never)
    }

    private static func words(_ record: DecisionRecord) -> String {
        func words(_ weighing: Weighing?) -> String {
            guard let weighing else { return "nil" }
            return "\(weighing.chosen as Int?) \(weighing.options.map(plain))"
        }
        switch record.what {
        case .waited(let weighing): return "wait \(record.arrivals) \(words(weighing))"
        case .shed(let shed): return "shed \(shed.request.slot)"
        case .staged(let staged):
            let isWhole = staged.members.enumerated().allSatisfy {
                $0.element.request.slot == UInt32($0.offset) && $0.element.arrival == UInt64($0.offset) + 7
            }
            return "staged \(record.arrivals) \(isWhole ? staged.members.count : -1) \(words(staged.weighing))"
        }
    }

    private static func plain(_ option: Weighing.Option) -> String { "\(option)" }
}
