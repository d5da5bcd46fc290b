// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

extension LibraryEntry {
    /// Centre with something that changes, or that nobody knows beforehand.
    static let changes = [
        LibraryEntry("clock", "centre whose clock falls by a quarter at half time") { $0.change = .clock },
        LibraryEntry("model-drift", "centre whose resnet-50 becomes 1.4 times slower at half time") {
            $0.change = .model
        },
        LibraryEntry("neighbour", "centre with somebody else taking 30 % of the device in the middle third") {
            $0.change = .neighbour
        },
        LibraryEntry("unseen-model", "centre whose detector joins after a third of the time, without a profile") {
            // The last of the models, as those that join must be.
            let last = $0.models.count - 1
            $0.models[last].joins = .share(1.0 / 3)
            $0.models[last].isProfiled = false
        },
        LibraryEntry("cold-start", "centre without any profiles, counted from the first request") {
            for index in $0.models.indices { $0.models[index].isProfiled = false }
            $0.warmUp = .zero
        },
    ]
}
