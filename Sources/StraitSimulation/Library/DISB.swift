// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

extension LibraryEntry {
    /// The workloads of DISB, with which REEF (OSDI 2022) and GPreempt (ATC 2025) were measured: real-time requests are
    /// our high ones, best-effort requests our low ones. They know no deadlines; these are ours. The proportions of
    /// their request rates are kept; how many come in all is up to the load, since the device is another. At 1.3 not
    /// everything fits, as little as on theirs.
    static let disb = [
        // The same rates as in B but 100 instead of 220 a second.
        LibraryEntry("disb-a", "DISB A: vgg-16 high, resnet-152 low, as often; load 0.6") {
            $0.disb(rates: [(ModelCatalogue.vgg16, 100, 0), (ModelCatalogue.resNet152, 0, 100)])
            $0.load = 0.6
        },
        LibraryEntry("disb-b", "DISB B: vgg-16 high, resnet-152 low, as often; load 1.3") {
            $0.disb(rates: [(ModelCatalogue.vgg16, 220, 0), (ModelCatalogue.resNet152, 0, 220)])
        },
        LibraryEntry("disb-c", "DISB C: one model high beside four low; load 1.3") {
            $0.disb(rates: [
                (ModelCatalogue.vgg16, 100, 100), (ModelCatalogue.denseNet121, 0, 200),
                (ModelCatalogue.bertBase, 0, 100),
                (ModelCatalogue.resNet152, 0, 100),
            ])
        },
        LibraryEntry("disb-d", "DISB D: five models high, four of them low too; load 1.3") {
            $0.disb(rates: fiveAndFive)
        },
        // Their trace of real-time requests is not ours to have; gamma gaps are clumped as it is.
        LibraryEntry("disb-e", "DISB E: as D, but with clumped arrivals (gamma); load 1.3") {
            $0.disb(rates: fiveAndFive)
            $0.arrivals = .gamma
        },
    ]

    private static let fiveAndFive: [(SimulatedModel, high: Double, low: Double)] = [
        (ModelCatalogue.vgg16, 20, 100), (ModelCatalogue.resNet152, 20, 100), (ModelCatalogue.denseNet121, 20, 200),
        (ModelCatalogue.inceptionV3, 20, 0), (ModelCatalogue.bertBase, 20, 100),
    ]
}

extension Scenario {
    /// Models whose requests compare in number as the given rates do.
    fileprivate mutating func disb(rates: [(SimulatedModel, high: Double, low: Double)]) {
        models = rates.map { model, high, low in
            var model = model
            model.weight = (high + low) * model.referenceTimePerRow.seconds
            model.highShare = high / (high + low)
            return model
        }
        highShare = rates.reduce(0) { $0 + $1.high } / rates.reduce(0) { $0 + $1.high + $1.low }
        deadlines(2...2, 6...6)
        load = 1.3
    }
}
