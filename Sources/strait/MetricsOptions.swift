// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitFormats
internal import StraitHTTP
internal import StraitNetwork
internal import StraitServing
internal import Synchronization

/// The flags of `strait serve` about metrics; Triton's names where they mean the same.
struct MetricsOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The port for metrics (GET /metrics); 0 takes any free one. Default: 8002.",
            discussion: "Where 8002 is taken and was not asked for, the server goes on without metrics and says so.",
            valueName: "port"))
    var metricsPort: Int?

    @Option(help: ArgumentHelp("The address to listen on for metrics. Default: that for HTTP.", valueName: "address"))
    var metricsAddress: String?

    @Option(
        help: ArgumentHelp(
            "Tell metrics only to who has a token of this file, one a line; SIGHUP reads it again. With --tokens tenants may "
                + "read them too; without both, anybody.",
            valueName: "path"))
    var metricsTokenFile: String?

    @Flag(help: "Count nothing for metrics, and do not listen for who wants them.")
    var noMetrics = false

    /// Triton's port.
    private static let usualPort = 8002

    mutating func validate() throws {
        guard metricsPort.map({ (0...65_535).contains($0) }) ?? true else {
            throw ValidationError("--metrics-port is \(metricsPort ?? 0); expected 0 to 65535")
        }
        guard !noMetrics || metricsPort == nil && metricsAddress == nil && metricsTokenFile == nil else {
            throw ValidationError(
                "--no-metrics contradicts --metrics-port, --metrics-address and --metrics-token-file")
        }
    }

    /// Who may read metrics.
    ///
    /// - Throws: `FormatError`, what is wrong with the file of tokens.
    func access(beside control: AccessControl) throws -> MetricsAccess {
        try MetricsAccess(path: metricsTokenFile, tenants: control.tenants)
    }

    /// Reads the file of tokens again, if there is one, and says how that went.
    static func reload(_ access: MetricsAccess, log: ServerLog) {
        guard access.hasFile else { return }
        do throws(FormatError) {
            try access.reload()
            log.note(.info, "SIGHUP: the tokens for metrics are read again")
        } catch {
            log.note(.error, "error: the tokens for metrics stay as they were: \(error)")
        }
    }

    /// Says before models are loaded that it cannot listen where it was asked to.
    func check(beside httpAddress: String) throws(Listener.StartError) {
        guard !noMetrics, metricsPort != nil || metricsAddress != nil else { return }
        try Listener.check(
            host: metricsAddress ?? httpAddress, port: metricsPort ?? Self.usualPort, advice: MetricsListener.advice)
    }

    /// Starts to listen for scrapers; nil where that is not wanted, or the usual port is taken.
    ///
    /// - Parameter httpAddress: where HTTP listens.
    /// - Throws: where it cannot listen as it was asked to.
    func listen(
        beside httpAddress: String, cores: [Int], tls: TLSContext?, access: MetricsAccess, _ metrics: ServerMetrics,
        log: (String) -> Void
    ) throws -> MetricsListener? {
        guard !noMetrics else { return nil }
        let address = metricsAddress ?? httpAddress
        do {
            let listener = try MetricsListener(
                host: address, port: metricsPort ?? Self.usualPort, cores: cores, tls: tls, access: access,
                page: metrics.page)
            log(
                "metrics at \(tls == nil ? "http" : "https")://\(address == "0.0.0.0" ? "localhost" : address):\(listener.port)/metrics"
                    + (access.wantsTokens ? ", with a token" : "")
            )
            return listener
        } catch {
            guard metricsPort == nil, metricsAddress == nil else { throw error }
            log("warning: there are no metrics: \(error)")
            return nil
        }
    }
}

/// The front ends that have connections, told one by one as they begin to listen.
final class FrontEnds: Sendable {
    private let counts = Mutex<[(name: String, count: @Sendable () -> Int)]>([])

    /// One more listens.
    func add(_ name: String, _ count: @escaping @Sendable () -> Int) { counts.withLock { $0.append((name, count)) } }

    /// How many connections each has open now.
    var connections: [(name: String, count: Int)] {
        counts.withLock(\.self).map { (name: $0.name, count: $0.count()) }
    }
}
