// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
package import StraitProtocol
internal import Synchronization

extension Engine {
    /// The answer to `GET /v2/strait/decisions`: what became of the requests that a query asks for.
    ///
    /// - Throws: ``ProtocolError``: of a query that is wrong; `notFound`, with how far back requests are known, for one that
    ///   names a request that is not; `unsupported` where nothing is remembered.
    package func decisions(_ query: DecisionQuery) throws(ProtocolError) -> [UInt8] {
        guard let (stories, reach) = stories(query) else {
            throw ProtocolError(
                .unsupported, "what became of requests is not kept: the server was started with --decisions 0")
        }
        let now = now()
        let times = calendar.words(at: now)
        guard !stories.isEmpty || !query.namesRequests else {
            throw ProtocolError(.notFound, Self.notKnown(query, reach, times, now: now))
        }
        let devices = devices.map(\.name)
        let models = modelNames()
        var writer = JSONWriter(capacity: 1024 + stories.count * 2048)
        writer.beginObject()
        writer.member("at", times.iso(now))
        writer.key("known")
        writer.beginObject()
        writer.member("capacity", reach.capacity)
        if let numbers = reach.numbers {
            writer.member("oldest", numbers.lowerBound)
            writer.member("newest", numbers.upperBound)
            writer.member("oldest_arrived_at", times.iso(reach.oldestArrived))
        }
        writer.member("violations_kept_longer", reach.violations)
        writer.endObject()
        writer.key("decisions")
        writer.beginArray()
        for story in stories {
            // Once is enough: who reads many knows the terms.
            writer.story(
                story, times, devices: devices, models: models, now: now, explainsTerms: stories.count == 1)
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    /// What models are called, by the scheduler's numbers.
    func modelNames() -> [String] {
        let models = state.withLock { $0.models.map(\.model) }
        return models.map { model in
            let specification = model.specification
            return specification.version == 1
                ? specification.name : "\(specification.name) version \(specification.version)"
        }
    }

    /// Why nothing is known of what was asked for.
    private static func notKnown(
        _ query: DecisionQuery, _ reach: HistoryReach, _ times: TimeWords, now: Instant
    ) -> String {
        let what = query.number.map { "request \($0)" } ?? "a request with the id \"\(query.clientID ?? "")\""
        guard let numbers = reach.numbers else { return "\(what) is not known: no request has come yet" }
        let ago = TimeWords.span(now - reach.oldestArrived)
        let back =
            "the last \(numbers.count) requests are known, back to number \(numbers.lowerBound), which arrived at "
            + "\(times.dayAndTime(reach.oldestArrived)), \(ago) ago (--decisions keeps \(reach.capacity)), and the last "
            + "\(reach.violations) high ones that were violated"
        if let number = query.number {
            if number > numbers.upperBound {
                return "request \(number) has not come yet: the newest is \(numbers.upperBound)"
            }
            if numbers.contains(number) { return "request \(number) is known, but is not such a one as is asked for" }
        }
        return "\(what) is not known: \(back)"
    }
}
