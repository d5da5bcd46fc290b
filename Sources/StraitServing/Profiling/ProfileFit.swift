// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitFormats

/// Makes profiles of measurements.
package enum ProfileFit {
    /// The profile of a model; nil where no time of it was measured.
    ///
    /// Times are medians, made monotone in rows: the nearest curve in sum of squares that does not fall, since a larger
    /// batch that seems quicker is two measurements of the same time. Demands stand at every point or at none; batch sizes
    /// between two measured ones get what lies between, other sizes of row what the usual one has.
    ///
    /// - Complexity: O(records).
    package static func profile(of key: ModelKey, from records: [ProfileRecord]) -> ModelProfile? {
        var solos: [ProfileRecord.Solo] = []
        for case .solo(let solo) in records where solo.subject.isOf(key) { solos.append(solo) }
        guard let usual = solos.first else { return nil }
        let demands = demands(of: key, at: usual.subject.bucket, from: records)
        var buckets: [UInt8] = []
        for solo in solos where !buckets.contains(solo.subject.bucket) { buckets.append(solo.subject.bucket) }
        let curves = buckets.map { bucket -> ModelProfile.Curve in
            // Two sizes of row may share a bucket; the first is the one that was asked for.
            let size = solos.first { $0.subject.bucket == bucket }?.subject.elementsPerRow
            var own: [Int: ProfileRecord.Solo] = [:]
            for solo in solos where solo.subject.elementsPerRow == size { own[solo.subject.rows] = solo }
            let ordered = own.values.sorted { $0.subject.rows < $1.subject.rows }
            let times = monotone(ordered.map { Double($0.median.nanoseconds) })
            let points = zip(ordered, times).map { solo, time in
                ModelProfile.Point(
                    rows: solo.subject.rows, kernelTime: Duration(nanoseconds: 1) * max(1, time.rounded()),
                    demand: demand(demands, rows: solo.subject.rows))
            }
            return ModelProfile.Curve(bucket: bucket, points: points)
        }
        return ModelProfile(
            curves: curves, bytesInPerRow: usual.bytesIn / usual.subject.rows,
            bytesOutPerRow: usual.bytesOut / usual.subject.rows)
    }

    /// The nearest values in sum of squares that do not fall (pool adjacent violators).
    ///
    /// - Complexity: O(n).
    package static func monotone(_ values: [Double]) -> [Double] {
        var groups: [(sum: Double, count: Int)] = []
        for value in values {
            groups.append((value, 1))
            while groups.count > 1 {
                let (last, before) = (groups[groups.count - 1], groups[groups.count - 2])
                guard before.sum / Double(before.count) > last.sum / Double(last.count) else { break }
                groups.removeLast(2)
                groups.append((before.sum + last.sum, before.count + last.count))
            }
        }
        return groups.flatMap { group in
            [Double](repeating: group.sum / Double(group.count), count: group.count)
        }
    }

    // -- demands --------------------------------------------------------------------------------------------------

    /// What was found for a batch size.
    private struct Found {
        var rows: Int
        var demand: Demand
    }

    private static func demands(
        of key: ModelKey, at bucket: UInt8, from records: [ProfileRecord]
    ) -> [Found] {
        var compute: [Int: ProfileRecord.Stressed] = [:]
        var bandwidth: [Int: ProfileRecord.Stressed] = [:]
        for case .stressed(let stressed) in records
        where stressed.subject.isOf(key) && stressed.subject.bucket == bucket {
            switch stressed.stressor {
            case .compute: compute[stressed.subject.rows] = stressed
            case .bandwidth: bandwidth[stressed.subject.rows] = stressed
            }
        }
        let found = compute.keys.sorted().compactMap { rows -> Found? in
            guard let first = compute[rows], let second = bandwidth[rows] else { return nil }
            return Found(rows: rows, demand: demand(beside: first, second))
        }
        return found.isEmpty ? demand(of: key, amongPairs: records).map { [$0] } ?? [] : found
    }

    /// What a model needs of a device that cannot be put under stress, from what it and the others do to each other: the
    /// one that leaves its own twin the least stands for a stressor that wants all of the device. How much of it was
    /// compute and how much bandwidth then stays open, so all of it counts as compute. nil where no pair was measured.
    private static func demand(of key: ModelKey, amongPairs records: [ProfileRecord]) -> Found? {
        var pairs: [ProfileRecord.Pair] = []
        for case .pair(let pair) in records { pairs += [pair, pair.swapped] }
        let twins = pairs.filter { $0.first == $0.second }
        guard let heaviest = twins.max(by: { $0.firstSlowdown < $1.firstSlowdown })?.first,
            let pair = pairs.first(where: { $0.first.isOf(key) && $0.second == heaviest })
        else { return nil }
        let loss = 1 - 1 / max(pair.secondSlowdown, 1)
        let compute = min(max(loss * max(pair.firstSlowdown, 1), 0), 1)
        return Found(rows: pair.first.rows, demand: Demand(compute: compute, bandwidth: 0, cache: 0))
    }

    /// What batches need of a device's shared resources, from what they and two stressors did to each other.
    ///
    /// While it ran `slowdown` times as long, a batch took `loss` of the device away from a stressor that wants all of it,
    /// so alone it takes `loss` × `slowdown`. That holds whether the device shares fairly, in turns, or by priority.
    ///
    /// Of bandwidth the same, from a stressor on other units. Where there are none, batches take turns, so memory is used by
    /// one at a time and there is no demand that could add up. For the cache there is no stressor of its own: the sweeps
    /// through memory leave it empty, and what they slow a batch down by beyond the time they take away is what it needs
    /// the cache for.
    package static func demand(
        beside compute: ProfileRecord.Stressed, _ bandwidth: ProfileRecord.Stressed
    ) -> Demand {
        func share(_ value: Double) -> Double { value.isFinite ? min(max(value, 0), 1) : 0 }
        let turns = bandwidth.tookTurns ? max(compute.slowdown, 1) : 1
        return Demand(
            compute: share(compute.loss * max(compute.slowdown, 1)),
            bandwidth: bandwidth.tookTurns ? 0 : share(bandwidth.loss * max(bandwidth.slowdown, 1)),
            cache: share(bandwidth.slowdown / turns - 1))
    }

    /// Between the two batch sizes around, or that of the nearest end; nil where nothing was found.
    private static func demand(_ found: [Found], rows: Int) -> Demand? {
        guard let first = found.first, let last = found.last else { return nil }
        guard let upper = found.firstIndex(where: { $0.rows >= rows }) else { return last.demand }
        guard upper > 0 else { return first.demand }
        let (low, high) = (found[upper - 1], found[upper])
        let share = Double(rows - low.rows) / Double(high.rows - low.rows)
        func between(_ key: KeyPath<Demand, Double>) -> Double {
            low.demand[keyPath: key] * (1 - share) + high.demand[keyPath: key] * share
        }
        return Demand(
            compute: between(\.compute), bandwidth: between(\.bandwidth), cache: between(\.cache))
    }
}

extension ProfileRecord.Pair {
    /// The same, seen from the second.
    fileprivate var swapped: ProfileRecord.Pair {
        ProfileRecord.Pair(second, first, firstSlowdown: secondSlowdown, secondSlowdown: firstSlowdown)
    }
}

extension ProfileRecord.Subject {
    /// Whether a model has that name and version.
    fileprivate func isOf(_ key: ModelKey) -> Bool { model == key.name && version == key.version }
}
