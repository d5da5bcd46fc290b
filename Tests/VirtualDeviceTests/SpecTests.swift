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
        ("l4,spin-us=2000", "spin-us is '2000'"),
    ])
    func whatIsWrongIsNamed(text: String, words: String) {
        let problem = #expect(throws: VirtualSpec.Malformed.self) { try VirtualSpec(text) }
        #expect(problem?.description.contains(words) == true, "\(problem?.description ?? "")")
        #expect(problem?.description.hasPrefix("virtual:\(text)") == true)
    }
}
