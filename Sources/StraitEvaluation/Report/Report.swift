// SPDX-License-Identifier: Apache-2.0

/// The report: one page that needs no other file, and each of its figures as a file. The same input gives the same
/// bytes.
package struct Report {
    /// A file of a figure.
    package struct File: Sendable {
        /// Its name, without a folder.
        package let name: String
        /// SVG.
        package let content: String
    }

    /// The page.
    package let html: String
    /// Its figures.
    package let files: [File]

    /// The report of an evaluation.
    ///
    /// - Complexity: O(records) for each figure, of which resampling is the most.
    package init(_ input: ReportInput) {
        let parts = Self.figures(input)
        files = parts.flatMap(\.figures).map { File(name: "\($0.name).svg", content: $0.svg) }
        let tables = ReportTables(input)
        let sections = [
            ("Targets", "targets", tables.targets), ("Where we lose", "losses", Losses(input.table).html),
        ]
        let after = [
            ("Core table", "core", tables.core), ("Fidelity to a server", "fidelity-table", tables.fidelity),
            ("Policies", "policies", tables.policies),
        ]
        let drawn = parts.flatMap(\.figures)
        let links =
            sections.map { ($0.1, $0.0) } + drawn.map { ($0.name, $0.title) }
            + after.filter { !$0.2.isEmpty }.map { ($0.1, $0.0) }
        let missing = parts.filter { $0.figures.isEmpty }
            .map { "<p>No figure of \(Markup.escaped($0.subject)): it needs \(Markup.escaped($0.needs)).</p>\n" }
        func section(_ part: (String, String, String)) -> String {
            part.2.isEmpty ? "" : "<section id=\"\(part.1)\"><h2>\(part.0)</h2>\n\(part.2)</section>\n"
        }
        html =
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
            + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
            + "<meta name=\"color-scheme\" content=\"light dark\"/><title>Strait: the evaluation</title>\n"
            + "<style>\(ReportStyle.charts)\(ReportStyle.page)</style></head>\n<body><main>\n"
            + "<h1>Strait: the evaluation</h1>\n\(Self.introduction)\(tables.facts)<nav>"
            + links.map { "<a href=\"#\($0.0)\">\(Markup.escaped($0.1))</a>" }.joined(separator: "\n")
            + "</nav>\n" + sections.map(section).joined() + drawn.map(\.html).joined()
            + missing.joined() + after.map(section).joined() + "</main></body></html>\n"
    }

    private static let introduction =
        "<p>Simulated runs: every policy met the same requests for a seed. V is the share of requests of a class "
        + "that were not "
        + "answered by their deadline, late and shed alike; V high and V low are those of the two classes. "
        + "Intervals are 95 % "
        + "ones over seeds; differences are paired within a seed.</p>\n"

    /// A subject with its figures, or with what would give them.
    struct Part {
        var subject: String
        var needs: String
        var figures: [Figure]

        init(_ subject: String, _ needs: String, _ figures: [Figure]) {
            self.subject = subject
            self.needs = needs
            self.figures = figures
        }
    }

    private static func figures(_ input: ReportInput) -> [Part] {
        let table = input.table
        let predictions = EstimatorFigures(input)
        let axes = AxisFigures(table)
        return [
            Part("violations against load", "the part core of the plan", ViolationFigures(table).figures),
            Part("what one class costs the other", "the part pareto", ParetoFigures(table).figures),
            Part("how models fare", "the part core, at load 1", EquityFigures(table).figures),
            Part("a busy second", "recordings of it", TimelineFigures(input.timelines).figures),
            Part("what parts of strait are worth", "the part ablations", AblationFigures(table).figures),
            Part("wasted device time", "the part core", WasteFigures(table).figures),
            Part("errors of estimators", "the part estimators", predictions.trials),
            Part("predictions through a change", "recordings of it", predictions.drifts),
            Part("bounds on the ends of batches", "the part core, under strait", predictions.coverage),
            Part("several devices", "the part axes", axes.devices),
            Part("the other axes", "the part axes", axes.others),
            Part("the second physics", "the part physics", ViolationFigures(table, of: .physics).figures),
            Part("fidelity to real devices", "what strait fidelity writes", FidelityFigures(input.fidelity).figures),
        ]
    }
}
