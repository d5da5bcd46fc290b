// SPDX-License-Identifier: Apache-2.0

internal import StraitFrames
internal import StraitProtocol
internal import StraitServing

extension GRPCConnection {
    /// Tells of the schema. What is not in it is told in the answer; a message that cannot be read ends the stream.
    func reflect(_ message: MessageAssembly.Message, _ call: Call) {
        do throws(ProtocolError) {
            let plain = try message.plain(
                call.head.coding, limit: GRPCLimits.reflectionMessageBytes, pool: service.pool)
            let answer = try Reflection.answer(plain.bytes)
            withExtendedLifetime(plain.home) {}
            send(WireResponse(message: answer), on: call)
        } catch {
            finish(call, error)
        }
    }
}
