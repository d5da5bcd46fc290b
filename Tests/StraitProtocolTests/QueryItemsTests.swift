// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol
internal import Testing

/// What stands behind a question mark.
@Suite struct QueryItemsTests {
    @Test func `parameters are decoded`() throws {
        let items = try QueryItems("a=1&b=two+words%21&c", known: ["a", "b", "c", "d"])
        #expect(items["a"] == "1" && items["b"] == "two words!" && items["c"] == "" && items["d"] == nil)
        #expect(try items.integer("a", in: 1...5) == 1)
        #expect(try items.integer("d", in: 1...5) == nil)
        #expect(try QueryItems("", known: []).isEmpty)
        #expect(try QueryItems("&&", known: []).isEmpty)
    }

    @Test(arguments: ["x=1", "a=1&a=2", "a=%f", "a=%ff", String(repeating: "a=1&", count: 40)])
    func `slips are errors`(text: String) {
        #expect(throws: ProtocolError.self) { try QueryItems(text, known: ["a"]) }
    }

    @Test(arguments: ["a=", "a=0", "a=6", "a=1.5", "a=99999999999999999999"])
    func `numbers are in their range`(text: String) throws {
        let items = try QueryItems(text, known: ["a"])
        #expect(throws: ProtocolError.self) { try items.integer("a", in: 1...5) }
    }

    @Test func `only watching endpoints are told the query`() {
        func query(_ target: String) -> String?? {
            guard case .found(let route) = Route.find(method: "GET", target: target) else { return nil }
            return .some(route.query)
        }
        #expect(query("/v2/strait/decisions?request=7") == .some("request=7"))
        #expect(query("/v2/strait/decisions/?request=7&x=?") == .some("request=7&x=?"))
        #expect(query("/v2/strait/state") == .some(nil))
        #expect(query("/v2?x=1") == .some(nil))
    }
}
