// SPDX-License-Identifier: Apache-2.0

// How many requests of the centre scenario a core simulates in a second under each policy, and how that compares to
// `edf-priority`: processor time, the least of three runs of 30 simulated seconds. `make bench-sim`.

internal import Glibc
internal import StraitCore
internal import StraitSimulation

/// Processor time of this process in seconds.
func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func pad(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

/// A number with two decimal places.
func hundredths(_ value: Double) -> String {
    let whole = Int((value * 100).rounded())
    return "\(whole / 100)." + (whole % 100 < 10 ? "0" : "") + "\(whole % 100)"
}

/// `SimulationSpeed centre strait 600` runs that alone once, for so many simulated seconds: for a profiler.
let only = Array(CommandLine.arguments.dropFirst())
var scenario = try ScenarioLibrary.scenario(named: only.first ?? "centre")
scenario.warmUp = .zero
scenario.duration = .seconds(only.count > 2 ? Double(only[2]) ?? 60 : 30)
let policies = PolicyName.allCases.filter { only.count < 2 || $0.rawValue == only[1] }
let rounds = only.count < 2 ? 3 : 1

var requests = 0.0
var least = [Double](repeating: .infinity, count: policies.count)
// In turn, so that whatever else goes on in the machine meets all of them.
for _ in 0..<rounds {
    for (index, policy) in policies.enumerated() {
        let start = processorTime()
        let result = try Simulation.run(scenario, PolicySetup(policy), seed: 0)
        least[index] = min(least[index], processorTime() - start)
        requests = Double(result.classes.reduce(0) { $0 + $1.arrivals })
    }
}
let reference = zip(policies, least).first { $0.0 == .edfPriority }?.1 ?? least.first ?? 1
print("\(pad("policy", 26))\(pad("requests a second", 20))\(pad("µs a request", 15))\(pad("ratio of times", 17))")
for (policy, time) in zip(policies, least) {
    print(
        "\(pad(policy.rawValue, 26))\(pad("\(Int(requests / time))", 20))\(pad(hundredths(time / requests * 1e6), 15))"
            + pad(hundredths(time / reference), 17))
}
