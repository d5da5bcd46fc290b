// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitProtocol

@Suite struct RouteTests {
    @Test(arguments: [
        ("GET", "/v2", Route(.serverMetadata)), ("GET", "/v2/", Route(.serverMetadata)),
        ("GET", "/v2/health/live?x=/v2/models", Route(.live)), ("GET", "/v2/models/stats", Route(.statistics)),
        ("GET", "/v2/models/m", Route(.modelMetadata, model: "m")),
        ("GET", "/v2/models/m/versions/3/ready", Route(.modelReady, model: "m", version: "3")),
        ("POST", "/v2/models/a%2Fb%20c/infer", Route(.infer, model: "a/b c")),
        ("POST", "/v2/models/m/versions/12/infer", Route(.infer, model: "m", version: "12")),
        ("POST", "/v2/repository/models/m/load", Route(.loadModel, model: "m")),
        ("GET", "/v2/models/m/trace/setting", Route(.traceSettings, model: "m")),
        ("POST", "/v2/trace/setting", Route(.updateTraceSettings)),
        ("POST", "/v2/systemsharedmemory/region/r%C3%A9/register", Route(.registerSharedMemory, region: "ré")),
        ("POST", "/v2/systemsharedmemory/unregister", Route(.unregisterSharedMemory)),
        ("GET", "/v2/cudasharedmemory/status", Route(.cudaMemoryStatus)),
        ("GET", "/", Route(.page)), ("GET", "/?x=1", Route(.page)), ("GET", "/v2/strait/events", Route(.events)),
        ("GET", "/dashboard/app.js", Route(.page, file: "app.js")),
    ]) func `paths of the protocol are found`(_ method: String, _ target: String, _ route: Route) {
        #expect(Route.find(method: method, target: target) == .found(route))
    }

    @Test(arguments: [
        "/v1", "/v2/health", "/v2/models", "/v2/models/m/nothing", "/v2/models/m/versions",
        "/v2/models/m/versions/1/2", "/v2/models/%zz", "/v2/models/%f", "/v2/models/%ff", "/v2/repository/models/m",
        "/v2/systemsharedmemory/region", "/v2/systemsharedmemory/region/r", "/V2",
    ]) func `other paths are not`(_ target: String) {
        #expect(Route.find(method: "GET", target: target) == .unknown)
    }

    @Test func `of a path with another method the methods are told`() {
        #expect(Route.find(method: "DELETE", target: "/v2/logging") == .wrongMethod([.get, .post]))
        #expect(Route.find(method: "GET", target: "/v2/models/m/infer") == .wrongMethod([.post]))
        #expect(Route.find(method: "get", target: "/v2") == .wrongMethod([.get]))
        #expect(Route.find(method: "POST", target: "/v2/models/stats") == .wrongMethod([.get]))
    }

    @Test func `each operation has a path, and no method and path mean two`() {
        #expect(Set(Endpoint.all.map(\.operation)) == Set(Operation.allCases))
        #expect(Set(Endpoint.all.map { $0.verb.rawValue + $0.path }).count == Endpoint.all.count)
    }

    @Test func `the document has every path, and only schemas that are there`() {
        let document = Documents.openAPI(serverVersion: "1.2.3", models: ["a"])
        #expect(isJSON(document))
        let words = text(document)
        for endpoint in Endpoint.all where !endpoint.operation.isDashboard {
            #expect(words.contains("\"\(endpoint.path)\":{"), "\(endpoint.path)")
        }
        #expect(!words.contains("dashboard"), "a page is no part of the API")
        let names = words.components(after: "#/components/schemas/")
        #expect(names.count > 20)
        let known = Set(OpenAPISchema.all.map(\.name))
        for name in names { #expect(known.contains(name), "\(name)") }
        #expect(known.subtracting(names).isEmpty, "named and never meant")
    }
}

extension String {
    /// What stands between each place where the words are and the next quote.
    fileprivate func components(after words: String) -> [String] {
        var found: [String] = []
        var rest = self[...]
        while let place = rest.firstRange(of: words) {
            rest = rest[place.upperBound...]
            found.append(String(rest.prefix { $0 != "\"" }))
        }
        return found
    }
}
