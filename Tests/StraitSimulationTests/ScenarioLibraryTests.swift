// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitSimulation
internal import Testing
internal import VirtualAccelerator

@Suite struct ScenarioLibraryTests {
    private static let names = [
        "centre", "high-10", "high-50", "deadline-2", "deadline-5", "deadline-2-6", "deadline-random", "small-high",
        "large-high", "sixteen", "disb-a", "disb-b", "disb-c", "disb-d", "disb-e", "slow-bus", "large-inputs",
        "devices-2", "devices-4", "devices-8", "a100", "stream-priority", "clock", "model-drift", "neighbour",
        "lost-device", "unseen-model", "cold-start",
    ]

    @Test func `the library has these scenarios, each with a line about it`() throws {
        #expect(ScenarioLibrary.names == Self.names)
        for name in Self.names {
            let description = try #require(ScenarioLibrary.description(of: name))
            #expect((20...62).contains(description.count) && !description.contains("\n"), "\(description)")
            #expect(try ScenarioLibrary.scenario(named: name).name == name)
        }
        #expect(Set(Self.names.map { ScenarioLibrary.description(of: $0) }).count == Self.names.count)
        #expect(ScenarioLibrary.description(of: "center") == nil)
        #expect(try ScenarioLibrary.scenario(named: "centre") == ScenarioLibrary.centre)
    }

    @Test func `the page about the library names each`() throws {
        let root = "\(#filePath)".split(separator: "/").dropLast(3).joined(separator: "/")
        let page = String(decoding: try Files.read("/\(root)/docs/scenarios.md", limit: 1 << 20), as: UTF8.self)
        let lines = page.split(separator: "\n").filter { $0.hasPrefix("| ") }
        for name in Self.names { #expect(lines.contains { $0.contains("`\(name)`") }, "\(name) is not on the page") }
    }

    @Test(arguments: names) func `each runs, brings its load, and differs from centre`(name: String) throws {
        var scenario = try ScenarioLibrary.scenario(named: name)
        if name != "centre" {
            var centre = ScenarioLibrary.centre
            centre.name = name
            #expect(scenario != centre)
        }
        // As many requests for each, however many devices there are.
        scenario.duration = .seconds(16 / Double(scenario.devices))
        let arrivals = scenario.arrivals(seed: 1)
        let work = arrivals.reduce(0.0) { sum, arrival in
            let model = scenario.models[arrival.model]
            return sum + Double(model.kernels.soloTime(rows: model.referenceRows)) / Double(model.referenceRows)
        }
        // A sixth of it comes for two thirds of the time only.
        let load = name == "unseen-model" ? 17.0 / 18 : scenario.load
        // Clumped requests need longer to come to their mean.
        let bound = scenario.arrivals == .gamma ? 0.08 : 0.04
        let measured = work / 1e9 / scenario.duration.seconds / Double(scenario.devices)
        #expect((measured / load - 1).magnitude < bound, "\(measured) instead of \(load)")
        let high = arrivals.filter { $0.requestClass == .high }.count
        #expect((Double(high) / Double(arrivals.count) - scenario.highShare).magnitude < 0.02)
        scenario.duration = .seconds(1)
        scenario.warmUp = .zero
        let result = try Simulation.run(scenario, PolicySetup(.edfPriority), seed: 1)
        #expect(result[.high].met > 0 && result[.low].met > 0)
    }

    /// Requests a second of each model and class, in the given load.
    private func rates(_ name: String) throws -> [(name: String, high: Double, low: Double)] {
        let scenario = try ScenarioLibrary.scenario(named: name)
        return zip(scenario.models, scenario.arrivalRates(weights: scenario.models.map(\.weight))).map { model, rate in
            let high = model.highShare ?? scenario.highShare
            return (model.kernels.name, rate * high, rate * (1 - high))
        }
    }

    @Test func `small and large models have a class each`() throws {
        for (name, small) in [("small-high", true), ("large-high", false)] {
            for rate in try rates(name) {
                let isSmall = ["resnet-50", "inception-v3", "bert-base"].contains(rate.name)
                #expect((rate.low == 0) == (isSmall == small) && (rate.high == 0) == (isSmall != small), "\(rate)")
            }
            let all = try rates(name)
            let share = all.reduce(0) { $0 + $1.high } / all.reduce(0) { $0 + $1.high + $1.low }
            #expect((share - 0.3).magnitude < 0.01)
        }
    }

    @Test func `sixteen models share device time as Zipf says`() throws {
        let scenario = try ScenarioLibrary.scenario(named: "sixteen")
        #expect(scenario.models.count == 16 && Set(scenario.models.map(\.kernels.name)).count == 16)
        #expect(Set(scenario.models.map(\.kernels.seed)).count == 16)
        for (rank, pair) in zip(1..., zip(scenario.models, try rates("sixteen"))) {
            let perRow =
                Double(pair.0.kernels.soloTime(rows: pair.0.referenceRows)) / Double(pair.0.referenceRows) / 1e9
            // 1 + 1/2 + … + 1/16 is 3.38073.
            #expect(((pair.1.high + pair.1.low) * perRow * Double(rank) - 1 / 3.38073).magnitude < 1e-5)
        }
    }

    @Test func `the workloads of DISB keep the proportions of their rates`() throws {
        let published: [String: [(String, Double, Double)]] = [
            "disb-a": [("vgg-16", 100, 0), ("resnet-152", 0, 100)],
            "disb-b": [("vgg-16", 220, 0), ("resnet-152", 0, 220)],
            "disb-c": [
                ("vgg-16", 100, 100), ("densenet-121", 0, 200), ("bert-base", 0, 100), ("resnet-152", 0, 100),
            ],
            "disb-d": [
                ("vgg-16", 20, 100), ("resnet-152", 20, 100), ("densenet-121", 20, 200), ("inception-v3", 20, 0),
                ("bert-base", 20, 100),
            ],
        ]
        for (name, expected) in published {
            let rates = try rates(name)
            let total = rates.reduce(0) { $0 + $1.high + $1.low } / expected.reduce(0) { $0 + $1.1 + $1.2 }
            #expect(rates.map(\.name) == expected.map(\.0))
            for (rate, wanted) in zip(rates, expected) {
                #expect(
                    (rate.high / total - wanted.1).magnitude < 1e-6 && (rate.low / total - wanted.2).magnitude < 1e-6)
            }
        }
        #expect(try rates("disb-d").map(\.high) == rates("disb-e").map(\.high))
    }

    @Test func `a second class of GPU is faster, most of all by the row, and its link is not`() throws {
        let (l4, a100) = (ScenarioLibrary.centre, try ScenarioLibrary.scenario(named: "a100"))
        #expect(l4.link == a100.link)
        for (slow, fast) in zip(l4.models, a100.models) {
            #expect(fast.kernels.baseTime == slow.kernels.baseTime * 6 / 10)
            #expect(fast.kernels.timePerRow == slow.kernels.timePerRow * 3 / 10)
            #expect(fast.kernels.demand.compute < slow.kernels.demand.compute)
        }
    }
}
