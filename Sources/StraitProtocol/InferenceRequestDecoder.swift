// SPDX-License-Identifier: Apache-2.0

package import StraitTensor

/// Reads the body of an inference request: JSON, with tensors either as JSON numbers or as raw bytes behind it.
///
/// Binary tensors stay where they are and become ranges of the body's slab; JSON tensors are decoded into one slab
/// from the pool. Nothing is allocated for what the text merely claims: a shape counts only as far as data is there.
package enum InferenceRequestDecoder {
    /// The most inputs of a request. Models have a handful; the bound keeps the search for duplicates cheap.
    package static let maximumInputs = 64
    /// The most outputs a request may ask for, for the same reason.
    package static let maximumOutputs = 64
    /// The longest name of a tensor, in bytes of UTF-8: it is copied into errors and logs.
    package static let maximumNameLength = 256
    /// The longest request id, in bytes of UTF-8: it is kept with the request and echoed.
    package static let maximumIDLength = 1024
    /// The most parameters of a request, an input or an output.
    package static let maximumParameters = 64

    /// Decodes the body that lies in `body` at `range`.
    ///
    /// - Parameters:
    ///   - jsonLength: The header `Inference-Header-Content-Length`: how many bytes of the body are JSON. Nil where
    ///     the header is absent, and then all of them are.
    ///   - model: What is asked; a raw request, which is a tensor without any JSON, says nothing of name, type or shape.
    ///     Nil where raw requests are not taken.
    ///   - pool: Where the memory for JSON tensors comes from.
    ///   - last: What is remembered of the last request of the same client.
    /// - Throws: ``ProtocolError``: `invalidArgument` with the JSON path, `unsupported` for parts of the protocol that
    ///   the server does not have, `resourceExhausted` or `payloadTooLarge` where the pool has no memory.
    /// - Complexity: O(bytes of JSON).
    package static func decode(
        body: Slab, range: Range<Int>, jsonLength: Int?, model: ModelSpecification? = nil, pool: SlabPool,
        last: inout LastRequest
    ) throws(ProtocolError) -> InferenceRequest {
        guard range.lowerBound >= 0, range.upperBound <= body.bytes.count else {
            throw ProtocolError(.failedInternally, "the body's range \(range) lies outside its memory")
        }
        let length = jsonLength ?? range.count
        if jsonLength == 0 {
            guard let model else { throw ProtocolError(.unsupported, "raw requests are not taken here") }
            return try raw(body: body, range: range, model: model, pool: pool)
        }
        guard length >= 0, length <= range.count else {
            throw ProtocolError(
                .invalidArgument,
                "Inference-Header-Content-Length says \(length) bytes of JSON, but the body has \(range.count)")
        }
        let json = range.lowerBound..<range.lowerBound + length
        var reader = RequestReader(body: body, json: json, binary: json.upperBound..<range.upperBound)
        reader.hasBinaryPart = jsonLength != nil
        defer { withExtendedLifetime(body) {} }
        do throws(ProtocolError) {
            let text = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(body.bytes)[json])
            if let outline = last.outline(of: text) {
                reader.outline = outline
            } else {
                try reader.readRequest()
                last.remember(text, reader.outline)
            }
            let (inputs, shared) = try reader.makeTensors(pool: pool)
            return InferenceRequest(
                id: reader.id, priority: reader.priority, timeoutMicroseconds: reader.timeout, inputs: inputs,
                sharedInputs: shared, outputs: reader.outputs, binaryOutputsByDefault: reader.binaryOutputsByDefault)
        } catch {
            throw ProtocolError(error.code, "\(reader.path): \(error.message)")
        }
    }
    /// Decodes a body of which nothing like it came before.
    package static func decode(
        body: Slab, range: Range<Int>, jsonLength: Int?, model: ModelSpecification? = nil, pool: SlabPool
    ) throws(ProtocolError) -> InferenceRequest {
        var last = LastRequest()
        return try decode(body: body, range: range, jsonLength: jsonLength, model: model, pool: pool, last: &last)
    }
}
