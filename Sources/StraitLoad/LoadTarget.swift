// SPDX-License-Identifier: Apache-2.0

/// One model of a load: its share, its deadlines and where its input comes from.
package struct LoadTarget: Sendable, Equatable {
    /// The model's name on the server.
    package var model: String
    /// Its share of the requests, relative to the other models' weights.
    package var weight = 1.0
    /// A request as one would send it with curl, to be sent again and again; nil for generated input.
    package var requestFile: String?
    /// The shapes of inputs whose declared dimensions vary, by the input's name; used for generated input.
    package var shapes: [String: [Int]] = [:]
    /// The deadline of high requests; nil to send none.
    package var highDeadline: Duration?
    /// The deadline of low requests; nil to send none.
    package var lowDeadline: Duration?

    /// A target with weight 1, generated input and no deadlines.
    package init(model: String) { self.model = model }

    /// The deadline of the class's requests; nil where none is sent.
    package func deadline(of requestClass: LoadClass) -> Duration? {
        requestClass == .high ? highDeadline : lowDeadline
    }

    /// Reads `NAME[,file=PATH][,weight=W][,shape=INPUT:d1xd2…][,high-ms=X][,low-ms=Y]`; `shape` may be repeated.
    ///
    /// - Throws: ``LoadError`` of code `badPlan`, naming the part that cannot be read.
    package init(argument: String) throws(LoadError) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        guard let name = parts.first, !name.isEmpty, !name.contains("=") else {
            throw LoadError(
                .badPlan, "--model \(argument): expected the model's name first, as in --model magika,weight=2.")
        }
        self.init(model: String(name))
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2, !pair[1].isEmpty else {
                throw LoadError(.badPlan, "--model \(argument): \"\(part)\" is not of the form key=value.")
            }
            switch pair[0] {
            case "file": requestFile = String(pair[1])
            case "weight": weight = try Self.positive(pair[1], of: "weight", in: argument)
            case "high-ms":
                highDeadline = .fractionalMilliseconds(try Self.positive(pair[1], of: "high-ms", in: argument))
            case "low-ms": lowDeadline = .fractionalMilliseconds(try Self.positive(pair[1], of: "low-ms", in: argument))
            case "shape":
                let (input, shape) = try Self.shape(pair[1], in: argument)
                shapes[input] = shape
            default:
                throw LoadError(
                    .badPlan,
                    "--model \(argument): unknown key \"\(pair[0])\"; expected file, weight, shape, high-ms or low-ms.")
            }
        }
        if requestFile != nil, !shapes.isEmpty {
            throw LoadError(
                .badPlan, "--model \(argument): a request file has its own shapes; give file or shape, not both.")
        }
    }

    private static func positive(
        _ text: Substring, of key: String, in argument: String
    ) throws(LoadError) -> Double {
        guard let value = Double(text), value > 0, value.isFinite else {
            throw LoadError(.badPlan, "--model \(argument): \(key) is \"\(text)\"; expected a number above 0.")
        }
        return value
    }

    private static func shape(_ text: Substring, in argument: String) throws(LoadError) -> (String, [Int]) {
        // The input's name may itself hold a colon; the dimensions never do.
        if let colon = text.lastIndex(of: ":"), colon > text.startIndex {
            let dimensions = text[text.index(after: colon)...]
                .split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
            if dimensions.allSatisfy({ $0 > 0 }) { return (String(text[..<colon]), dimensions) }
        }
        throw LoadError(
            .badPlan, "--model \(argument): shape is \"\(text)\"; expected INPUT:d1xd2, as in shape=input_ids:1x64.")
    }
}
