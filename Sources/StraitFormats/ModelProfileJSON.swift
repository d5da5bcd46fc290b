// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

// A model's profile as JSON: one form for the profile file and for `strait core`.

extension ModelProfile {
    private static let keys = ["bytes_in_per_row", "bytes_out_per_row", "curves"]
    private static let curveKeys = ["elements_per_row", "points"]
    private static let pointKeys = ["rows", "kernel_ms", "compute", "bandwidth", "cache"]

    /// Reads a profile: at least one curve, no two for the same power of two of elements; at least one point a curve,
    /// rows ascending; of a point's demands all three or none.
    init(json node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        self.init(
            curves: [], bytesInPerRow: try fields.optionalWhole("bytes_in_per_row", in: Bounds.bytes) ?? 0,
            bytesOutPerRow: try fields.optionalWhole("bytes_out_per_row", in: Bounds.bytes) ?? 0)
        let elements = try fields.array("curves", atMost: Bounds.curves)
        try fields.finish(known: Self.keys)
        for (index, element) in elements.enumerated() {
            let curve = try Self.curve(element, at: "\(fields.keyPath("curves"))[\(index)]")
            guard !curves.contains(where: { $0.bucket == curve.bucket }) else {
                throw FormatError(
                    .invalid,
                    "a second curve for rows of \(1 << Int(curve.bucket)) elements; sizes count to the power of two above",
                    key: "\(fields.keyPath("curves"))[\(index)].elements_per_row", offset: element.offset)
            }
            curves.append(curve)
        }
    }

    private static func curve(_ node: JSONNode, at path: String) throws(FormatError) -> Curve {
        var fields = try JSONFields(node, at: path)
        let elements = try fields.optionalWhole("elements_per_row", in: Bounds.elements) ?? 1
        let nodes = try fields.array("points", atMost: Bounds.points)
        try fields.finish(known: curveKeys)
        var points: [Point] = []
        for (index, node) in nodes.enumerated() {
            let point = try point(node, at: "\(path).points[\(index)]", after: points.last?.rows ?? 0)
            points.append(point)
        }
        return Curve(bucket: WorkShape(model: ModelID(index: 0), elementsPerRow: elements).bucket, points: points)
    }

    private static func point(_ node: JSONNode, at path: String, after rows: Int) throws(FormatError) -> Point {
        var fields = try JSONFields(node, at: path)
        var point = Point(
            rows: try fields.whole("rows", in: Bounds.rows),
            kernelTime: Duration(nanoseconds: try fields.milliseconds("kernel_ms", in: Bounds.positiveSpan)))
        if fields.has("compute") || fields.has("bandwidth") || fields.has("cache") {
            point.demand = Demand(
                compute: try fields.number("compute", in: Bounds.share),
                bandwidth: try fields.number("bandwidth", in: Bounds.share),
                cache: try fields.number("cache", in: Bounds.share))
        } else {
            for key in ["compute", "bandwidth", "cache"] { _ = fields.take(key) }
        }
        try fields.finish(known: pointKeys)
        guard point.rows > rows else {
            throw fields.failure("rows", "expected more than the point before, which has \(rows)")
        }
        return point
    }

    /// What keeps the profile from being written, or nil: the form that `init(json:at:)` reads is all that is written.
    func flaw() -> String? {
        if curves.isEmpty { return "there is no curve" }
        if Set(curves.map(\.bucket)).count < curves.count { return "two curves are for the same size of row" }
        if !Bounds.bytes.contains(bytesInPerRow) || !Bounds.bytes.contains(bytesOutPerRow) {
            return "the bytes of a row are out of range"
        }
        for curve in curves {
            if !Bounds.elements.contains(1 << Int(min(curve.bucket, 62))) { return "a row has too many elements" }
            if curve.points.isEmpty { return "a curve has no point" }
            if zip(curve.points, curve.points.dropFirst()).contains(where: { $0.rows >= $1.rows }) {
                return "points are not in the order of their rows"
            }
            for point in curve.points {
                let shares = point.demand.map { [$0.compute, $0.bandwidth, $0.cache] } ?? []
                guard Bounds.rows.contains(point.rows), Bounds.positiveSpan.contains(point.kernelTime.nanoseconds),
                    shares.allSatisfy(Bounds.share.contains)
                else { return "the point at \(point.rows) rows is out of range" }
            }
        }
        return nil
    }

    /// Writes the profile's members, one point a line.
    func write(to text: inout JSONText, indentation: StaticString) {
        text.raw(indentation)
        text.raw("\"bytes_in_per_row\": ")
        text.integer(bytesInPerRow)
        text.raw(",\n")
        text.raw(indentation)
        text.raw("\"bytes_out_per_row\": ")
        text.integer(bytesOutPerRow)
        text.raw(",\n")
        text.raw(indentation)
        text.raw("\"curves\": [")
        for (index, curve) in curves.enumerated() {
            text.raw(index > 0 ? ",\n" : "\n")
            text.raw(indentation)
            text.raw("  {\"elements_per_row\": ")
            text.integer(1 << Int(curve.bucket))
            text.raw(", \"points\": [")
            for (index, point) in curve.points.enumerated() {
                text.raw(index > 0 ? ",\n" : "\n")
                text.raw(indentation)
                text.raw("    ")
                point.write(to: &text)
            }
            text.raw("]}")
        }
        text.raw("]")
    }
}

extension ModelProfile.Point {
    fileprivate func write(to text: inout JSONText) {
        text.raw("{\"rows\": ")
        text.integer(rows)
        text.raw(", \"kernel_ms\": ")
        text.milliseconds(kernelTime.nanoseconds)
        if let demand {
            text.raw(", \"compute\": ")
            text.number(demand.compute)
            text.raw(", \"bandwidth\": ")
            text.number(demand.bandwidth)
            text.raw(", \"cache\": ")
            text.number(demand.cache)
        }
        text.raw("}")
    }
}
