// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import StraitCore
internal import Testing

@testable import StraitEvaluation

#if canImport(FoundationXML)
    internal import FoundationXML
#endif

/// Whether text is well-formed XML.
func isWellFormed(_ text: String) -> Bool { XMLParser(data: Data(text.utf8)).parse() }

@Suite struct ChartTests {
    // -- words ----------------------------------------------------------------------------------------------------

    @Test func markupIsEscaped() {
        #expect(Markup.escaped("a<b>&\"c\"\u{1}\n") == "a&lt;b&gt;&amp;&quot;c&quot; ")
        #expect(isWellFormed("<x y=\"\(Markup.escaped("<&\">\u{0}\u{FFFE}"))\"/>"))
        #expect(!isWellFormed("<x y=\"<\"/>"))
    }

    @Test func numbersHaveTheDigitsThatMeanSomething() {
        #expect(Markup.number(0) == "0")
        #expect(Markup.number(0.05) == "0.05")
        #expect(Markup.number(1.15) == "1.15")
        #expect(Markup.number(30) == "30")
        #expect(Markup.number(12.34) == "12.3")
        #expect(Markup.number(-1234.5) == "-1235")
        #expect(Markup.number(.nan) == "–")
        #expect(Markup.coordinate(.nan) == "0")
        #expect(Markup.coordinate(.infinity) == "100000")
        #expect(Markup.coordinate(-0.04) == "0")
    }

    // -- scales ---------------------------------------------------------------------------------------------------

