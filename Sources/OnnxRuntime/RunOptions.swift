// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

/// A handle on a run in progress, through which another thread can stop it. For one run at a time.
// @unchecked: the handle is constant, and ONNX Runtime reads the flag behind it from the run's thread by design.
package final class RunOptions: @unchecked Sendable {
    private let environment: Environment
    /// ONNX Runtime's object, for this module.
    let handle: OpaquePointer

    /// Options for runs in the environment's sessions.
    ///
    /// - Throws: what ONNX Runtime reports.
    package init(in environment: Environment) throws(OnnxRuntimeError) {
        self.environment = environment
        handle = try environment.library.made { ort_create_run_options(environment.api, &$0) }
    }

    deinit {
        ort_release_run_options(environment.api, handle)
    }

    /// Stops the run that uses these options, and every later one until `reset()`. The run fails with code `failed` once
    /// the operator that is running has ended: that can take as long as the model's longest operator.
    ///
    /// - Throws: what ONNX Runtime reports.
    package func terminate() throws(OnnxRuntimeError) {
        try environment.library.check(ort_set_terminate(environment.api, handle))
    }

    /// Lets runs with these options run again.
    ///
    /// - Throws: what ONNX Runtime reports.
    package func reset() throws(OnnxRuntimeError) {
        try environment.library.check(ort_unset_terminate(environment.api, handle))
    }
}
