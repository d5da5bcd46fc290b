// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import StraitNetwork

/// The connections of one event loop: opened as they are needed up to a limit, kept open, the warmest used first.
final class ConnectionPool {
    private let address: SocketAddress
    private let host: String
    private let tls: ClientTLS?
    private let limit: Int
    private let spares: Int
    private let eventLoop: any EventLoop
    private let transport: LoadPlan.Transport
    private var connections: [ObjectIdentifier: any LoadConnection] = [:]
    private var idle: [any LoadConnection] = []
    private var opening = 0
    /// The most connections that were open at one time.
    private(set) var peak = 0

    /// Connections that an open loop keeps idle beyond those in use, where the limit allows: an arrival then never
    /// waits for a handshake, unless more than this many come at once.
    static let openLoopSpares = 4

    /// A pool of at most `limit` connections that keeps `spares` of them idle.
    init(_ settings: DriverSettings, limit: Int, spares: Int, loop: any EventLoop) {
        transport = settings.transport
        address = settings.address
        host = settings.host
        tls = settings.tls
        self.limit = limit
        self.spares = spares
        eventLoop = loop
    }

    /// Every open connection.
    var all: [any LoadConnection] { Array(connections.values) }
    /// Whether none is open or opening.
    var isEmpty: Bool { connections.isEmpty && opening == 0 }
    /// Whether every connection there may be is in use.
    var isExhausted: Bool { idle.isEmpty && opening == 0 && connections.count >= limit }

    /// The connection used last of those idle; nil if none is.
    func takeIdle() -> (any LoadConnection)? { idle.popLast() }

    func giveBack(_ connection: any LoadConnection) {
        if connection.isOpen { idle.append(connection) }
    }

    func opened(_ connection: any LoadConnection) {
        opening -= 1
        connections[ObjectIdentifier(connection)] = connection
        peak = max(peak, connections.count)
    }

    func failedToOpen() { opening -= 1 }

    func closed(_ connection: any LoadConnection) {
        connections[ObjectIdentifier(connection)] = nil
        // Rare, and the list is short: a linear search costs less than keeping an index.
        if let place = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: place) }
    }

    /// Opens what waiting requests and the reserve of idle connections need, as far as the limit allows.
    func openSpares(for driver: LoadDriver, waiting: Int = 0) {
        open(waiting + spares - idle.count - opening, for: driver)
    }

    /// Opens so many more, as far as the limit allows.
    func open(_ count: Int, for driver: LoadDriver) {
        let count = min(count, limit - connections.count - opening)
        guard count > 0 else { return }
        for _ in 0..<count {
            opening += 1
            let bound = NIOLoopBound(driver, eventLoop: eventLoop)
            ClientBootstrap(group: eventLoop)
                .connectTimeout(SetupClient.connectTimeout)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { [transport, host, tls] channel in
                    ClientTLS.begin(tls, to: host, speaking: transport.speech, on: channel) { channel in
                        let pipeline = channel.pipeline.syncOperations
                        switch transport {
                        case .http:
                            // Our own headers need no check at every request.
                            try pipeline.addHTTPClientHandlers(enableOutboundHeaderValidation: false)
                            try pipeline.addHandler(HTTPLoadConnection(bound.value))
                        case .grpc:
                            let streams = try GRPCStream.configure(channel)
                            try pipeline.addHandler(GRPCLoadConnection(bound.value, streams: streams))
                        }
                    } failed: {
                        bound.value.connectionFailedToOpen($0)
                    }
                }
                .connect(to: address)
                .assumeIsolated()
                .whenFailure { driver.connectionFailedToOpen($0) }
        }
    }
}

extension LoadPlan.Transport {
    /// What a connection over TLS agrees on.
    var speech: ClientTLS.Speech { self == .http ? .http1 : .http2 }
}

/// A queue whose first element is taken in constant time.
struct FirstInFirstOut<Element> {
    private var elements: [Element] = []
    private var head = 0

    var count: Int { elements.count - head }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard head < elements.count else { return nil }
        defer {
            head += 1
            // Half of the storage is spent: moving the rest costs no more than filling it did.
            if head * 2 > elements.count {
                elements.removeFirst(head)
                head = 0
            }
        }
        return elements[head]
    }
}
