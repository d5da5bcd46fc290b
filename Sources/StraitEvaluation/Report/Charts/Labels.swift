// SPDX-License-Identifier: Apache-2.0

/// Where labels go so that none covers another.
enum Labels {
    /// Places along a line for labels that want to be at some places, at least `gap` apart and within a range, as
    /// close to what they want as can be in sum of squares, and in the same order. Where the range is too short for
    /// all of them the gap shrinks.
    ///
    /// - Complexity: O(n log n).
    static func spread(_ wanted: [Double], gap: Double, within range: ClosedRange<Double>) -> [Double] {
        guard !wanted.isEmpty else { return [] }
        let count = Double(wanted.count)
        let room = range.upperBound - range.lowerBound
        let gap = wanted.count > 1 ? min(gap, room / (count - 1)) : gap
        let order = wanted.indices.sorted { (wanted[$0], $0) < (wanted[$1], $1) }
        // With i gaps taken off the i-th, the best places are the closest ones that do not fall: groups that would are
        // put at their mean (pool adjacent violators).
        var groups: [(sum: Double, count: Int)] = []
        for (rank, index) in order.enumerated() {
            groups.append((wanted[index] - Double(rank) * gap, 1))
            while groups.count > 1, mean(groups[groups.count - 2]) > mean(groups[groups.count - 1]) {
                let last = groups.removeLast()
                groups[groups.count - 1].sum += last.sum
                groups[groups.count - 1].count += last.count
            }
        }
        var places = wanted
        var rank = 0
        for group in groups {
            let place = min(max(mean(group), range.lowerBound), range.upperBound - (count - 1) * gap)
            for _ in 0..<group.count {
                places[order[rank]] = place + Double(rank) * gap
                rank += 1
            }
        }
        return places
    }

    private static func mean(_ group: (sum: Double, count: Int)) -> Double { group.sum / Double(group.count) }

    /// A label beside a point.
    struct Beside {
        var text: String
        var point: Point
        var size: Double
    }

    /// The boxes of labels beside their points: right, left, above or below, close or a little farther off, wherever
    /// neither another label nor what is drawn is in the way and which is within the frame; nil for those that fit
    /// nowhere. Earlier labels choose first.
    ///
    /// - Complexity: O(labels × (labels + obstacles)).
    static func beside(_ labels: [Beside], avoiding obstacles: [Box], within frame: Box) -> [Box?] {
        var placed: [Box] = []
        return labels.map { label in
            for distance in distances {
                for box in choices(label, distance)
                where box.isInside(frame) && !placed.contains(where: box.overlaps)
                    && !obstacles.contains(where: box.overlaps)
                {
                    placed.append(box)
                    return box
                }
            }
            return nil
        }
    }

    /// Beside the point, then above and below it, then at its corners.
    private static func choices(_ label: Beside, _ distance: Double) -> [Box] {
        let (width, height) = (TextWidth.of(label.text, size: label.size), label.size * 1.1)
        let (x, y) = (label.point.x, label.point.y)
        let lefts = [x + distance, x - distance - width, x - width / 2]
        let tops = [y - height / 2, y - distance - height, y + distance]
        return [(0, 0), (1, 0), (2, 1), (2, 2), (0, 1), (0, 2), (1, 1), (1, 2)].map { column, row in
            Box(left: lefts[column], top: tops[row], width: width, height: height)
        }
    }

    /// From a point to its label, in pixels; those farther off get a line to it.
    private static let distances = [near, 12, 22, 34, 48]
    /// So close a label needs no line to its point.
    static let near = 5.0
}
