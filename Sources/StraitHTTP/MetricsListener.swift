// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
package import StraitNetwork
package import StraitServing
package import StraitTelemetry

/// Serves the text of metrics on a port of its own, for Prometheus and its kin: on a thread of its own, so that no scrape
/// holds up an inference.
package final class MetricsListener: Sendable {
    /// What to do where it cannot listen.
    package static let advice =
        "It is for metrics: choose another place with --metrics-port or --metrics-address, or do without (--no-metrics)."

    private let listener: Listener

    /// The port that it listens on.
    package var port: Int { listener.port }

    /// Scrapers are few; what is more is a mistake.
    private static let mostConnections = 64
    /// How long a connection may say nothing: longer than scrapers wait between two scrapes.
    private static let idleSeconds: Int64 = 300

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - port: 0 for any free one.
    ///   - cores: where it may run; empty for anywhere.
    ///   - tls: over which is spoken; nil for in the clear.
    ///   - access: who may read them.
    ///   - page: the text of all metrics now; called on the listener's thread.
    package init(
        host: String, port: Int, cores: [Int], tls: TLSContext? = nil, access: MetricsAccess,
        page: @escaping @Sendable (ExpositionFormat) -> [UInt8]
    ) throws(Listener.StartError) {
        var place = Listener.Place(host: host, port: port, connections: Self.mostConnections)
        place.cores = cores
        place.tls = tls
        listener = try Listener(
            place, offering: .http1, advice: Self.advice
        ) { channel, _ in
            try channel.pipeline.syncOperations.addHandlers([
                IdleStateHandler(readTimeout: .seconds(Self.idleSeconds)), HTTPResponseEncoder(),
                ByteToMessageHandler(HTTPRequestDecoder(limitConfiguration: HTTPLimits.decoder)),
                HTTPServerPipelineHandler(), MetricsHandler(access: access, page: page),
            ])
        }
    }

    /// Ends at once; a scrape that is on its way is cut.
    package func stop() { listener.stop(withinMilliseconds: 0) }
}
