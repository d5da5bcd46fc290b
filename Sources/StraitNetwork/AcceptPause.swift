// SPDX-License-Identifier: Apache-2.0

// StraitNetwork: what listening takes, whatever is spoken.

package import NIOCore

/// Stops accepting for a moment when that fails, because no descriptor is free. Without it accept would be tried some
/// 20,000 times a second until one is: a channel whose read failed stays registered for it, and `AcceptBackoffHandler` of
/// NIO holds back only further reads. New connections wait in the kernel meanwhile.
package final class AcceptPause: ChannelInboundHandler {
    package typealias InboundIn = Channel

    private static let pause = TimeAmount.milliseconds(50)

    package init() {}

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is IOError else { return context.fireErrorCaught(error) }
        let channel = context.channel
        channel.setOption(.autoRead, value: false).whenSuccess {
            channel.eventLoop.scheduleTask(in: Self.pause) {
                // Refused only where the channel was closed meanwhile.
                channel.setOption(.autoRead, value: true).whenFailure { _ in }
            }
        }
    }
}
