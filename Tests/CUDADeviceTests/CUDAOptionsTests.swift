// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime
internal import StraitDevices
internal import Testing

@Suite struct CUDAOptionsTests {
    private func options(_ text: String) throws(DeviceSpecification.Misspelling) -> CUDAOptions? {
        let specification = try DeviceSpecification(text)
        guard case .cuda(let index, let options) = specification.kind else { return nil }
        return try CUDAOptions(ordinal: index, options, of: text)
    }

    @Test func `what is said counts, and the rest is as usual`() throws {
        #expect(try options("cuda:0") == CUDAOptions(ordinal: 0))
        var expected = CUDAOptions(ordinal: 3)
        (expected.lanes, expected.usesPriorities, expected.usesGraphs) = (5, false, true)
        (expected.memoryBudget, expected.stagingBudget, expected.provider) = (4096 << 20, 64 << 20, .tensorrt)
        #expect(
            try options("cuda:3,lanes=5,priorities=off,graphs=on,memory=4096,staging=64,provider=tensorrt") == expected)
    }

    @Test(arguments: [
        "cuda:0,lanes=0", "cuda:0,lanes=65", "cuda:0,graphs=yes", "cuda:0,memory=0", "cuda:0,provider=cpu",
        "cuda:0,speed=2",
    ]) func `a mistake is named with what was expected`(text: String) {
        do throws(DeviceSpecification.Misspelling) {
            _ = try options(text)
            Issue.record("\(text) was taken")
        } catch {
            #expect(error.description.hasPrefix("--device \(text): "))
        }
    }
}
