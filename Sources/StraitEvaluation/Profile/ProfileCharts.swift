// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats

/// The pictures of a profile.
struct ProfileCharts {
    private let file: ProfileFile

    init(_ file: ProfileFile) { self.file = file }

    /// Lines in one picture: as many as there are colours.
    private static let together = 6

    /// All pictures that there is something for, on a page or in a file.
    var figure: Figure? {
        var panels = latencies
        panels += [slowdowns, demands, noise, copies].compactMap(\.self)
        guard !panels.isEmpty else { return nil }
        return Figure(
            name: "profile", title: "Profile of \(file.models.count) models on \(file.device.name)",
            caption:
                "Latency: medians alone, shaded up to the 95th percentile, at the usual size of row. Slow-down: how "
                + "many times as long the batches of a row took beside those of a column, alone being 1; the last two "
                + "columns are loops "
                + "that use up arithmetic and memory. Demand: what schedulers are told, as shares of the device, at the "
                + "largest batch. Noise: one fixed piece of work, done now and then. Copying: gathering the rows of a batch.",
            panels: panels)
    }

    /// A model's name; with its version where another version stands beside it.
    private func name(_ model: String, _ version: Int) -> String {
        file.models.count { $0.name == model } > 1 ? "\(model):\(version)" : model
    }

    /// The size of row that is measured most, by model and version.
    private func usualElements(_ model: ProfileFile.Model) -> Int? {
        for case .solo(let solo) in file.records where solo.subject.isOf(model) { return solo.subject.elementsPerRow }
        return nil
    }

    private static func milliseconds(_ time: Duration) -> Double { Double(time.nanoseconds) / 1e6 }

    // -- latency --------------------------------------------------------------------------------------------------

    private var latencies: [Drawing] {
        let lines = file.models.compactMap { model -> LineChart.Series? in
            guard let elements = usualElements(model) else { return nil }
            var marks: [LineChart.Mark] = []
            for case .solo(let solo) in file.records
            where solo.subject.isOf(model) && solo.subject.elementsPerRow == elements {
                let median = Self.milliseconds(solo.median)
                var mark = LineChart.Mark(x: Double(solo.subject.rows), y: Estimate(value: median, halfWidth: 0))
                mark.reach = max(median, Self.milliseconds(solo.p95))
                marks.append(mark)
            }
            marks.sort { $0.x < $1.x }
            return marks.isEmpty
                ? nil : LineChart.Series(name: name(model.name, model.version), style: ReportStyle.plain, marks: marks)
        }
        return stride(from: 0, to: lines.count, by: Self.together).map { start in
            let shown = lines[start..<min(start + Self.together, lines.count)].enumerated().map { index, line in
                var line = line
                line.style = "k\(index)"
                return line
            }
            let values = shown.flatMap { $0.marks.flatMap { [$0.y.value, $0.reach ?? $0.y.value] } }
            let rows = Set(shown.flatMap { $0.marks.map(\.x) }).sorted()
            let title = lines.count > Self.together ? "Latency alone (\(start / Self.together + 1))" : "Latency alone"
            return LineChart(
                title: title,
                x: .init(
                    label: "rows in a batch", kind: .logarithmic, low: 1, high: max(2, rows.last ?? 2), ticks: rows),
                y: .init(
                    label: "kernel time, ms", kind: .logarithmic, low: (values.min() ?? 0.1) * 0.9,
                    high: (values.max() ?? 1) * 1.1),
                series: shown
            ).drawing()
        }
    }

    // -- company --------------------------------------------------------------------------------------------------

    private var slowdowns: Drawing? {
        var pairs: [[String]: Double] = [:]
        var names: [String] = []
        func note(_ own: ProfileRecord.Subject, _ other: ProfileRecord.Subject, _ value: Double) {
            for subject in [own, other] where !names.contains(name(subject.model, subject.version)) {
                names.append(name(subject.model, subject.version))
            }
            pairs[[name(own.model, own.version), name(other.model, other.version)]] = value
        }
        var sizes: [String: Int] = [:]
        for case .pair(let pair) in file.records {
            note(pair.first, pair.second, pair.firstSlowdown)
            note(pair.second, pair.first, pair.secondSlowdown)
            sizes[name(pair.first.model, pair.first.version)] = pair.first.rows
        }
        guard !names.isEmpty else { return nil }
        // Beside stressors: the batch size of the pairs where it was measured, else the nearest above.
        let stressors = ProfileRecord.Stressor.allCases
        let columns = names + stressors.map { "– \($0.rawValue)" }
        let values = names.map { row -> [Double?] in
            names.map { pairs[[row, $0]] }
                + stressors.map { stressor in slowdown(row, beside: stressor, rows: sizes[row] ?? 1) }
        }
        let greatest = values.flatMap { $0.compactMap(\.self) }.max() ?? 2
        return HeatMap(
            title: "Slow-down beside others", rows: names, columns: columns, label: "× the time alone",
            values: values, range: 1...max(1.5, greatest), apart: stressors.count
        ).drawing()
    }