    @Test func ticksAreRoundAndInside() {
        #expect(Scale(.linear, 0, 60, from: 0, to: 1).ticks(about: 5) == [0, 20, 40, 60])
        #expect(Scale(.linear, -3, 7.5, from: 0, to: 1).ticks(about: 5) == [0, 5])
        #expect(
            Scale(.logarithmic, 0.05, 100, from: 0, to: 1).ticks(about: 5).map(Markup.number) == [
                "0.1", "0.3", "1", "3", "10", "30", "100",
            ])
        for (low, high) in [(0.0, 0.0), (5, 5), (-1e9, 1e9), (1e-7, 2e-7), (.nan, .infinity)] {
            for kind in [Scale.Kind.linear, .logarithmic] {
                let scale = Scale(kind, low, high, from: 10, to: 110)
                #expect(scale.ticks(about: 5).count < 30)
                #expect(scale.ticks(about: 5).allSatisfy { (10...110).contains(scale.place($0)) })
            }
        }
    }

    @Test func valuesBeyondAnEndAreDrawnThere() {
        let scale = Scale(.logarithmic, 0.1, 100, from: 300, to: 0)
        #expect(scale.place(0) == 300)
        #expect(scale.place(1000) == 0)
        #expect(abs(scale.place(1) - 200) < 1e-9)
        #expect(scale.place(.nan) == 300)
    }

    // -- labels ---------------------------------------------------------------------------------------------------

    @Test func labelsAtLineEndsKeepTheirDistanceAndOrder() {
        var random = SplitMix(seed: 4)
        for _ in 0..<200 {
            let wanted = (0..<(1 + random.below(20))).map { _ in Double(random.below(300)) }
            let places = Labels.spread(wanted, gap: 12, within: 0...300)
            let sorted = places.sorted()
            #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $1 - $0 > 11.999 })
            #expect(places.allSatisfy { (-0.001...300.001).contains($0) })
            for (one, other) in zip(wanted.indices, wanted.indices.dropFirst()) where wanted[one] < wanted[other] {
                #expect(places[one] < places[other])
            }
        }
    }

    @Test func labelsThatHaveRoomStayWhereTheyWantToBe() {
        #expect(Labels.spread([50, 10, 90], gap: 12, within: 0...100) == [50, 10, 90])
        #expect(Labels.spread([50, 50], gap: 12, within: 0...100) == [44, 56])
        // Too many for the range: closer together, but inside and in order.
        #expect(Labels.spread([1, 2, 3], gap: 12, within: 0...10) == [0, 5, 10])
        #expect(Labels.spread([], gap: 12, within: 0...10) == [])
    }

    @Test func labelsOfPointsCoverNeitherEachOtherNorPoints() {
        var random = SplitMix(seed: 9)
        let frame = Box(left: 0, top: 0, width: 600, height: 300)
        let labels = (0..<25).map { index in
            Labels.Beside(
                text: "policy-\(index)", point: Point(x: Double(random.below(600)), y: Double(random.below(300))),
                size: 10)
        }
        let points = labels.map { Box(left: $0.point.x - 2, top: $0.point.y - 2, width: 4, height: 4) }
        let boxes = Labels.beside(labels, avoiding: points, within: frame).compactMap(\.self)
        #expect(boxes.count > 20)
        for (index, box) in boxes.enumerated() {
            #expect(box.isInside(frame))
            #expect(!points.contains(where: box.overlaps))
            #expect(!boxes[(index + 1)...].contains(where: box.overlaps))
        }
    }

    // -- charts ---------------------------------------------------------------------------------------------------

    /// Whether a figure of a picture is well-formed, and has no number that is none.
    private func isSound(_ drawing: Drawing) -> Bool {
        let figure = Figure(name: "a", title: "a <&> b", caption: "c & \"d\" < e", panels: [drawing, drawing])
        let words = figure.svg.split { !$0.isLetter }.map { $0.lowercased() }
        return isWellFormed(figure.svg) && isWellFormed(figure.html) && !words.contains("nan") && !words.contains("inf")
            && figure.svg == figure.svg
    }

    private static let extremes: [[Double]] = [
        [], [0], [0, 0, 0], [1e-12], [1e12], [-5, 5], [.nan], [.infinity, 1], [100, 100, 100],
    ]

    @Test(arguments: extremes) func lineChartsTakeAnything(_ values: [Double]) {
        for kind in [Scale.Kind.linear, .logarithmic] {
            for joins in [true, false] {
                let marks = values.enumerated().map { index, value in
                    LineChart.Mark(
                        x: Double(index), y: Estimate(value: value, halfWidth: index == 0 ? .infinity : value),
                        halfAcross: value, label: "<\(index)&>")
                }
                let chart = LineChart(
                    title: "<&", x: LineChart.Axis(label: "x & y", kind: kind),
                    y: LineChart.Axis(label: "%", kind: kind),
                    series: [
                        LineChart.Series(name: "<&>", style: "k0", isOurs: true, marks: marks),
                        LineChart.Series(name: "none", style: "kg", marks: []),
                    ], joins: joins, band: 1...2, mark: (x: 1, name: "<now>"), showsDiagonal: true)
                #expect(isSound(chart.drawing()))
            }
        }
    }

    @Test(arguments: extremes) func barsAndDotsTakeAnything(_ values: [Double]) {
        let estimates = values.map { Estimate?.some(Estimate(value: $0, halfWidth: $0)) } + [nil]
        let names = estimates.indices.map { "<\($0)&>" }
        for words in [BarChart.Values.number, .difference] {
            let bars = BarChart(
                title: "<", rows: names.map { BarChart.Row(name: $0, style: "kg") },
                columns: [BarChart.Column(label: "&", values: estimates)], values: words)
            #expect(isSound(bars.drawing()))
        }
        let dots = DotChart(
            title: "<", rows: names, label: "&",
            series: [DotChart.Series(name: "<&>", style: "k0", values: estimates)])
        #expect(isSound(dots.drawing()))
    }

    @Test func aBarIsAsLongAsItsValue() {
        let chart = BarChart(
            title: "", rows: [BarChart.Row(name: "a", style: "k0"), BarChart.Row(name: "b", style: "k0")],
            columns: [
                BarChart.Column(
                    label: "", values: [Estimate(value: 10, halfWidth: 0), Estimate(value: 5, halfWidth: 0)])
            ])
        let widths = chart.drawing().body.split(separator: "<rect ").compactMap { part in
            part.split(separator: "width=\"").last?.split(separator: "\"").first.flatMap { Double($0) }
        }
        #expect(widths.count == 2)
        #expect(abs(widths[0] - 2 * widths[1]) < 0.3)
    }

    @Test func oneLongBarIsCutAndDoesNotHideTheOthers() {
        func chart(_ longest: Double) -> String {
            let values = [4.0, 5, 6, 7, longest].map { Estimate?.some(Estimate(value: $0, halfWidth: 0)) }
            return BarChart(
                title: "", rows: values.indices.map { BarChart.Row(name: "\($0)", style: "k0") },
                columns: [BarChart.Column(label: "", values: values)]
            ).drawing().body
        }
        #expect(chart(90).contains("class=\"cut\"") && chart(90).contains(">90</text>"))
        #expect(!chart(12).contains("class=\"cut\""))
    }

    @Test func namesAtLineEndsAreALineApart() {
        let series = (0..<12).map { index in
            LineChart.Series(
                name: "policy-\(index)", style: "kg",
                marks: [0.0, 1].map { LineChart.Mark(x: $0, y: Estimate(value: 5 + Double(index) / 100, halfWidth: 0)) }
            )
        }
        let body = LineChart(
            title: "", x: LineChart.Axis(label: ""), y: LineChart.Axis(label: "", low: 0, high: 10), series: series
        ).drawing().body
        let heights = body.split(separator: "\n").filter { $0.contains(">policy-") && $0.hasPrefix("<text") }
            .compactMap { $0.split(separator: " y=\"").last?.split(separator: "\"").first.flatMap { Double($0) } }
            .sorted()
        #expect(heights.count == 12)
        #expect(zip(heights, heights.dropFirst()).allSatisfy { $1 - $0 > 11.8 })
    }
}
