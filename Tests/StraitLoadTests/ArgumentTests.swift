// SPDX-License-Identifier: Apache-2.0

internal import StraitLoad
internal import Testing

@Suite struct ArgumentTests {
    @Test func aModelArgumentHoldsEverythingItMay() throws {
        let target = try LoadTarget(
            argument: "minilm,weight=2.5,shape=input_ids:1x64,shape=a:b:7,high-ms=12.5,low-ms=300")
        #expect(target.model == "minilm")
        #expect(target.weight == 2.5)
        #expect(target.shapes == ["input_ids": [1, 64], "a:b": [7]])
        #expect(target.highDeadline == .microseconds(12_500))
        #expect(target.lowDeadline == .milliseconds(300))
        #expect(try LoadTarget(argument: "m,file=a=b.json").requestFile == "a=b.json")
        #expect(try LoadTarget(argument: "m") == LoadTarget(model: "m"))
    }

    @Test(arguments: [
        ("", "model's name first"), ("weight=2", "model's name first"), ("m,weight", "not of the form key=value"),
        ("m,weight=0", "a number above 0"), ("m,weight=nan", "a number above 0"), ("m,colour=red", "unknown key"),
        ("m,shape=x", "expected INPUT:d1xd2"), ("m,shape=x:1x", "expected INPUT:d1xd2"),
        ("m,shape=x:1x-2", "expected INPUT:d1xd2"), ("m,high-ms=soon", "a number above 0"),
        ("m,file=r.json,shape=x:1", "not both"),
    ])
    func aBadModelArgumentSaysWhatIsWrong(argument: String, expected: String) {
        let error = #expect(throws: LoadError.self) { try LoadTarget(argument: argument) }
        #expect(error?.code == .badPlan)
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        ("http://127.0.0.1:8000", "127.0.0.1", 8000, ""), ("localhost", "localhost", 8000, ""),
        ("http://[::1]:81/", "::1", 81, ""), ("[::1]", "::1", 8000, ""), ("host:9/gateway/", "host", 9, "/gateway"),
    ])
    func aURLIsTakenApart(url: String, host: String, port: Int, prefix: String) throws {
        #expect(try ServerAddress(url: url) == ServerAddress(host: host, port: port, pathPrefix: prefix))
    }

    @Test(arguments: ["grpc://host", "ftp://host", "http://", "host:0", "host:65536", "host:http", "[::1]x", ""])
    func aURLThatCannotServeIsRefused(url: String) {
        #expect(throws: LoadError.self) { try ServerAddress(url: url) }
    }

    @Test(arguments: [
        ("grpc://[::1]:81/", "grpc://[::1]:81"), ("localhost", "grpc://localhost:8001"), ("http://a:2", "grpc://a:2"),
        ("https://a:2", "grpcs://a:2"), ("grpcs://a", "grpcs://a:8001"),
    ])
    func aURLOfGRPCIsShownAsOne(url: String, shown: String) throws {
        #expect(try ServerAddress(url: url, transport: .grpc).description == shown)
    }

    @Test(arguments: [
        ("ftp://host", "only grpc://, grpcs://, http://, https:// are"), ("host:0", "grpc://HOST:PORT"),
        ("host/gw", "/gw"),
    ])
    func aURLThatGRPCCannotUseIsRefused(url: String, words: String) {
        let error = #expect(throws: LoadError.self) { try ServerAddress(url: url, transport: .grpc) }
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        ("host", "http://host:8000"), ("https://host/gw", "https://host:8000/gw"), ("grpc://a:2", "grpc://a:2"),
        ("grpcs://[::1]", "grpcs://[::1]:8001"), ("grpc:9", "http://grpc:9"),
    ])
    func aURLSaysWhatIsSpoken(url: String, shown: String) throws {
        let server = try ServerAddress(url: url, transport: nil)
        #expect(server.description == shown)
        #expect(server.isSecure == shown.contains("s://"))
    }

    @Test func aModelsNameIsEncodedInItsPath() throws {
        let server = try ServerAddress(url: "host/gw")
        #expect(server.path(ofModel: "ocr_rec-2.0") == "/gw/v2/models/ocr_rec-2.0")
        #expect(server.path(ofModel: "a b/ü") == "/gw/v2/models/a%20b%2F%C3%BC")
    }

    @Test(arguments: [
        ("10s", Duration.seconds(10)), ("500ms", .milliseconds(500)), ("2m", .seconds(120)),
        ("1.5", .milliseconds(1500)),
        ("0s", .zero),
    ])
    func durationsAreRead(text: String, expected: Duration) throws {
        #expect(try Duration(text: text) == expected)
    }

    @Test(arguments: ["", "s", "-1s", "1h", "nan", "inf", "1 s x"])
    func otherDurationsAreRefused(text: String) {
        #expect(throws: LoadError.self) { try Duration(text: text) }
    }

    @Test func aPlanOutOfRangeIsRefusedByName() throws {
        func message(_ change: (inout LoadPlan) -> Void) -> String {
            var plan = LoadPlan(
                server: ServerAddress(host: "h", port: 1), targets: [LoadTarget(model: "m")],
                pace: .openLoop(requestsPerSecond: 10))
            change(&plan)
            do throws(LoadError) {
                try plan.validate()
                return "valid"
            } catch {
                return error.message
            }
        }
        #expect(message { _ in } == "valid")
        #expect(message { $0.targets = [] }.contains("No model"))
        #expect(message { $0.targets.append(LoadTarget(model: "m")) }.contains("named twice"))
        #expect(message { $0.targets[0].highDeadline = .zero }.contains("deadline"))
        #expect(message { $0.pace = .openLoop(requestsPerSecond: 0) }.contains("rate"))
        #expect(message { $0.pace = .openLoop(requestsPerSecond: .nan) }.contains("rate"))
        #expect(message { $0.pace = .closedLoop(outstanding: 0) }.contains("concurrency"))
        #expect(message { $0.highShare = 1.1 }.contains("high share"))
        #expect(message { $0.duration = .zero }.contains("duration"))
        #expect(message { $0.warmup = .seconds(-1) }.contains("warm-up"))
        #expect(message { $0.threads = 0 }.contains("threads"))
        #expect(message { $0.maximumConnections = 0 }.contains("connections"))
    }
}
