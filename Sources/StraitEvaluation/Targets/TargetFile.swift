// SPDX-License-Identifier: Apache-2.0

internal import StraitFormats

/// The table of targets as text and as JSON.
package enum TargetFile {
    /// One JSON document: an array with an object for each row, keys in a fixed order; null where there is nothing.
    package static func json(_ rows: [TargetRow]) -> String {
        var json = JSONText()
        json.raw("[")
        for (index, row) in rows.enumerated() {
            json.raw(index > 0 ? ",\n {\"name\":" : "\n {\"name\":")
            json.string(row.name)
            json.raw(",\"target\":")
            json.string(row.target)
            json.raw(",\"verdict\":")
            json.string(row.verdict.rawValue)
            json.raw(",\"worst\":")
            json.add(row.worst?.value)
            json.raw(",\"half_width\":")
            json.add(row.worst?.halfWidth)
            json.raw(",\"unit\":")
            json.string(row.unit)
            json.raw(",\"worst_cell\":")
            json.string(row.worstCell)
            json.raw(",\"detail\":")
            json.string(row.detail)
            json.raw("}")
        }
        json.raw("\n]\n")
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// Reads what `json` has made; rows come without their room.
    ///
    /// - Throws: `badFile` with the place and what was expected.
    package static func rows(path: String) throws(EvaluationError) -> [TargetRow] {
        var rows: [TargetRow] = []
        do throws(FormatError) {
            let content = try Files.read(path, limit: mostBytes)
            let node = try content.withUnsafeBufferPointer { (bytes) throws(FormatError) in try JSONReader.read(bytes) }
            if case .array(let nodes) = node.content {
                for node in nodes { if let row = try row(JSONFields(node)) { rows.append(row) } }
                if rows.count == nodes.count { return rows }
            }
        } catch {
            throw EvaluationError(.badFile, "\(path): \(error)")
        }
        throw EvaluationError(
            .badFile, "\(path): target \(rows.count) is not as strait evaluate writes it; let it write the file anew")
    }

    /// Some hundred bytes a target.
    private static let mostBytes = 1 << 20
    private static let numbers = -1e12...1e12

    /// nil for a verdict that there is not, or no text where one was expected.
    private static func row(_ fields: JSONFields) throws(FormatError) -> TargetRow? {
        var fields = fields
        func text(_ key: String) throws(FormatError) -> String? {
            guard case .string(let text) = try fields.node(key, "a text").content else { return nil }
            return text
        }
        let worst = try fields.optionalNumber("worst", in: numbers)
        let halfWidth = try fields.optionalNumber("half_width", in: numbers)
        guard let name = try text("name"), let target = try text("target"), let unit = try text("unit"),
            let verdict = try text("verdict").flatMap(TargetRow.Verdict.init), let worstCell = try text("worst_cell"),
            let detail = try text("detail")
        else { return nil }
        return TargetRow(
            name: name, target: target, verdict: verdict,
            worst: worst.map { Estimate(value: $0, halfWidth: halfWidth ?? .infinity) }, unit: unit,
            worstCell: worstCell, detail: detail)
    }

    /// Lines for people: the verdict, what is asked, and below it what was measured.
    package static func text(_ rows: [TargetRow]) -> String {
        let width = TargetRow.Verdict.allCases.map(\.rawValue.count).max() ?? 0
        let indent = String(repeating: " ", count: width + 2)
        return rows.map { row in
            let verdict = row.verdict.rawValue
            var text = verdict + String(repeating: " ", count: width + 2 - verdict.count) + row.target + "\n"
            if row.worst != nil { text += indent + row.measured + " in " + row.worstCell + "\n" }
            if !row.detail.isEmpty { text += indent + row.detail + "\n" }
            return text
        }.joined()
    }
}

extension JSONText {
    fileprivate mutating func add(_ value: Double?) {
        if let value, value.isFinite { number(value) } else { raw("null") }
    }
}
