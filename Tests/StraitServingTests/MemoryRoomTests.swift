// SPDX-License-Identifier: Apache-2.0

internal import StraitPlatform
internal import Testing

@Suite struct MemoryRoomTests {
    @Test func `what is left is less than any machine has, and not nothing`() throws {
        let left = try #require(MemoryRoom.left())
        #expect(left > 0 && left < 1 << 50)
    }
}
