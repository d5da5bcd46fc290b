// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

extension LibraryEntry {
    /// Centre with something that changes, or that nobody knows beforehand.
    static let changes = [
        LibraryEntry("clock", "the clock falls by a quarter at half time") { $0.change = .clock },
        LibraryEntry("model-drift", "resnet-50 becomes 1.4 times slower at half time") {
            $0.change = .model
        },
        LibraryEntry("neighbour", "somebody takes 30 % of the device in the middle third") {
            $0.change = .neighbour
        },
        LibraryEntry("lost-device", "one of four devices is gone in the middle third") {
            $0.devices = 4
            $0.uplink = 24e9
            $0.changes = [.lost(2, from: .share(1.0 / 3), until: .share(2.0 / 3))]
        },
        LibraryEntry("unseen-model", "the detector joins at a third of the time, unprofiled") {
            // The last of the models, as those that join must be.
            let last = $0.models.count - 1
            $0.models[last].joins = .share(1.0 / 3)
            $0.models[last].isProfiled = false
        },
        LibraryEntry("cold-start", "no profiles at all, counted from the first request") {
            for index in $0.models.indices { $0.models[index].isProfiled = false }
            $0.warmUp = .zero
        },
    ]
}
