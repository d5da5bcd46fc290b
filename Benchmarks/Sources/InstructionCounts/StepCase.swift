// SPDX-License-Identifier: Apache-2.0

internal import SchedulerLoad
internal import StraitCore

/// A step of the scheduler under load, with the little that the load itself does.
struct StepCase: CountedCase {
    let policy: PolicyName
    let devices: Int
    let models: Int
    let waiting: Int
    let repetitions: (few: Int, many: Int)
    /// Decisions that are kept.
    var explanations = 0

    var name: String {
        "step/\(policy.rawValue)\(explanations > 0 ? "+log" : "")/\(devices)x\(models)/\(waiting)"
    }

    static let all: [StepCase] = {
        let small: [PolicyName] = [.strait, .edfPriority, .edfPriorityEWMAGate, .orion, .exclusive, .clockwork, .fifo]
        return small.map { StepCase(policy: $0, devices: 1, models: 6, waiting: 10, repetitions: (1000, 3000)) }
            + [PolicyName.strait, .edfPriority].flatMap { policy in
                [(1, 6, 1000), (8, 64, 10), (8, 64, 1000)].map { devices, models, waiting in
                    StepCase(
                        policy: policy, devices: devices, models: models, waiting: waiting, repetitions: (500, 1500))
                }
            }
            // As a server keeps them.
            + [(1, 6, 10), (8, 64, 1000)].map { devices, models, waiting in
                StepCase(
                    policy: .strait, devices: devices, models: models, waiting: waiting, repetitions: (2500, 4500),
                    explanations: 2048)
            }
    }()

    func run(_ repetitions: Int) -> Int {
        var machine = Machine(
            policy: policy, devices: devices, models: models, explanations: explanations)
        for _ in 0..<waiting { machine.arrive() }
        let before = machine.steps
        for _ in 0..<repetitions { machine.advance() }
        return machine.steps - before
    }
}
