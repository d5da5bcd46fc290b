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

    /// Lines for people: the verdict, what is asked, and below it what was measured.
    package static func text(_ rows: [TargetRow]) -> String {
        let width = TargetRow.Verdict.allCases.map(\.rawValue.count).max() ?? 0
        let indent = String(repeating: " ", count: width + 2)
        return rows.map { row in
            let verdict = row.verdict.rawValue
            var text = verdict + String(repeating: " ", count: width + 2 - verdict.count) + row.target + "\n"
            if let worst = row.worst {
                // Indices and ratios are told apart by thousandths, percentages by hundredths.
                let number = row.unit.isEmpty ? worst.words(places: 3) : worst.words + " " + row.unit
                text += indent + number + " in " + row.worstCell + "\n"
            }
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
