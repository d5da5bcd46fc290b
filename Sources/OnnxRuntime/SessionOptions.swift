// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

/// How far ONNX Runtime rewrites a model's graph when it loads it.
package enum GraphOptimization: Int32, Sendable {
    case none = 0
    case basic = 1
    case extended = 2
    case all = 99
}

/// How a session runs. The defaults make the calling thread do all the work: the cheapest and most predictable way, and
/// whoever pins that thread pins the batch. Operators always run one after the other, and nothing is profiled.
package struct SessionOptions: Sendable, Hashable {
    /// Threads within one operator, the caller's included; at least 1.
    package var intraOpThreads: Int32 = 1
    /// Threads across operators; at least 1.
    package var interOpThreads: Int32 = 1
    /// Whether idle threads of the session spin before they sleep. Only matters with more than one thread.
    package var allowSpinning = false
    /// How far the graph is rewritten.
    package var graphOptimization = GraphOptimization.all
    /// What the session prints on standard error. Every failure is returned as an error in any case.
    package var logSeverity = LogSeverity.error
    /// What runs the operators before the processor, in order of preference.
    package var providers: [ExecutionProvider] = []

    /// The defaults.
    package init() {}

    /// Calls `body` with ONNX Runtime's form of these options.
    func withHandle<Result>(
        in library: OnnxRuntimeLibrary, model: String, _ body: (OpaquePointer) throws(OnnxRuntimeError) -> Result
    ) throws(OnnxRuntimeError) -> Result {
        let api = library.api
        let options = try library.made(model: model) { ort_create_session_options(api, &$0) }
        defer { ort_release_session_options(api, options) }
        let spinning = allowSpinning ? "1" : "0"
        try library.check(ort_set_sequential_execution(api, options), model: model)
        try library.check(ort_set_intra_op_threads(api, options, intraOpThreads), model: model)
        try library.check(ort_set_inter_op_threads(api, options, interOpThreads), model: model)
        try library.check(ort_set_graph_optimization(api, options, graphOptimization.rawValue), model: model)
        try library.check(ort_set_session_severity(api, options, logSeverity.rawValue), model: model)
        for key in ["session.intra_op.allow_spinning", "session.inter_op.allow_spinning"] {
            try library.check(ort_add_session_config(api, options, key, spinning), model: model)
        }
        for provider in providers { try provider.append(to: options, in: library, model: model) }
        return try body(options)
    }
}
