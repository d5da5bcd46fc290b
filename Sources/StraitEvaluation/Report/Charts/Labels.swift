// SPDX-License-Identifier: Apache-2.0

/// Where labels go so that none covers another.
enum Labels {
    /// Places along a line for labels that want to be at some places, at least `gap` apart and within a range, as close to
    /// what they want as can be in sum of squares, and in the same order. Where the range is too short for all of them the
    /// gap shrinks.
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

    /// The boxes of labels beside their points: right, left, above or below, wherever neither another label nor a point is
    /// in the way and which is within the frame; nil for those that fit nowhere. Earlier labels choose first.
    static func beside(_ labels: [Beside], avoiding points: [Point], within frame: Box) -> [Box?] {
        let taken = points.map {
            Box(left: $0.x - radius, top: $0.y - radius, width: 2 * radius, height: 2 * radius)
        }
        var placed: [Box] = []
        return labels.map { label in
            let (width, height) = (TextWidth.of(label.text, size: label.size), label.size * 1.1)
            let (x, y) = (label.point.x, label.point.y)
            let lefts = [x + distance, x - distance - width, x - width / 2]
            let tops = [y - height / 2, y - distance - height, y + distance]
            // Beside the point, then above and below it, then at its corners.
            let choices = [(0, 0), (1, 0), (2, 1), (2, 2), (0, 1), (0, 2), (1, 1), (1, 2)]
            for (column, row) in choices {
                let box = Box(left: lefts[column], top: tops[row], width: width, height: height)
                if box.isInside(frame), !placed.contains(where: box.overlaps), !taken.contains(where: box.overlaps) {
                    placed.append(box)
                    return box
                }
            }
            return nil
        }
    }

    /// Half of what a point takes up.
    private static let radius = 2.5
    /// From a point to its label.
    private static let distance = 5.0
}
