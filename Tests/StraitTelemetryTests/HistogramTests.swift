// SPDX-License-Identifier: Apache-2.0

internal import StraitTelemetry
internal import Testing

@Suite struct HistogramTests {
    @Test func `a bucket holds its upper end, and the last one all beyond`() {
        var histograms = Histograms(bounds: [10, 20, 50])
        for value: Int64 in [-5, 0, 10, 11, 20, 21, 50, 51, .max] { histograms.note(value) }
        #expect(histograms.cumulative() == [3, 5, 7, 9])
        #expect(histograms.count() == 9)
    }

    @Test func `rows are apart, and can be moved`() {
        var histograms = Histograms(bounds: [1], rows: 2)
        histograms.note(1, row: 1)
        histograms.note(5, row: 1)
        histograms.addRow()
        histograms.note(7, row: 2)
        #expect(histograms.count(0) == 0 && histograms.sum(1) == 6)
        histograms.move(2, to: 1)
        #expect(histograms.cumulative(1) == [1, 3] && histograms.sum(1) == 13)
        #expect(histograms.count(2) == 0 && histograms.sum(2) == 0)
    }

    @Test func `any bucket is found as by looking through all`() {
        for bounds in [Buckets.latency, Buckets.decision, Buckets.rows, Buckets.ratio, Buckets.pacing] {
            for bound in bounds {
                for value in [bound - 1, bound, bound + 1] {
                    var histograms = Histograms(bounds: bounds)
                    histograms.note(value)
                    let expected = bounds.firstIndex { value <= $0 } ?? bounds.count
                    #expect(histograms.cumulative().firstIndex(of: 1) == expected)
                }
            }
        }
    }

    @Test func `counts in rows`() {
        var counts = Counts(columns: 2, rows: 1)
        counts.addRow()
        counts.add(row: 1, column: 1)
        counts.add(4, row: 1, column: 0)
        counts.move(1, to: 0)
        #expect(counts[0, 0] == 4 && counts[0, 1] == 1 && counts[1, 1] == 0)
        let copy = counts.copied()
        counts.add(row: 0, column: 0)
        #expect(copy[0, 0] == 4 && copy.rows == 2)
    }
}
