// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitDevices
internal import StraitFormats
internal import StraitPlatform

/// The flags of `strait profile`.
struct ProfileOptions: ParsableArguments {
    @Option(name: [.long, .customLong("model-store")], help: "The folder of models, in Triton's layout.")
    var modelRepository: String?

    @Option(
        help: ArgumentHelp(
            "Where the profile goes. Default: DIR.profile.json beside the repository, where serve looks for it.",
            valueName: "file"))
    var output: String?

    @Option(
        help: ArgumentHelp(
            "What to measure, as serve's --device has it, such as cpu:cores=0,lanes=2 or cuda:0. Of several equal ones the "
                + "first. Default: one CPU device, of which the next two flags tell.", valueName: "device"))
    var device: String?

    @OptionGroup var lanes: LaneOptions

    @Flag(help: "Be hasty: fewer repetitions, demands only at one row and at the largest batch.")
    var quick = false

    @Option(help: ArgumentHelp("Be as thorough as this allows.", valueName: "minutes"))
    var budgetMinutes: Double?

    @Option(
        help: ArgumentHelp(
            "A shape to measure a model at whose dimensions vary, with 1 for the batch; repeatable. The first of a model "
                + "is measured at all batch sizes, before the usual sizes.",
            valueName: "model,input:1xD1xD2[,input:…]"))
    var shape: [String] = []

    @Option(help: ArgumentHelp("The page to look at. Default: the output's name with .html.", valueName: "file"))
    var page: String?

    @Option(help: ArgumentHelp("Write the page's pictures to this file as one, SVG.", valueName: "file"))
    var figure: String?

    @Option(help: ArgumentHelp("Measure nothing, and draw the page of this profile.", valueName: "file"))
    var draw: String?

    @Flag(help: "Do not go on from what a stopped profile has left.")
    var anew = false

    @Flag(help: "No progress line.")
    var quiet = false

    @OptionGroup var onnxRuntime: OnnxRuntimeOptions

    mutating func validate() throws {
        try check(
            (modelRepository == nil) != (draw == nil),
            "give --model-repository to measure, or --draw to draw; one of them")
        try lanes.check(beside: device != nil)
        do { try specification.check() } catch { throw ValidationError("\(error)") }
        try check(
            budgetMinutes.map { $0 > 0 && $0 <= 1440 } ?? true,
            "--budget-minutes is \(budgetMinutes ?? 0); expected more than 0, at most 1440")
        for text in shape {
            try check(Self.parse(text) != nil, "--shape is '\(text)'; expected for instance ocr_rec,x:1x3x48x320")
        }
    }

    // -- shapes ---------------------------------------------------------------------------------------------------

    /// A model with the shapes of its inputs.
    private static func parse(_ text: String) -> (model: String, shapes: [String: [Int]])? {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard let model = parts.first, !model.isEmpty, parts.count > 1 else { return nil }
        var shapes: [String: [Int]] = [:]
        for part in parts.dropFirst() {
            // The input's name may itself hold a colon; the dimensions never do.
            guard let colon = part.lastIndex(of: ":"), colon > part.startIndex else { return nil }
            let dimensions = part[part.index(after: colon)...]
                .split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
            guard dimensions.allSatisfy({ $0 > 0 }) else { return nil }
            shapes[String(part[..<colon])] = dimensions
        }
        return (String(model), shapes)
    }

    /// The shapes that are asked for, by model, in their order.
    var shapesByModel: [String: [[String: [Int]]]] {
        shape.reduce(into: [:]) { found, text in
            if let (model, shapes) = Self.parse(text) { found[model, default: []].append(shapes) }
        }
    }

    // -- files ----------------------------------------------------------------------------------------------------

    /// Where the profile goes.
    var outputPath: String { output ?? ProfileFile.path(forRepository: modelRepository ?? draw ?? "") }

    /// Where it grows until it is complete.
    var journalPath: String { outputPath + ".partial" }

    /// Where the page goes.
    var pagePath: String {
        let path = output ?? draw ?? outputPath
        return page ?? (path.hasSuffix(".json") ? String(path.dropLast(5)) : path) + ".html"
    }

    /// What measurements of another session must have been made with to count here.
    var settings: String {
        let shapes =
            shape.isEmpty ? "" : ", shapes \(FileDigest.sha256(text: shape.joined(separator: "\n")).prefix(16))"
        return (quick ? "quick" : "full") + shapes
    }

    // -- the device -----------------------------------------------------------------------------------------------

    /// What is measured.
    var specification: DeviceSpecification {
        get throws(DeviceSpecification.Misspelling) {
            guard let device else { return lanes.specification }
            return try DeviceSpecification(device)
        }
    }
}
