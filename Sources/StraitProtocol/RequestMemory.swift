// SPDX-License-Identifier: Apache-2.0

package import StraitTensor

extension SlabPool {
    /// Memory for a request's tensors.
    ///
    /// - Throws: ``ProtocolError``: `payloadTooLarge` for more than there is for all requests, `resourceExhausted` for
    ///   more than is free.
    package func takeForTensors(_ byteCount: Int) throws(ProtocolError) -> Slab {
        do throws(SlabError) {
            return try take(byteCount)
        } catch {
            switch error {
            case .budgetExceeded(_, _, let budget) where byteCount > budget:
                throw ProtocolError(
                    .payloadTooLarge, "the tensors need \(byteCount) bytes, the server has \(budget) for all requests")
            case .budgetExceeded(_, let inUse, let budget):
                throw ProtocolError(
                    .resourceExhausted,
                    "no memory for \(byteCount) bytes of tensors: \(inUse) of \(budget) are in use; try again later")
            case .systemRefused:
                throw ProtocolError(
                    .resourceExhausted, "the system has no memory for \(byteCount) bytes of tensors; try again later")
            }
        }
    }
}
