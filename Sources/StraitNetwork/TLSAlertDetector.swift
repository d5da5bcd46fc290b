// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Knows a server that speaks TLS only by the alert that it sends to those who do not.
package final class TLSAlertDetector: ChannelInboundHandler, RemovableChannelHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer

    package init() {}

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        let start = bytes.readerIndex
        if bytes.getInteger(at: start, as: UInt8.self) == Self.alert,
            bytes.getInteger(at: start + 1, as: UInt8.self) == Self.version
        {
            context.fireErrorCaught(PeerError("it speaks TLS on this port; ask with https:// or grpcs://"))
        } else {
            context.fireChannelRead(data)
        }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    /// How a record of TLS begins that holds an alert, whatever its version.
    private static let alert: UInt8 = 0x15
    private static let version: UInt8 = 0x03
}
