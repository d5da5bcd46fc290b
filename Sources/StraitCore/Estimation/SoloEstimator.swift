// SPDX-License-Identifier: Apache-2.0

/// Learns from completions how long a batch takes: per model, shape bucket and rows, on any device.
///
/// Times are kept at powers of two of rows and interpolated between them. A mean with a fading memory follows slow
/// change; a sample far above it is clipped, because one page-fault storm says nothing about the next batch, while a
/// lasting change still gets through in a few completions.
package struct SoloEstimator: Sendable {
    /// The time assumed for one row of a model of which nothing is known (design §5).
    package static let unknownRowTime = Duration.milliseconds(20)
    /// Completions after which a time counts as measured. Until then its model runs at batch 1.
    package static let samplesNeeded = 3
    /// The share of an unmeasured time that may be held against a request: a guess must hardly ever refuse anyone.
    package static let unmeasuredShare = 0.1
    /// The weight of a new sample once many are there: a memory of about ten batches.
    private static let gain = 0.1
    /// A sample counts as at most this many times the present mean, once that is measured.
    private static let clip = 3.0

    private struct Cell: Sendable {
        var mean = 0.0
        var samples = 0
    }

    /// Cells of one work shape by the binary logarithm of the rows.
    private struct Row: Sendable {
        var work: WorkShape
        var cells: [Cell] = []
        /// Devices (as bits) that have completed a batch of it; a device's first is not learned from.
        var warmDevices: UInt64 = 0
    }

    private var rows: [Row] = []
    /// Places in `rows` that belonged to models that were removed.
    private var freeRows: [Int] = []
    /// The row of each model and bucket, −1 where there is none. A table, because each decision asks for a dozen.
    private var rowByWork: [Int32] = []
    /// For each model the row that was learned from last: where an unknown shape is scaled from.
    private var latestRowByModel: [Int?] = []

    /// Shapes are bucketed by powers of two, so a model has few; the bound keeps hostile shapes from growing the table.
    private static let rowsKept = 65_536

    package init() {}

    /// Starts from a measured time: it counts as measured, and the first completion on a device is learned from.
    mutating func seed(_ work: WorkShape, rows count: Int, time: Duration) {
        guard count > 0, time > .zero, let index = row(for: work) else { return }
        latestRowByModel[work.model.index] = index
        rows[index].warmDevices = .max
        let exponent = Self.nearestExponent(count)
        while rows[index].cells.count <= exponent { rows[index].cells.append(Cell()) }
        let scaled = Double(time.nanoseconds) * Double(1 << exponent) / Double(count)
        rows[index].cells[exponent] = Cell(mean: scaled, samples: Self.seedSamples)
    }

    /// A profile's time counts as so many completions: enough to be believed, few enough to be corrected.
    private static let seedSamples = 20

    /// The expected time of a batch of `count` rows alone on a device, in nanoseconds' resolution; always positive.
    ///
    /// - Complexity: O(1) in the number of models; O(log of the largest batch).
    package func expectedTime(_ work: WorkShape, rows count: Int) -> Duration {
        Duration(clamping: max(1, nanoseconds(work, rows: Double(count))))
    }

    /// The time that may be held against a request when deciding whether it is hopeless: the expected time once it is
    /// measured, a small part of it while it is a guess.
    package func leastTime(_ work: WorkShape, rows count: Int) -> Duration {
        let expected = expectedTime(work, rows: count)
        return isMeasured(work) ? expected : expected * Self.unmeasuredShare
    }

    /// Whether the model has completed enough at batch 1, or at any batch, of this shape to be believed.
    package func isMeasured(_ work: WorkShape) -> Bool {
        guard let row = knownRow(for: work) else { return false }
        return rows[row].cells.contains { $0.samples >= Self.samplesNeeded }
    }

    /// The number of rows, at most `limit`, at which to batch: doubled for as long as a doubling makes a row at least
    /// 5 % cheaper, and once tried beyond that. Where batches gain nothing, as on a CPU core, that is 1.
    package func efficientRows(_ work: WorkShape, limit: Int) -> Int {
        guard limit > 1, let index = knownRow(for: work) else { return 1 }
        let cells = rows[index].cells
        guard let single = cells.first, single.samples >= Self.samplesNeeded else { return 1 }
        var best = 1
        var perRow = single.mean
        var exponent = 1
        while (1 << exponent) <= limit {
            let size = 1 << exponent
            // A size that was not tried often enough is tried.
            guard exponent < cells.count, cells[exponent].samples >= Self.samplesNeeded else { return size }
            let mean = cells[exponent].mean / Double(size)
            guard mean <= perRow * Self.worthwhileCost else { break }
            best = size
            perRow = mean
            exponent += 1
        }
        // Beyond the largest power of two within the limit, the limit itself is as good.
        return best * 2 > limit ? limit : best
    }

    /// A larger batch must bring the cost of a row down to this share, or it only makes others wait.
    private static let worthwhileCost = 0.95

    /// Takes note of a completed batch.
    ///
    /// - Parameter replacing: the batch was a probe: what was known is out of date, the sample takes its place.
    package mutating func learn(
        _ work: WorkShape, rows count: Int, time: Duration, on device: DeviceID, replacing: Bool = false
    ) {
        guard time > .zero, let index = row(for: work) else { return }
        latestRowByModel[work.model.index] = index
        let device = UInt64(1) << UInt64(device.index % UInt64.bitWidth)
        guard rows[index].warmDevices & device != 0 else {
            rows[index].warmDevices |= device
            return
        }
        // Sizes between two powers of two are noted at the nearer one, scaled to it.
        let exponent = Self.nearestExponent(count)
        while rows[index].cells.count <= exponent { rows[index].cells.append(Cell()) }
        let sample = Double(time.nanoseconds) * Double(1 << exponent) / Double(count)
        if replacing {
            let old = nanoseconds(work, rows: Double(1 << exponent))
            for other in rows[index].cells.indices { rows[index].cells[other].mean *= sample / old }
            rows[index].cells[exponent] = Cell(
                mean: sample, samples: max(Self.samplesNeeded, rows[index].cells[exponent].samples))
            return
        }
        let cell = rows[index].cells[exponent]
        let clipped = cell.samples >= Self.samplesNeeded ? min(sample, cell.mean * Self.clip) : sample
        let weight = max(Self.gain, 1 / Double(cell.samples + 1))
        rows[index].cells[exponent] = Cell(
            mean: cell.mean + weight * (clipped - cell.mean), samples: cell.samples + 1)
    }

    /// Forgets a model.
    mutating func forget(_ model: ModelID) {
        let places = model.index * Self.buckets..<(model.index + 1) * Self.buckets
        for place in places.clamped(to: rowByWork.indices) where rowByWork[place] >= 0 {
            freeRows.append(Int(rowByWork[place]))
            rowByWork[place] = -1
        }
        if model.index < latestRowByModel.count { latestRowByModel[model.index] = nil }
    }

    /// Takes note that the first batches on a device will be slow again.
    mutating func noteCold(_ device: DeviceID) {
        let bit = UInt64(1) << UInt64(device.index % UInt64.bitWidth)
        for row in rows.indices { rows[row].warmDevices &= ~bit }
    }

    // -- to be kept ------------------------------------------------------------------------------------------------

    /// The most sizes of batch for a size of row: powers of two up to 2^31.
    private static let cellsKept = 32

    /// What was learned, for each model the sizes of row with the one that was learned from last at the end.
    func curves(models count: Int) -> [[LearnedState.SoloCurve]] {
        var curves = [[LearnedState.SoloCurve]](repeating: [], count: count)
        var latest = [LearnedState.SoloCurve?](repeating: nil, count: count)
        for (index, row) in rows.enumerated() where row.work.model.index < count && knownRow(for: row.work) == index {
            // What could not be put back, after times of centuries, is as if it were not there.
            var cells = row.cells.prefix(Self.cellsKept).map { cell in
                let cell = LearnedState.SoloCell(mean: cell.mean, samples: LearnedState.limited(cell.samples))
                return Self.isPossible(cell) ? cell : LearnedState.SoloCell()
            }
            while let last = cells.last, last.samples == 0 { cells.removeLast() }
            let curve = LearnedState.SoloCurve(bucket: row.work.bucket, cells: cells)
            let model = row.work.model.index
            if latestRowByModel[model] == index { latest[model] = curve } else { curves[model].append(curve) }
        }
        for (model, curve) in latest.enumerated() {
            if let curve { curves[model].append(curve) }
        }
        return curves
    }

    /// Puts back what was learned of a model, in place of what is known of these sizes of row. No device has run it yet.
    mutating func restore(_ curves: [LearnedState.SoloCurve], of model: ModelID) {
        for curve in curves {
            guard let index = row(for: WorkShape(model: model, bucket: curve.bucket)) else { return }
            rows[index].cells = curve.cells.map { Cell(mean: $0.mean, samples: $0.samples) }
            rows[index].warmDevices = 0
            latestRowByModel[model.index] = index
        }
    }

    /// Whether times can have been learned.
    static func isPossible(_ curve: LearnedState.SoloCurve) -> Bool {
        curve.bucket < UInt64.bitWidth && curve.cells.count <= cellsKept && curve.cells.allSatisfy(isPossible)
    }

    private static func isPossible(_ cell: LearnedState.SoloCell) -> Bool {
        LearnedState.counts.contains(cell.samples)
            && (cell.samples == 0 ? cell.mean == 0 : cell.mean > 0 && cell.mean <= longestMean)
    }

    /// A day, the longest deadline that a server takes. Sums of what waits must not come near the end of a `Duration`.
    private static let longestMean = 86_400e9

    // -- tables ---------------------------------------------------------------------------------------------------

    /// One more than the largest bucket.
    private static let buckets = 64

    private static func place(of work: WorkShape) -> Int {
        work.model.index * buckets + min(Int(work.bucket), buckets - 1)
    }

    private func knownRow(for work: WorkShape) -> Int? {
        let place = Self.place(of: work)
        guard place < rowByWork.count, rowByWork[place] >= 0 else { return nil }
        return Int(rowByWork[place])
    }

    private mutating func row(for work: WorkShape) -> Int? {
        if let row = knownRow(for: work) { return row }
        let row: Int
        if let free = freeRows.popLast() {
            row = free
            rows[row] = Row(work: work)
        } else {
            guard rows.count < Self.rowsKept else { return nil }
            row = rows.count
            rows.append(Row(work: work))
        }
        let place = Self.place(of: work)
        while rowByWork.count <= place { rowByWork.append(-1) }
        rowByWork[place] = Int32(row)
        while latestRowByModel.count <= work.model.index { latestRowByModel.append(nil) }
        return row
    }

    private func nanoseconds(_ work: WorkShape, rows count: Double) -> Double {
        if let index = knownRow(for: work), let time = Self.interpolate(rows[index].cells, count) { return time }
        // A shape never seen: as another of the model's, in proportion to its elements.
        if work.model.index < latestRowByModel.count, let other = latestRowByModel[work.model.index],
            let time = Self.interpolate(rows[other].cells, count)
        {
            return time * work.elementsPerRow / rows[other].work.elementsPerRow
        }
        return Double(Self.unknownRowTime.nanoseconds) * count
    }

    /// The time at `count` rows from the cells with samples; nil when there is none.
    private static func interpolate(_ cells: [Cell], _ count: Double) -> Double? {
        var below: (rows: Double, time: Double)?
        for exponent in cells.indices where cells[exponent].samples > 0 {
            let rows = Double(1 << exponent)
            let time = cells[exponent].mean
            if rows == count { return time }
            if rows > count {
                guard let below else { return time * count / rows }
                return below.time + (time - below.time) * (count - below.rows) / (rows - below.rows)
            }
            below = (rows, time)
        }
        return below.map { $0.time * count / $0.rows }
    }

    /// The binary logarithm of the power of two that is nearest to a number of rows.
    static func nearestExponent(_ count: Int) -> Int {
        let floor = Int.bitWidth - 1 - count.leadingZeroBitCount
        return count - (1 << floor) > (1 << (floor + 1)) - count ? floor + 1 : floor
    }
}
