// SPDX-License-Identifier: Apache-2.0

/// What has happened to a model since it was loaded, in the terms of the protocol's statistics extension.
package struct ModelStatistics: Sendable, Equatable {
    /// How often something happened, and how long it took in all.
    package struct Duration: Sendable, Equatable {
        /// How often.
        package var count: UInt64
        /// The sum of the times, in nanoseconds.
        package var nanoseconds: UInt64

        /// A sum over `count` events.
        package init(count: UInt64 = 0, nanoseconds: UInt64 = 0) {
            self.count = count
            self.nanoseconds = nanoseconds
        }

        /// Adds events.
        package mutating func add(nanoseconds more: UInt64, count times: UInt64 = 1) {
            count &+= times
            nanoseconds &+= more
        }
    }

    /// What batches of one size took.
    package struct Batch: Sendable, Equatable {
        /// Rows in the batch.
        package var size: Int
        /// Gathering the rows.
        package var computeInput = Duration()
        /// Running the model.
        package var computeInfer = Duration()
        /// Scattering the rows.
        package var computeOutput = Duration()

        /// Batches of `size` rows, none so far.
        package init(size: Int) { self.size = size }
    }

    /// The model.
    package var name: String
    /// Its version.
    package var version: Int
    /// When the last request ended, in milliseconds since 1970; 0 where none did.
    package var lastInference: UInt64 = 0
    /// Rows inferred.
    package var inferenceCount: UInt64 = 0
    /// Batches executed.
    package var executionCount: UInt64 = 0
    /// Requests answered with a result, from arrival to answer.
    package var success = Duration()
    /// Requests answered with an error.
    package var fail = Duration()
    /// Waiting of the requests that were executed.
    package var queue = Duration()
    /// Gathering rows, as seen by each request.
    package var computeInput = Duration()
    /// Running the model, as seen by each request.
    package var computeInfer = Duration()
    /// Scattering rows, as seen by each request.
    package var computeOutput = Duration()
    /// By batch size, ascending.
    package var batches: [Batch] = []

    /// A model to which nothing has happened yet.
    package init(name: String, version: Int) {
        self.name = name
        self.version = version
    }
}

extension Documents {
    /// Model statistics: the answer to `GET v2/models[/M]/stats`.
    ///
    /// All eight durations are present, as clients demand; there is no response cache, so its two stay 0.
    package static func modelStatistics(_ models: [ModelStatistics]) -> [UInt8] {
        var writer = JSONWriter(capacity: 64 + models.count * 1024)
        writer.beginObject()
        writer.key("model_stats")
        writer.beginArray()
        for model in models { write(model, to: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    private static func write(_ model: ModelStatistics, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("name", model.name)
        writer.member("version", String(model.version))
        writer.member("last_inference", model.lastInference)
        writer.member("inference_count", model.inferenceCount)
        writer.member("execution_count", model.executionCount)
        writer.key("inference_stats")
        writer.beginObject()
        write(model.success, "success", to: &writer)
        write(model.fail, "fail", to: &writer)
        write(model.queue, "queue", to: &writer)
        write(model.computeInput, "compute_input", to: &writer)
        write(model.computeInfer, "compute_infer", to: &writer)
        write(model.computeOutput, "compute_output", to: &writer)
        write(.init(), "cache_hit", to: &writer)
        write(.init(), "cache_miss", to: &writer)
        writer.endObject()
        writer.key("response_stats")
        writer.beginObject()
        writer.endObject()
        writer.key("batch_stats")
        writer.beginArray()
        for batch in model.batches {
            writer.beginObject()
            writer.member("batch_size", batch.size)
            write(batch.computeInput, "compute_input", to: &writer)
            write(batch.computeInfer, "compute_infer", to: &writer)
            write(batch.computeOutput, "compute_output", to: &writer)
            writer.endObject()
        }
        writer.endArray()
        writer.key("memory_usage")
        writer.beginArray()
        writer.endArray()
        writer.endObject()
    }

    private static func write(_ duration: ModelStatistics.Duration, _ key: String, to writer: inout JSONWriter) {
        writer.key(key)
        writer.beginObject()
        writer.member("count", duration.count)
        writer.member("ns", duration.nanoseconds)
        writer.endObject()
    }
}
