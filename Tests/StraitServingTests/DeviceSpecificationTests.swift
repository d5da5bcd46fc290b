// SPDX-License-Identifier: Apache-2.0

internal import StraitDevices
internal import Testing

@Suite struct DeviceSpecificationTests {
    @Test func `kinds and their options are told apart`() throws {
        #expect(try DeviceSpecification("cpu").kind == .cpu(cores: nil, lanes: nil))
        #expect(try DeviceSpecification("cpu:lanes=3").kind == .cpu(cores: nil, lanes: 3))
        // What has no equals sign belongs to what is before it.
        #expect(try DeviceSpecification("cpu:cores=0,2-3,lanes=2").kind == .cpu(cores: [0, 2, 3], lanes: 2))
        #expect(try DeviceSpecification("cuda").kind == .cuda(index: 0, options: []))
        guard case .cuda(1, let cuda) = try DeviceSpecification("cuda:1,lanes=4").kind,
            case .virtual("l4", let l4) = try DeviceSpecification("virtual:l4,count=4,speed=0.1").kind,
            case .virtual("fixed", let fixed) = try DeviceSpecification("virtual:fixed,ms=8").kind
        else {
            Issue.record("another kind")
            return
        }
        #expect(cuda.map(\.key) == ["lanes"] && cuda.map(\.value) == ["4"])
        #expect(l4.map(\.key) == ["count", "speed"] && l4.map(\.value) == ["4", "0.1"])
        #expect(fixed.map(\.value) == ["8"])
    }

    @Test func `a fault can be planned on any of them`() throws {
        let lost = try DeviceSpecification("cpu:cores=1,fault=lost,fault-after=200,fault-ms=1500")
        #expect(lost.kind == .cpu(cores: [1], lanes: nil))
        #expect(lost.fault == FaultPlan(kind: .lost, afterBatches: 200, milliseconds: 1500))
        #expect(try DeviceSpecification("virtual:l4,fault=hang").fault?.kind == .hang)
        #expect(try DeviceSpecification("cuda:0").fault == nil)
    }

    @Test(arguments: [
        ("gpu", "there are cpu, cuda:N and virtual:NAME"), ("", "there are"), ("cuda:x", "a GPU's number"),
        ("cuda:-1", "a GPU's number"), ("virtual", "a device to simulate"), ("cpu:cores=x", "expected a list"),
        ("cpu:lanes=0", "expected 1 to 256"), ("cpu:lanes=2,lanes=3", "given twice"),
        ("cpu:speed=1", "no option 'speed'"),
        ("cpu:2", "'2' is no option"), ("cpu:fault=explodes", "there are lost, hang, fail"),
        ("cpu:fault-ms=5", "need fault"), ("virtual:l4,4", "expected KEY=VALUE, found '4'"),
    ])
    func `what is misspelled is named`(text: String, expected: String) {
        do throws(DeviceSpecification.Misspelling) {
            let read = try DeviceSpecification(text)
            Issue.record("\(text) was read as \(read)")
        } catch {
            #expect(error.description.hasPrefix("--device \(text): "))
            #expect(error.description.contains(expected), "\(error)")
        }
    }
}
