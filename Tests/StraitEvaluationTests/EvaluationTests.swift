// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore
internal import StraitFormats
internal import StraitSimulation
internal import Testing

@testable import StraitEvaluation

@Suite struct EvaluationTests {
    /// A folder that is gone after the test.
    private final class Folder {
        let path: String

        init() throws {
            var template = Array("\(Self.temporary)/strait-evaluation-XXXXXX".utf8CString)
            let made = template.withUnsafeMutableBufferPointer { template in
                template.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
            }
            path = try #require(made)
        }

        deinit {
            unlink(store)
            rmdir(path)
        }

        var store: String { path + "/runs.jsonl" }

        func lines() throws -> [String] {
            String(decoding: try Files.read(store, limit: 1 << 24), as: UTF8.self).split(separator: "\n").map(
                String.init)
        }

        private static let temporary = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    }

    /// Two cells under some policies with two seeds, each only a moment long.
    private func plan(_ policies: [PolicyName] = [.triton]) -> MatrixPlan {
        var scenario = ScenarioLibrary.centre
        scenario.warmUp = .seconds(0.1)
        scenario.duration = .seconds(0.4)
        return MatrixPlan(
            runs: [0.8, 1.2].flatMap { load in
                policies.flatMap { policy in
                    [UInt64(7), 8].map { seed in
                        scenario.load = load
                        return PlannedRun(scenario, PolicySetup(policy), seed: seed, axes: [.core, .pareto])
                    }
                }
            })
    }

    private func options(threads: Int = 1, code: String = "", fresh: Bool = false) -> Evaluation.Options {
        var options = Evaluation.Options()
        options.threads = threads
        options.code = code
        options.fresh = fresh
        return options
    }

    @Test func oneThreadAndTwoGiveTheSameBytes() throws {
        let (one, two) = (try Folder(), try Folder())
        let both = plan([.triton, .edfPriority])
        let first = try Evaluation(both, store: one.store, options: options(threads: 1)).run { _ in }
        let second = try Evaluation(both, store: two.store, options: options(threads: 2)).run { _ in }
        #expect(first == second)
        #expect(try one.lines().sorted() == two.lines().sorted())
        #expect(try one.lines().count == 8)
        // In the order of the plan, once for each axis.
        #expect(first.map(\.seed) == [7, 7, 8, 8, 7, 7, 8, 8, 7, 7, 8, 8, 7, 7, 8, 8])
        #expect(first.map(\.axis).prefix(3) == [.core, .pareto, .core])
    }

    @Test func whatIsInTheStoreIsNotRunAgain() throws {
        let folder = try Folder()
        let whole = try Evaluation(plan(), store: folder.store, options: options()).run { _ in }
        let lines = try folder.lines()
        // As if the process had ended in the middle of the third line.
        let torn = lines.prefix(2).joined(separator: "\n") + "\n" + lines[2].prefix(100)
        try write(torn, to: folder.store)
        let made = Shared(0)
        let again = try Evaluation(plan(), store: folder.store, options: options()).run { progress in
            made.set { $0 = max($0, progress.done) }
            #expect(progress.done >= 2)
        }
        #expect(made.set { $0 } == 4)
        #expect(again == whole)
        #expect(try folder.lines() == lines)
    }

    @Test func anotherVersionRunsAgainAndFreshForgets() throws {
        let folder = try Folder()
        _ = try Evaluation(plan(), store: folder.store, options: options()).run { _ in }
        let lines = try folder.lines()
        _ = try Evaluation(plan(), store: folder.store, options: options(code: "new")).run { _ in }
        #expect(try folder.lines().count == 2 * lines.count)
        _ = try Evaluation(plan(), store: folder.store, options: options(fresh: true)).run { _ in }
        #expect(try folder.lines() == lines)
    }

    @Test func aDamagedLineIsNamed() throws {
        let folder = try Folder()
        try write("{\"key\":\"a\"}\n", to: folder.store)
        let error = #expect(throws: EvaluationError.self) {
            _ = try Evaluation(plan(), store: folder.store, options: options()).run { _ in }
        }
        #expect(error?.message.contains("runs.jsonl:1: ") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("--fresh") == true)
    }

    @Test func aRunThatCannotBeMadeStopsAndKeepsTheStore() throws {
        let folder = try Folder()
        var scenario = ScenarioLibrary.centre
        scenario.warmUp = .seconds(0.1)
        scenario.duration = .seconds(0.4)
        let good = PlannedRun(scenario, PolicySetup(.triton), seed: 1, axes: [.core])
        scenario.load = -1
        let bad = PlannedRun(scenario, PolicySetup(.triton), seed: 1, axes: [.core])
        let error = #expect(throws: EvaluationError.self) {
            _ = try Evaluation(MatrixPlan(runs: [good, bad, good]), store: folder.store, options: options()).run { _ in
            }
        }
        #expect(try folder.lines().count == 1)
        #expect(error?.code == .failedRun)
        #expect(error?.message.contains("centre") == true)
    }

    private func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }
}
