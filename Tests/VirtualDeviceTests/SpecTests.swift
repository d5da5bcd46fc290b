// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import VirtualAccelerator

@testable internal import StraitDevices

@Suite struct SpecTests {
    @Test func whatIsNotSaidIsUsual() throws {
        let l4 = try VirtualSpec("l4")
        #expect(l4.kind == .l4 && l4.count == 1 && l4.lanes == 4 && l4.speed == 1 && l4.isNoisy && l4.uplink == nil)
        #expect(l4.spin == 0)
        let fixed = try VirtualSpec("fixed,ms=8")
        #expect(fixed.kind == .fixed(milliseconds: 8) && fixed.lanes == 1 && !fixed.isNoisy)
    }

    @Test func allOfItCanBeSaid() throws {
        let spec = try VirtualSpec("a100,count=4,lanes=3,speed=0.25,seed=7,noise=0,uplink-gb=24,spin-us=50")
        #expect(spec.kind == .a100 && spec.count == 4 && spec.lanes == 3 && spec.speed == 0.25 && spec.seed == 7)
        #expect(!spec.isNoisy && spec.uplink == 24e9 && spec.spin == 50_000)
        #expect(spec.canonicalName == "virtual a100, speed 0.25, 3 lanes, 4 on an uplink of 24.0 GB/s")
        #expect(spec.description.devices.count == 4 && spec.description.uplinks == [24e9])
        #expect(spec.description.devices.allSatisfy { $0.streams == 32 && $0.link.uplink == 0 })
        #expect(spec.description.noise == .none)
    }

    @Test func whatChangesIsInTheDevicesOwnTime() throws {
        let spec = try VirtualSpec("l4,count=4,speed=0.5,clock=0.7@30,1@60.5,lost=2@20-35,0@1,2@40-50")
        #expect(spec.clocks == [.init(factor: 0.7, at: 30), .init(factor: 1, at: 60.5)])
        #expect(
            spec.losses == [
                .init(device: 2, from: 20, until: 35), .init(device: 0, from: 1, until: nil),
                .init(device: 2, from: 40, until: 50),
            ])
        let clock = [ClockChange(at: 15_000_000_000, factor: 0.7), ClockChange(at: 30_250_000_000, factor: 1)]
        #expect(spec.drilled.devices.allSatisfy { $0.clock == clock })
        #expect(
            spec.drilled.devices.map(\.outages) == [
                [Outage(from: 500_000_000, until: .max)], [],
                [
                    Outage(from: 10_000_000_000, until: 17_500_000_000),
                    Outage(from: 20_000_000_000, until: 25_000_000_000),
                ], [],
            ])
        // What is learned is that of the devices, however they are drilled.
        #expect(spec.canonicalName == (try VirtualSpec("l4,count=4,speed=0.5")).canonicalName)
        #expect(spec.description == (try VirtualSpec("l4,count=4,speed=0.5")).description)
    }

    @Test func aCommandLineMayHaveListsOfThem() throws {
        let asked = try DeviceSpecification("virtual:fixed,ms=8,count=2,lost=1@10-15,0@20-21,clock=0.5@3,1@4,lanes=2")
        guard case .virtual(let model, let options) = asked.kind else { throw CancellationError() }
        let spec = try VirtualSpec(model: model, options: options)
        #expect(spec.losses.map(\.device) == [1, 0] && spec.clocks.map(\.factor) == [0.5, 1] && spec.lanes == 2)
    }

    @Test func timesDependOnWhatTheNameSays() throws {
        #expect(try VirtualSpec("l4,seed=1").canonicalName == VirtualSpec("l4,seed=2,count=3").canonicalName)
        #expect(try VirtualSpec("l4,speed=0.5").canonicalName != VirtualSpec("l4").canonicalName)
        #expect(try VirtualSpec("l4,lanes=2").canonicalName != VirtualSpec("l4").canonicalName)
        #expect(try VirtualSpec("l4,lanes=2").hardware == VirtualSpec("l4").hardware)
        #expect(try VirtualSpec("fixed,ms=8").canonicalName != VirtualSpec("fixed,ms=9").canonicalName)
    }

    @Test(arguments: [
        ("", "there is no ''"), ("h100", "there is no 'h100'"), ("l4,count=0", "count is '0'"),
        ("l4,count=65", "count is '65'"), ("l4,count=two", "count is 'two'"),
        ("l4,count", "'count' is not of the form"), ("l4,count=1,count=2", "count is given twice"),
        ("l4,speed=0", "speed is '0'"), ("l4,speed=nan", "speed is 'nan'"), ("l4,speed=inf", "speed is 'inf'"),
        ("l4,speed=-1", "speed is '-1'"), ("l4,seed=-1", "seed is '-1'"),
        ("l4,lanes=257", "lanes is '257'"), ("l4,ms=8", "ms means nothing here"), ("fixed", "add ms=MS"),
        ("fixed,ms=0", "ms is '0'"), ("fixed,ms=8,uplink-gb=1", "uplink-gb means nothing here"),
        ("fixed,ms=8,noise=1", "noise means nothing here"), ("l4,noise=2", "noise is '2'"),
        ("l4,colour=red", "colour means nothing here; there are count, lanes"), ("l4,", "'' is not of the form"),
        ("l4,spin-us=2000", "spin-us is '2000'"), ("l4,clock=0.7", "clock is '0.7'; expected FACTOR@SECONDS"),
        ("l4,clock=0.01@3", "clock is '0.01@3'"), ("l4,clock=0.7@30,1@30", "clock is '1@30'; expected later"),
        ("l4,clock=0.7@nan", "clock is '0.7@nan'"), ("l4,clock=", "clock is ''"),
        ("l4,lost=1@20-35", "lost is '1@20-35'; expected DEVICE@FROM-UNTIL"),
        ("l4,count=2,lost=1@20-20", "lost is '1@20-20'"), ("l4,lost=0@-1-4", "lost is '0@-1-4'"),
        ("l4,lost=0@5-9-12", "lost is '0@5-9-12'"), ("l4,lost=0", "lost is '0'; expected"),
        ("l4,lost=0@5,0@9-10", "lost is '0@9-10'; device 0 is not back"), ("l4,lost=0@5,", "lost is ''; expected"),
        ("l4,count=2,lost=0@5-9,1", "lost is '1'; expected"), ("l4,speed=1,2", "'2' is not of the form"),
    ])
    func whatIsWrongIsNamed(text: String, words: String) {
        let problem = #expect(throws: VirtualSpec.Malformed.self) { try VirtualSpec(text) }
        #expect(problem?.description.contains(words) == true, "\(problem?.description ?? "")")
        #expect(problem?.description.hasPrefix("virtual:\(text)") == true)
    }
}
