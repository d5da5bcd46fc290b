// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

extension LearnedStateFile {
    /// Writes a file in one step: whoever reads it sees the old content or the new one.
    ///
    /// - Throws: a ``FormatError`` with the file, also where the content is such that it could not be read back.
    package func write(to path: String) throws(FormatError) {
        if let flaw = flaw() { throw FormatError(.invalid, "not written, because \(flaw)", file: path) }
        let content = json()
        guard content.count <= Self.maximumBytes else {
            throw FormatError(
                .invalid, "not written, because it would be longer than \(Self.maximumBytes) bytes", file: path)
        }
        try Files.replace(path, with: content)
    }

    private func flaw() -> String? {
        if !device.isWritable { return "a name is empty or too long" }
        if models.count > Bounds.models { return "there are more than \(Bounds.models) models" }
        if learned.models.count != models.count { return "not every model has its state" }
        if !(1...Bounds.devices).contains(learned.devices.count) { return "there are \(learned.devices.count) devices" }
        if Set(models.map { [$0.key.name, String($0.key.version)] }).count < models.count {
            return "a model stands twice in it"
        }
        for (model, learned) in zip(models, learned.models) {
            if let flaw = model.key.flaw() { return flaw }
            if let flaw = model.profile?.flaw() { return "in the profile of \(model.key.name) \(flaw)" }
            let buckets = learned.solo.map(\.bucket) + learned.corrections.map(\.bucket)
            guard buckets.allSatisfy({ Bounds.elementExponents.contains(Int($0)) }),
                learned.corrections.allSatisfy({ Bounds.rowExponents.contains(Int($0.exponent)) }),
                learned.solo.allSatisfy({ $0.cells.count <= Bounds.rowExponents.count })
            else { return "a size of \(model.key.name) is out of range" }
        }
        return learned.brokenInvariant()
    }

    func json() -> [UInt8] {
        var text = JSONText()
        text.raw("{\n  \"strait_learned\": ")
        text.integer(Self.version)
        text.raw(",\n  \"device\": ")
        device.write(to: &text)
        text.raw(",\n  \"estimator\": ")
        text.string(learned.estimator.rawValue)
        text.raw(",\n  \"theta\": ")
        text.vector(learned.theta)
        if !learned.matrix.isEmpty {
            text.raw(",\n  \"matrix\": [")
            text.list(learned.matrix, separator: ",\n    ", before: "\n    ") { $0.vector($1) }
            text.raw("\n  ]")
        }
        if learned.rightSide != SIMD8() {
            text.raw(",\n  \"right_side\": ")
            text.vector(learned.rightSide)
        }
        text.raw(",\n  \"classes\": {")
        text.list(RequestClass.allCases, separator: ",\n    ", before: "\n    ") { text, requestClass in
            let quantiles = learned.classes[requestClass.rawValue]
            text.string("\(requestClass)")
            text.raw(": ")
            text.object([("q50", quantiles.median), ("q95", quantiles.q95), ("q99", quantiles.q99)])
        }
        text.raw("\n  },\n  \"devices\": [")
        text.list(learned.devices, separator: ",\n    ", before: "\n    ") { $1.write(to: &$0) }
        text.raw("\n  ],\n  \"models\": [")
        text.list(Array(zip(models, learned.models)), separator: ",\n    ", before: "\n    ") { text, entry in
            entry.0.write(to: &text, learned: entry.1)
        }
        text.raw("\n  ]\n}\n")
        return text.bytes
    }
}

