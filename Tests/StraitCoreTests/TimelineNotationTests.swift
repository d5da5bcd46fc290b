// SPDX-License-Identifier: Apache-2.0

internal import Testing

/// The notation of timelines itself: what is not as written is found, and said.
@Suite struct TimelineNotationTests {
    private static let beginning = """
        policy fifo
        device cpu, 1 lane
        model net, 10 ms a row
         0 ms  low A due 100

        """
    private static let end = """

        10 ms  lane 0 done
               => A met
        """

    @Test func `what is as written passes`() {
        #expect(difference(Self.beginning + "=> lane 0: A" + Self.end) == nil)
    }

    @Test(arguments: ["=> lane 0: B", "=> lane 1: A", "=> A met", "=> nothing", "=> lane 0: A\n=> lane 0: A"])
    func `what is not fails, with both sides to see`(outcome: String) throws {
        let found = try #require(difference(Self.beginning + outcome + Self.end))
        #expect(found.hasPrefix("not as line 4 of the timeline says"))
        #expect(found.contains("!"))
    }

    @Test func `what comes too late fails`() throws {
        let found = try #require(difference(Self.beginning + "=> lane 0: A\n110 ms  lane 0 done\n=> A met"))
        #expect(found.contains("=> A met ") && found.hasSuffix("|            => A late\n"))
    }

    @Test func `a request that is left open is found`() throws {
        let found = try #require(difference(Self.beginning + "=> lane 0: A"))
        #expect(found.contains("A never answered"))
    }

    @Test(arguments: ["lane 1 done", "gpu lane 0 done", "batch of B done", "cancel B", "low B of two due 50"])
    func `what cannot happen is said`(event: String) throws {
        let found = try #require(difference(Self.beginning + "=> lane 0: A\n5 ms  \(event)" + Self.end))
        #expect(found.contains("that cannot be: there is no such"))
    }

    @Test(arguments: [
        "policy best", "device cpu, 1", "model net, 10 ms", "=> A met", "0 ms  low due 5", "0 ms  low A",
        "0 ms  lane 0 breaks", "0 ms  lane 0 done twice", "5  low A due 7", "0 ms  medium A due 5",
    ])
    func `a line that cannot be read is named`(line: String) throws {
        let found = try #require(difference("# a remark\n\(line)"))
        #expect(found.hasPrefix("line 2: expected "))
        #expect(found.hasSuffix(line))
    }
}
