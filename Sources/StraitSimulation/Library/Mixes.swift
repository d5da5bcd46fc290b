// SPDX-License-Identifier: Apache-2.0

extension LibraryEntry {
    /// Centre with other models, or with other shares of them. In the first two, weights keep about 30 % of the requests
    /// high.
    static let mixes = [
        LibraryEntry("small-high", "high requests for the small models, low for the large") {
            $0.classes(ofSmall: 1, weight: 0.2, ofLarge: 0, weight: 1)
        },
        LibraryEntry("large-high", "high requests for the large models, low for the small") {
            $0.classes(ofSmall: 0, weight: 1, ofLarge: 1, weight: 0.95)
        },
        LibraryEntry("sixteen", "sixteen models, shares of device time 1, 1/2, 1/3 … (Zipf)") {
            $0.models = ModelCatalogue.sixteen
            for index in $0.models.indices { $0.models[index].weight = 1 / Double(index + 1) }
        },
    ]
}

extension Scenario {
    /// Gives small models and large ones, told by their time for a row, a share of high requests and a weight each.
    fileprivate mutating func classes(
        ofSmall small: Double, weight smallWeight: Double, ofLarge large: Double, weight largeWeight: Double
    ) {
        let times = models.map(\.referenceTimePerRow).sorted()
        let median = times[times.count / 2]
        for index in models.indices {
            let isSmall = models[index].referenceTimePerRow < median
            models[index].highShare = isSmall ? small : large
            models[index].weight = isSmall ? smallWeight : largeWeight
        }
    }
}