extension LearnedStateFile.Model {
    fileprivate func write(to text: inout JSONText, learned: LearnedState.Model) {
        text.raw("{\n      \"name\": ")
        text.string(key.name)
        text.raw(",\n      \"version\": ")
        text.integer(key.version)
        text.raw(",\n      \"hash\": ")
        text.string(key.hash)
        if let profile {
            text.raw(",\n      \"profile\": {\n")
            profile.write(to: &text, indentation: "        ")
            text.raw("\n      }")
        }
        if let interference = learned.interference {
            text.raw(",\n      \"interference\": {\"bias\": ")
            text.number(interference.bias)
            text.raw(", \"uncertainty\": ")
            text.number(interference.uncertainty)
            text.raw(", \"slope\": ")
            text.vector(interference.slope)
            text.raw(", \"idle\": ")
            text.integer(interference.idle)
            text.raw(", \"surprises\": ")
            text.number(Double(interference.surprises))
            text.raw("}")
        }
        text.raw(",\n      \"pace\": ")
        text.number(learned.pace)
        text.raw(",\n      \"solo\": [")
        text.list(learned.solo, separator: ",\n        ", before: "\n        ") { $1.write(to: &$0) }
        text.raw("],\n      \"corrections\": [")
        text.list(learned.corrections, separator: ",\n        ", before: "\n        ") { $1.write(to: &$0) }
        text.raw("]")
        if !learned.copies.isEmpty {
            text.raw(",\n      \"copies\": [")
            text.list(learned.copies, separator: ", ", before: "") {
                $0.object([("in", $1.copyIn), ("out", $1.copyOut)])
            }
            text.raw("]")
        }
        text.raw("\n    }")
    }
}

extension LearnedState.Device {
    fileprivate func write(to text: inout JSONText) {
        text.raw("{\"speed\": ")
        text.number(speed)
        text.raw(", \"noise\": ")
        text.number(noise)
        if let copyIn, let copyOut {
            text.raw(",\n      \"copy_in\": ")
            copyIn.write(to: &text)
            text.raw(",\n      \"copy_out\": ")
            copyOut.write(to: &text)
        }
        text.raw("}")
    }
}

extension LearnedState.CopyLine {
    fileprivate func write(to text: inout JSONText) {
        text.object([
            ("weight", weight), ("bytes", bytes), ("ns", time), ("bytes_squared", bytesSquared),
            ("bytes_ns", bytesTime),
        ])
    }
}

extension LearnedState.SoloCurve {
    fileprivate func write(to text: inout JSONText) {
        text.raw("{\"elements_per_row\": ")
        text.integer(1 << Int(bucket))
        text.raw(", \"times\": [")
        let known = cells.indices.filter { cells[$0].samples > 0 }
        text.list(known, separator: ",\n          ", before: "\n          ") { text, index in
            text.raw("{\"rows\": ")
            text.integer(1 << index)
            text.raw(", \"mean_ns\": ")
            text.number(cells[index].mean)
            text.raw(", \"samples\": ")
            text.integer(cells[index].samples)
            text.raw("}")
        }
        text.raw("]}")
    }
}

extension LearnedState.Correction {
    fileprivate func write(to text: inout JSONText) {
        text.raw("{\"elements_per_row\": ")
        text.integer(1 << Int(bucket))
        text.raw(", \"rows\": ")
        text.integer(1 << Int(exponent))
        text.raw(", \"factor\": ")
        text.number(factor)
        text.raw(", \"residual\": ")
        text.number(residual)
        text.raw(", \"samples\": ")
        text.integer(samples)
        text.raw(isBelieved ? ", \"believed\": true}" : ", \"believed\": false}")
    }
}

extension JSONText {
    /// Seven numbers.
    fileprivate mutating func vector(_ vector: SIMD8<Double>) {
        raw("[")
        list(Array(0..<InterferenceFeatures.count), separator: ", ", before: "") { $0.number(vector[$1]) }
        raw("]")
    }

    /// An object of numbers.
    fileprivate mutating func object(_ members: [(key: String, value: Double)]) {
        raw("{")
        list(members, separator: ", ", before: "") { text, member in
            text.string(member.key)
            text.raw(": ")
            text.number(member.value)
        }
        raw("}")
    }

    /// Elements, one after the other.
    fileprivate mutating func list<Element>(
        _ elements: [Element], separator: StaticString, before: StaticString, _ write: (inout JSONText, Element) -> Void
    ) {
        for (index, element) in elements.enumerated() {
            raw(index == 0 ? before : separator)
            write(&self, element)
        }
    }
}
