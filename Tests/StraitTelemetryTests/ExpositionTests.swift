// SPDX-License-Identifier: Apache-2.0

internal import StraitTelemetry
internal import Testing

@Suite struct ExpositionTests {
    private func text(_ format: ExpositionFormat, _ write: (inout Exposition) -> Void) -> String {
        var exposition = Exposition(format)
        write(&exposition)
        return String(decoding: exposition.finish(), as: UTF8.self)
    }

    @Test func `a counter in both formats`() {
        let write = { (exposition: inout Exposition) in
            exposition.family("a_seconds", .counter, unit: "seconds", "What it is.")
            exposition.sample([("class", "high"), ("reason", "")], 2.5)
        }
        #expect(
            text(.prometheus, write) == """
                # HELP a_seconds_total What it is.
                # TYPE a_seconds_total counter
                a_seconds_total{class="high"} 2.5

                """)
        #expect(
            text(.openMetrics, write) == """
                # HELP a_seconds What it is.
                # TYPE a_seconds counter
                # UNIT a_seconds seconds
                a_seconds_total{class="high"} 2.5
                # EOF

                """)
    }

    @Test func `a counter of others keeps its name in both formats`() {
        let write = { (exposition: inout Exposition) in
            exposition.family("nv_count", .foreignCounter, "Theirs.")
            exposition.sample([], UInt64(3))
        }
        #expect(text(.prometheus, write).contains("# TYPE nv_count counter\nnv_count 3\n"))
        #expect(text(.openMetrics, write).contains("# TYPE nv_count unknown\nnv_count 3\n"))
    }

    @Test func `a histogram's bounds are the decimals that are meant`() {
        var histograms = Histograms(bounds: [200_000, 3_000_000, 60_000_000_000])
        for value: Int64 in [200_000, 1_000_000, 90_000_000_000] { histograms.note(value) }
        let written = text(.prometheus) { exposition in
            exposition.family("b_seconds", .histogram, unit: "seconds", "B.")
            exposition.histogram([("model", "m")], histograms, scale: .nanoseconds)
        }
        #expect(
            written == """
                # HELP b_seconds B.
                # TYPE b_seconds histogram
                b_seconds_bucket{model="m",le="0.0002"} 1
                b_seconds_bucket{model="m",le="0.003"} 2
                b_seconds_bucket{model="m",le="60.0"} 2
                b_seconds_bucket{model="m",le="+Inf"} 3
                b_seconds_sum{model="m"} 90.0012
                b_seconds_count{model="m"} 3

                """)
    }

    @Test func `what would end a line or a value is escaped`() {
        let written = text(.prometheus) { exposition in
            exposition.family("c", .gauge, "One\nline, with \\ and \"quotes\".")
            exposition.sample([("model", "a\"b\\c\nd é")], UInt64(1))
        }
        #expect(
            written == #"""
                # HELP c One\nline, with \\ and "quotes".
                # TYPE c gauge
                c{model="a\"b\\c\nd é"} 1

                """#)
    }

    @Test func `numbers that are none`() {
        let written = text(.openMetrics) { exposition in
            exposition.family("d", .gauge, "D.")
            for value in [Double.infinity, -.infinity, .nan, 1e-7, 1e21, 0] { exposition.sample([], value) }
        }
        #expect(written.contains("d +Inf\nd -Inf\nd NaN\nd 1e-07\nd 1e+21\nd 0.0\n"))
    }

    @Test(
        arguments: [
            (nil, ExpositionFormat.prometheus), ("", .prometheus), ("*/*", .prometheus), ("text/html", .prometheus),
            ("application/openmetrics-text", .openMetrics),
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                    + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics
            ),
            ("application/openmetrics-text; version=0.0.1", .prometheus),
            ("application/openmetrics-text;q=0.3, text/plain;q=0.8", .prometheus),
            ("application/openmetrics-text;q=0, */*;q=0.1", .prometheus),
            ("text/*;q=0.9, application/openmetrics-text;q=0.9", .openMetrics),
            ("application/openmetrics-text;q=nonsense", .prometheus),
            ("APPLICATION/OpenMetrics-Text ; Version=1.0.0 ; Q=1.0", .openMetrics),
        ] as [(String?, ExpositionFormat)])
    func `the format is the one that a client likes best`(accept: String?, expected: ExpositionFormat) {
        #expect(ExpositionFormat(accept: accept) == expected)
    }
}