    private func slowdown(_ row: String, beside stressor: ProfileRecord.Stressor, rows: Int) -> Double? {
        var best: (distance: Int, value: Double)?
        for case .stressed(let stressed) in file.records
        where name(stressed.subject.model, stressed.subject.version) == row && stressed.stressor == stressor {
            let distance = abs(stressed.subject.rows - rows)
            if best.map({ distance < $0.distance }) ?? true { best = (distance, stressed.slowdown) }
        }
        return best?.value
    }

    private var demands: Drawing? {
        let shown = file.models.compactMap { model -> (name: String, demand: Demand)? in
            guard let demand = model.profile.curves.first?.points.last?.demand else { return nil }
            return (name(model.name, model.version), demand)
        }
        guard !shown.isEmpty else { return nil }
        func series(_ name: String, _ style: String, _ value: (Demand) -> Double) -> DotChart.Series {
            .init(
                name: name, style: style, values: shown.map { Estimate(value: value($0.demand), halfWidth: 0) })
        }
        return DotChart(
            title: "Demand", rows: shown.map(\.name), label: "share of the device",
            series: [
                series("compute", "k0", \.compute), series("bandwidth", "k1", \.bandwidth),
                series("cache", "k2", \.cache),
            ]
        ).drawing()
    }

    // -- the machine ----------------------------------------------------------------------------------------------

    private var noise: Drawing? {
        guard let noise = ProfileNoise(file.records), noise.references.count > 1 else { return nil }
        let marks = noise.references.enumerated().map { index, time in
            LineChart.Mark(
                x: Double(index + 1), y: Estimate(value: (time / noise.median - 1) * 100, halfWidth: 0))
        }
        let values = marks.map(\.y.value)
        return LineChart(
            title: "Noise: \(noise.verdict)", x: .init(label: "the same work, again and again"),
            y: .init(label: "off its median, %", low: min(-5, values.min() ?? 0), high: max(5, values.max() ?? 0)),
            series: [.init(name: "", style: "k0", marks: marks)], joins: false, height: 150
        ).drawing()
    }

    private var copies: Drawing? {
        let (alone, contended) = Self.copies(file.records)
        guard alone.count >= 3 else { return nil }
        func series(
            _ name: String, _ style: String, _ copies: [(bytes: Double, milliseconds: Double)]
        ) -> LineChart.Series {
            let marks = copies.filter { $0.bytes > 0 && $0.milliseconds > 0 }.sorted { $0.bytes < $1.bytes }.map {
                LineChart.Mark(x: $0.bytes / 1024, y: Estimate(value: $0.milliseconds * 1000, halfWidth: 0))
            }
            return .init(name: name, style: style, marks: Self.labelled(marks, name))
        }
        return LineChart(
            title: "Copying a batch's inputs", x: .init(label: "KiB", kind: .logarithmic),
            y: .init(label: "µs", kind: .logarithmic),
            series: [series("alone", "k0", alone), series("beside sweeps", "k1", contended)].filter {
                !$0.marks.isEmpty
            }, joins: false, height: 150
        ).drawing()
    }

    /// The name of the series beside its last point.
    private static func labelled(_ marks: [LineChart.Mark], _ name: String) -> [LineChart.Mark] {
        var marks = marks
        if !marks.isEmpty { marks[marks.count - 1].label = name }
        return marks
    }

    /// Bytes and times of copies of batches of more than one row, alone and beside sweeps through memory: one row lies where
    /// it came, and need not be gathered.
    static func copies(
        _ records: [ProfileRecord]
    ) -> (
        alone: [(bytes: Double, milliseconds: Double)], contended: [(bytes: Double, milliseconds: Double)]
    ) {
        var alone: [(bytes: Double, milliseconds: Double)] = []
        var contended: [(bytes: Double, milliseconds: Double)] = []
        for record in records {
            switch record {
            case .solo(let solo) where solo.subject.rows > 1:
                alone.append((Double(solo.bytesIn), milliseconds(solo.copyIn)))
            case .stressed(let stressed) where stressed.stressor == .bandwidth && stressed.subject.rows > 1:
                contended.append((Double(stressed.bytesIn), milliseconds(stressed.copyIn)))
            default: break
            }
        }
        return (alone, contended)
    }
}

extension ProfileRecord.Subject {
    /// Whether a model has that name and version.
    func isOf(_ other: ProfileFile.Model) -> Bool { model == other.name && version == other.version }
}
