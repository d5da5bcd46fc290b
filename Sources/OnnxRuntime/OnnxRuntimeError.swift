// SPDX-License-Identifier: Apache-2.0

/// What went wrong in ONNX Runtime or on the way to it.
package struct OnnxRuntimeError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of failure: ONNX Runtime's own by its names, then those of this wrapper.
    package enum Code: Sendable, Hashable {
        // ONNX Runtime's, in the order of its numbers.
        case failed, invalidArgument, noSuchFile, noModel, engineError, runtimeException, invalidProtobuf
        case modelLoaded, notImplemented, invalidGraph, executionProviderFailed, loadCancelled
        case requiresCompilation, notFound
        /// A number of ONNX Runtime's that is newer than this wrapper; see `ortCode`.
        case other

        /// No library could be used; the message lists what was tried.
        case libraryNotFound
        /// A library was found, but it is older than what is needed; the message lists what was tried.
        case libraryTooOld
        /// A model has an input or output that is no tensor, or is of an element type without a name here.
        case unsupportedType
        /// What the caller passed does not fit: a wrong number of values, bytes or elements, or an unusable string.
        case invalidValue
    }

    /// The kind of failure.
    package let code: Code
    /// ONNX Runtime's number for it; nil where the failure is not ONNX Runtime's.
    package let ortCode: Int?
    /// What was wrong, and where it helps, what to do.
    package let message: String
    /// The model concerned, if any.
    package let model: String?

    /// A failure of this wrapper's own.
    package init(_ code: Code, _ message: String, model: String? = nil) {
        self.code = code
        self.ortCode = nil
        self.message = message
        self.model = model
    }

    /// A failure that ONNX Runtime reported.
    package init(ortCode: Int, message: String, model: String?) {
        self.code = Self.ortCodes.indices.contains(ortCode - 1) ? Self.ortCodes[ortCode - 1] : .other
        self.ortCode = ortCode
        self.message = message
        self.model = model
    }

    /// One line, or one and a list: `model squeezenet: ONNX Runtime error 2 (invalidArgument): …`.
    package var description: String {
        let place = model.map { "model \($0): " } ?? ""
        guard let ortCode else { return place + message }
        return "\(place)ONNX Runtime error \(ortCode) (\(code)): \(message)"
    }

    /// ONNX Runtime's codes from number 1 on.
    private static let ortCodes: [Code] = [
        .failed, .invalidArgument, .noSuchFile, .noModel, .engineError, .runtimeException, .invalidProtobuf,
        .modelLoaded, .notImplemented, .invalidGraph, .executionProviderFailed, .loadCancelled,
        .requiresCompilation, .notFound,
    ]
}
