// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore
package import StraitFormats

/// A profile on one page that needs no other file, for a desk and a phone, in light and in dark. The same profile gives the
/// same bytes.
package struct ProfilePage {
    /// The page, HTML.
    package let html: String
    /// Its pictures in one, SVG; nil where the profile holds no measurements.
    package let svg: String?

    /// The page of a profile.
    ///
    /// - Parameter version: of the program, for the reader.
    package init(_ file: ProfileFile, version: String) {
        let figure = ProfileCharts(file).figure
        svg = figure?.svg
        let facts = Self.facts(file, version).map { "<dt>\($0.0)</dt><dd>\(Markup.escaped($0.1))</dd>" }
        html =
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
            + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
            + "<meta name=\"color-scheme\" content=\"light dark\"/><title>Strait: a profile</title>\n"
            + "<style>\(ReportStyle.charts)\(ReportStyle.page)</style></head>\n<body><main>\n"
            + "<h1>How long models take</h1>\n<dl>\(facts.joined(separator: "\n"))</dl>\n"
            + (figure?.html ?? "<p>This profile holds no measurements.</p>\n")
            + "<h2>Numbers</h2>\n\(Self.table(file))</main></body></html>\n"
    }

    private static func facts(_ file: ProfileFile, _ version: String) -> [(String, String)] {
        var facts = [("device", file.device.name), ("driver", file.device.driver)]
        if let date = file.calendarMilliseconds { facts.append(("measured", Self.date(date))) }
        facts.append(("measured with", "strait \(version)"))
        if let noise = ProfileNoise(file.records) { facts.append(("noise", noise.words)) }
        let (alone, contended) = ProfileCharts.copies(file.records)
        if let copies = ProfileCopies(alone) {
            let beside = ProfileCopies(contended).map { "; beside sweeps through memory \($0.words)" } ?? ""
            facts.append(("copying a batch's inputs", copies.words + beside))
        }
        return facts
    }

    /// A time in UTC, to the minute.
    private static func date(_ milliseconds: Int64) -> String {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ value: Int32) -> String { (value < 10 ? "0" : "") + "\(value)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)) UTC"
    }

    private static func table(_ file: ProfileFile) -> String {
        let rows = file.models.flatMap { model -> [[String]] in
            model.profile.curves.flatMap { curve in
                curve.points.map { point in
                    var solo: ProfileRecord.Solo?
                    for case .solo(let found) in file.records
                    where solo == nil && found.subject.isOf(model) && found.subject.bucket == curve.bucket
                        && found.subject.rows == point.rows
                    { solo = found }
                    return row(model, curve, point, solo)
                }
            }
        }
        return HTMLTable(
            head: [
                "model", "elements a row", "rows", "ms", "± %", "p95 ms", "runs", "KiB in", "KiB out", "compute",
                "bandwidth", "cache",
            ], rows: rows, numbers: Set(1...11)
        ).html
    }

    private static func row(
        _ model: ProfileFile.Model, _ curve: ModelProfile.Curve, _ point: ModelProfile.Point,
        _ solo: ProfileRecord.Solo?
    ) -> [String] {
        func milliseconds(_ time: Duration) -> String { Estimate.decimals(Double(time.nanoseconds) / 1e6, 3) }
        let demand = point.demand.map { [$0.compute, $0.bandwidth, $0.cache].map { Estimate.decimals($0, 2) } }
        let error = solo.map { Double(($0.high - $0.low).nanoseconds) / 2 / Double($0.median.nanoseconds) * 100 }
        return [
            model.name, solo.map { "\($0.subject.elementsPerRow)" } ?? "≤ \(1 << Int(min(curve.bucket, 62)))",
            "\(point.rows)", milliseconds(point.kernelTime), error.map { Estimate.decimals($0, 1) } ?? "–",
            solo.map { milliseconds($0.p95) } ?? "–", solo.map { "\($0.runs)" } ?? "–",
            solo.map { Estimate.decimals(Double($0.bytesIn) / 1024, 1) } ?? "–",
            solo.map { Estimate.decimals(Double($0.bytesOut) / 1024, 1) } ?? "–",
        ] + (demand ?? ["–", "–", "–"])
    }
}
