// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitFormats

extension FidelityFile.Row {
    /// A live recording beside simulated ones of the same requests: a row for each class as a whole, then for its models.
    ///
    /// - Parameters:
    ///   - name: what the recording is called.
    ///   - times: what results call the source of the simulated times.
    ///   - from: requests that come before are left out.
    package static func comparing(
        _ live: Recording, with simulated: [Recording], name: String, times: String, from: Instant
    ) -> [FidelityFile.Row] {
        RequestClass.allCases.flatMap { requestClass in
            ([nil] + live.head.models.indices.map(Int?.some)).compactMap { model -> FidelityFile.Row? in
                let (requests, figures) = Self.figures(live, requestClass, model, from: from)
                guard requests > 0, !simulated.isEmpty else { return nil }
                let others = simulated.map { Self.figures($0, requestClass, model, from: from).figures }
                return FidelityFile.Row(
                    recording: name, policy: live.head.policy, times: times, requestClass: requestClass,
                    model: model.map { live.head.models[$0].name }, requests: requests, live: figures,
                    simulated: Self.combine(others) { $0.reduce(0, +) / Double($0.count) },
                    lowest: Self.combine(others) { $0.min() ?? 0 }, highest: Self.combine(others) { $0.max() ?? 0 })
            }
        }
    }

    private static func figures(
        _ recording: Recording, _ requestClass: RequestClass, _ model: Int?, from: Instant
    ) -> (requests: Int, figures: FidelityFile.Figures) {
        var (requests, met) = (0, 0)
        var latencies: [Int64] = []
        for (arrival, answer) in zip(recording.arrivals, recording.answersByArrival) {
            guard arrival.at >= from, arrival.requestClass == requestClass, model.map({ $0 == arrival.model }) ?? true
            else { continue }
            requests += 1
            guard let answer, answer.ending == .met || answer.ending == .late else { continue }
            if answer.ending == .met { met += 1 }
            latencies.append((answer.at - arrival.at).nanoseconds)
        }
        let percentiles = Percentiles(latencies)
        return (
            requests,
            FidelityFile.Figures(
                inTime: requests > 0 ? Double(met) / Double(requests) : 0, p50: percentiles.p50?.milliseconds,
                p95: percentiles.p95?.milliseconds)
        )
    }

    private static func combine(
        _ figures: [FidelityFile.Figures], _ combined: ([Double]) -> Double
    ) -> FidelityFile.Figures {
        let (p50, p95) = (figures.compactMap(\.p50), figures.compactMap(\.p95))
        return FidelityFile.Figures(
            inTime: combined(figures.map(\.inTime)), p50: p50.isEmpty ? nil : combined(p50),
            p95: p95.isEmpty ? nil : combined(p95))
    }
}
