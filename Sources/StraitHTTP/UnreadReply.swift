// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitTensor

/// A reply that its client is slow to take. Lives on the connection's event loop.
///
/// As long as it is not taken its tensors stay counted in the budget for tensors, so that clients that ask for much and
/// read nothing cannot fill more memory than that. And who takes nothing at all for a while is hung up on.
struct UnreadReply {
    private var tensors: [Tensor] = []
    private var watch: RepeatedTask?

    /// A reply has begun to be sent.
    ///
    /// - Parameters:
    ///   - tensors: what is in it.
    ///   - channel: the connection; nil for a stream of HTTP/2, which cannot tell what waits and is watched otherwise.
    ///   - seconds: how long its client may take nothing of it.
    mutating func begin(_ tensors: [Tensor], on channel: (any Channel)?, patience seconds: Int64) {
        end()
        self.tensors = tensors
        guard let channel else { return }
        let left = NIOLoopBoundBox(Self.left(on: channel), eventLoop: channel.eventLoop)
        watch = channel.eventLoop.scheduleRepeatedTask(initialDelay: .seconds(seconds), delay: .seconds(seconds)) { _ in
            let now = Self.left(on: channel)
            if let now, now == left.value { channel.close(promise: nil) }
            left.value = now
        }
    }

    /// It was taken, or nobody will.
    mutating func end() {
        tensors = []
        watch?.cancel()
        watch = nil
    }

    /// Whether bytes wait for the client.
    static func isLeft(on channel: any Channel) -> Bool { (left(on: channel) ?? 0) > 0 }

    /// Bytes that wait for the client; nil where the channel does not tell.
    private static func left(on channel: any Channel) -> Int? {
        (try? channel.syncOptions?.getOption(.bufferedWritableBytes)).flatMap { $0 }
    }
}
