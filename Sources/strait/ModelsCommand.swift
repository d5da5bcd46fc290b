// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import OnnxRuntime
internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

/// `strait models`: lists and checks a repository without serving it.
struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "List the models of a repository and check that each can be served.",
        discussion: """
            Loads every model once, as serve would, and prints what it takes and gives. Exits with 1 if a model cannot be \
            served.

            EXAMPLE
              strait models models
            """)

    @Argument(help: "The folder of models, in Triton's layout.")
    var directory: String

    @OptionGroup var onnxRuntime: OnnxRuntimeOptions

    func run() throws {
        do {
            try list()
        } catch let error as ExitCode {
            throw error
        } catch {
            Console.log("strait models: \(error)")
            throw ExitCode.failure
        }
    }

    private func list() throws {
        let environment = try Environment(library: try onnxRuntime.load())
        let pool = SlabPool(budget: 1 << 20)
        let device = CPUDevice(laneCount: 1, cores: [0], environment: environment, pool: pool)
        // An engine that is never started: loading is the same as for serving.
        let engine = Engine(policy: .strait, device: device)
        let line = StatusLine(quiet: false)
        let catalog = try ModelCatalog(repository: directory, engine: engine, pool: pool) {
            if $0.event == nil { line.show($0.text) }
        }
        line.clear()
        for version in catalog.all {
            switch version {
            case .served(let model): print(Self.describe(model.specification))
            case .unavailable(let name, let version, let reason):
                print("\(name)\(version.map { " version \($0)" } ?? ""): UNAVAILABLE\n  \(reason)")
            }
        }
        for warning in catalog.warnings { print("warning: \(warning)") }
        if catalog.all.isEmpty {
            print("there is no model in \(directory); expected folders such as NAME/1 with model.onnx in them")
        }
        let broken = catalog.all.count - catalog.served.count
        print("\(catalog.served.count) ready, \(broken) unavailable, \(catalog.warnings.count) warning(s)")
        if broken > 0 { throw ExitCode.failure }
    }

    private static func describe(_ model: ModelSpecification) -> String {
        let batch = model.isBatchable ? "batches of up to \(model.maxBatchSize) rows" : "one request at a time"
        var lines = ["\(model.name) version \(model.version): READY, \(batch)"]
        if let declared = model.defaultClass { lines[0] += ", class \(declared.rawValue)" }
        if let deadline = model.deadlineMilliseconds { lines[0] += ", deadline \(deadline) ms" }
        lines += model.inputs.map { "  in   \($0.name)  \($0.type.name)  \($0.shape)" }
        lines += model.outputs.map { "  out  \($0.name)  \($0.type.name)  \($0.shape)" }
        return lines.joined(separator: "\n")
    }
}
