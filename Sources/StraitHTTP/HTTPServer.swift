// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
package import StraitNetwork
package import StraitServing

/// The HTTP front end: listens, and gives each connection a handler on one of a few event loops.
package final class HTTPServer: Sendable {
    private let listener: Listener
    private let events: EventHub

    /// What to do where it cannot listen.
    package static let advice = "Choose another place with --http-port or --http-address."

    /// The port that it listens on.
    package var port: Int { listener.port }

    /// Starts to listen. Over TLS clients may choose HTTP/2.
    ///
    /// - Parameters:
    ///   - place: where.
    ///   - feed: what is sent to whoever watches.
    package init(
        _ place: Listener.Place, control: ServerControl, feed: WatchFeed, limits: HTTPLimits = HTTPLimits()
    ) throws(Listener.StartError) {
        let events = EventHub(feed)
        let isPlain = place.tls == nil
        self.events = events
        listener = try Listener(
            place, offering: .both, advice: Self.advice
        ) { channel, agreed in
            if agreed == TLSContext.http2 {
                return try HTTP2Streams.add(to: channel, control: control, limits: limits, events: events)
            }
            // Over TLS what ends without the words for it may have been cut by somebody in between.
            if isPlain { try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true) }
            let decoder = HTTPRequestDecoder(limitConfiguration: HTTPLimits.decoder)
            try channel.pipeline.syncOperations.addHandlers([
                IdleStateHandler(readTimeout: .seconds(limits.idleSeconds)), ByteToMessageHandler(decoder),
                ConnectionHandler(control: control, limits: limits, events: events),
            ])
        }
    }

    /// How many connections are open.
    package var connectionCount: Int { listener.connectionCount }

    /// Takes no more connections.
    package func stopListening() { listener.stopListening() }

    /// Ends idle connections, and busy ones with their replies; then all that is left.
    ///
    /// - Parameter milliseconds: how long busy connections are waited for.
    package func stop(withinMilliseconds milliseconds: Int64) {
        events.stop()
        listener.stop(withinMilliseconds: milliseconds)
    }
}
