// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// The file next to a model repository that holds what a server has learned while it served, so that the next one need
/// not start anew.
///
/// JSON with one figure's worth a line, so that people can read and compare it. It counts only for the device, driver and
/// estimator that it was learned with, and for each model only with the very file and profile that it had.
package struct LearnedStateFile: Sendable, Hashable {
    /// The version of the form that is written; a file of any other is refused.
    package static let version = 1
    /// The longest file that is read or written: thousands of models with all their batch sizes.
    package static let maximumBytes = 32 << 20

    /// A model of which something was learned.
    package struct Model: Sendable, Hashable {
        /// Which model it is.
        package var key: ModelKey
        /// The profile that the learned biases and corrections refer to; nil where there was none. Kept because it may
        /// have been measured at load, and would come out a little different the next time.
        package var profile: ModelProfile?

        /// A model.
        package init(key: ModelKey, profile: ModelProfile?) {
            self.key = key
            self.profile = profile
        }
    }

    /// What it was learned on.
    package var device: ProfileFile.Device
    /// The models, each name and version once.
    package var models: [Model]
    /// What was learned, with its models in the same order.
    package var learned: LearnedState

    /// A file's content.
    package init(device: ProfileFile.Device, models: [Model], learned: LearnedState) {
        self.device = device
        self.models = models
        self.learned = learned
    }

    /// Where the learned state of a repository stands: beside its folder, `models` has `models.learned.json`.
    package static func path(forRepository repository: String) -> String {
        RepositoryFiles.path(beside: repository, kind: "learned")
    }

    /// The profile that a model had when this was learned; nil where it is another model, or had none.
    ///
    /// - Complexity: O(models).
    package func profile(of key: ModelKey) -> ModelProfile? { models.first { $0.key == key }?.profile }

    /// What was found of a model in a file.
    package enum Match: Sendable, Hashable {
        /// It is the same model with the same profile.
        case same
        /// It has another file now.
        case otherFile
        /// It has another profile now.
        case otherProfile
        /// There is no such model.
        case unknown
    }

    /// What was learned, for a server with these models in this order. Of a model that is not quite the same, nothing.
    ///
    /// - Complexity: O(models).
    package func learned(for wanted: [Model]) -> (learned: LearnedState, matches: [Match]) {
        struct Place: Hashable {
            let name: String
            let version: Int
        }
        var places: [Place: Int] = [:]
        for (index, model) in models.enumerated() {
            places[Place(name: model.key.name, version: model.key.version)] = index
        }
        var arranged = learned
        arranged.models = []
        var matches: [Match] = []
        for model in wanted {
            let match: Match
            let index = places[Place(name: model.key.name, version: model.key.version)]
            if let index {
                match =
                    models[index].key.hash != model.key.hash
                    ? .otherFile : models[index].profile != model.profile ? .otherProfile : .same
            } else {
                match = .unknown
            }
            matches.append(match)
            arranged.models.append(index.flatMap { match == .same ? learned.models[$0] : nil } ?? LearnedState.Model())
        }
        return (arranged, matches)
    }
}

extension ProfileFile.Device {
    /// In what this device differs from one that something was measured on, in words; nil when it is the same.
    package func difference(from measured: ProfileFile.Device) -> String? {
        if name != measured.name { return "for another device, \(measured.name); this is \(name)" }
        if driver != measured.driver { return "for another driver, \(measured.driver); this is \(driver)" }
        return nil
    }
}
