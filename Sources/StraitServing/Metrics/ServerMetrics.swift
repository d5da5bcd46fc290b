// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitDevices
internal import StraitPlatform
package import StraitTelemetry
package import StraitTensor

/// All that a server tells of itself for metrics, and where it comes from.
package struct ServerMetrics: Sendable {
    let engine: Engine
    let pool: SlabPool
    let version: String
    /// Virtual devices, whose pacing is told.
    let virtualGroups: [VirtualGroup]
    /// For each way to talk to the server how many connections are open.
    let connections: @Sendable () -> [(name: String, count: Int)]

    /// - Parameters:
    ///   - engine: one that counts.
    ///   - connections: the name of each protocol and how many connections of it are open.
    package init(
        engine: Engine, pool: SlabPool, version: String, virtualGroups: [VirtualGroup],
        connections: @escaping @Sendable () -> [(name: String, count: Int)]
    ) {
        self.engine = engine
        self.pool = pool
        self.version = version
        self.virtualGroups = virtualGroups
        self.connections = connections
    }

    /// The text of all metrics now.
    ///
    /// - Complexity: O(models · buckets); of it only the copying of the numbers is under the engine's lock.
    package func page(_ format: ExpositionFormat) -> [UInt8] {
        var text = Exposition(format)
        if let metrics = engine.metrics() {
            var page = MetricsPage(metrics: metrics, text: text)
            page.writeEngine()
            page.writeTriton()
            text = page.text
        }
        writeServer(&text)
        writePacing(&text)
        writeProcess(&text)
        return text.finish()
    }

    private func writeServer(_ text: inout Exposition) {
        text.family("strait_build", .info, "The version of the server and what decides in it.")
        text.sample([("version", version), ("policy", engine.policy.rawValue)], UInt64(1))
        text.family("strait_connections", .gauge, "Connections that are open, by what is spoken on them.")
        for (name, count) in connections() { text.sample([("protocol", name)], UInt64(max(0, count))) }
        text.family(
            "strait_tensor_memory_bytes", .gauge, unit: "bytes", "Memory that tensors of requests in flight take.")
        text.sample([], UInt64(max(0, pool.bytesInUse)))
        text.family(
            "strait_tensor_memory_budget_bytes", .gauge, unit: "bytes",
            "Memory that they may take before requests are refused.")
        text.sample([], UInt64(max(0, pool.budget)))
    }

    private func writePacing(_ text: inout Exposition) {
        guard !virtualGroups.isEmpty else { return }
        text.family(
            "strait_virtual_pacing_error_seconds", .histogram, unit: "seconds",
            "How late the host was with what happened on virtual devices.")
        for group in virtualGroups {
            let errors = group.pacingErrors
            text.histogram(
                [("group", String(group.number))], bounds: Buckets.pacing,
                cumulative: Buckets.pacing.map { UInt64(errors.count(upTo: $0)) } + [UInt64(errors.count)],
                sum: errors.sum, scale: .nanoseconds)
        }
    }

    /// The process by the names that all exporters give.
    private func writeProcess(_ text: inout Exposition) {
        let use = ProcessUse.now()
        text.family(
            "process_cpu_seconds", .counter, unit: "seconds", "Processor time, in user and kernel mode.")
        text.sample([], use.processorSeconds)
        text.family("process_resident_memory_bytes", .gauge, unit: "bytes", "Resident memory.")
        text.sample([], UInt64(use.residentBytes))
        text.family("process_virtual_memory_bytes", .gauge, unit: "bytes", "Memory by addresses.")
        text.sample([], UInt64(use.virtualBytes))
        text.family("process_open_fds", .gauge, "Descriptors that are open.")
        text.sample([], UInt64(use.openDescriptors))
        text.family("process_max_fds", .gauge, "Descriptors that may be open.")
        text.sample([], UInt64(use.mostDescriptors))
        text.family("process_threads", .gauge, "Threads.")
        text.sample([], UInt64(use.threads))
        text.family(
            "process_start_time_seconds", .gauge, unit: "seconds", "When the process started, seconds since 1970.")
        text.sample([], use.startedAt)
    }
}
