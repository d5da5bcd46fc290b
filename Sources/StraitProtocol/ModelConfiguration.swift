// SPDX-License-Identifier: Apache-2.0

package import StraitTensor

/// Which versions of a model are served.
package enum VersionPolicy: Sendable, Hashable {
    /// The highest `count` versions; at least 1.
    case latest(count: Int)
    /// Every version.
    case all
    /// The given versions.
    case specific([Int])

    /// The versions to serve out of `available`, ascending.
    package func choose(from available: [Int]) -> [Int] {
        switch self {
        case .latest(let count): Array(available.sorted().suffix(count))
        case .all: available.sorted()
        case .specific(let versions): available.filter(versions.contains).sorted()
        }
    }
}

/// The class that requests for a model have unless they say otherwise.
package enum DeclaredClass: String, Sendable, Hashable, CaseIterable {
    case high
    case low
}

/// An input or output as config.pbtxt declares it.
package struct ConfiguredTensor: Sendable, Hashable {
    /// Its name in the model.
    package var name: String
    /// Its type; nil leaves it to the model.
    package var type: ElementType?
    /// Its dimensions, −1 for those that vary; without the batch where the model is batchable.
    package var dimensions: [Int]
    /// The file in the model's folder with the names of its classes, one a line; nil where they have none.
    package var labelFilename: String?
    /// The line of its name in the file, from 1.
    package var line: Int?
}

/// A request that a model is to answer before it serves.
package struct WarmupSample: Sendable, Hashable {
    /// What an input of it holds.
    package enum Content: Sendable, Hashable {
        /// Zeros; of strings empty ones.
        case zeros
        /// Numbers of no meaning, the same each time; of strings such as are printed.
        case random
        /// The bytes of a file in the model's folder `warmup`.
        case file(String)
    }

    /// An input of it.
    package struct Input: Sendable, Hashable {
        /// The input's name in the model.
        package var name: String
        /// The type of its elements.
        package var type: ElementType
        /// Its dimensions without the batch, all at least 1.
        package var dimensions: [Int]
        /// What it holds.
        package var content: Content
    }

    /// What people call it.
    package var name: String
    /// Its rows; 0 for a model that is not batchable.
    package var rows: Int
    /// How often it is sent, at least 1.
    package var count: Int
    /// Its inputs, by name.
    package var inputs: [Input]
}

/// What a config.pbtxt says, as far as it means something here.
package struct ModelConfiguration: Sendable, Hashable {
    /// The file it was read from.
    package var path: String
    /// The largest batch in rows, 0 for none; nil leaves it to the model.
    package var maxBatchSize: Int?
    /// The line of `max_batch_size`.
    package var maxBatchSizeLine: Int?
    /// The inputs; empty leaves them to the model.
    package var inputs: [ConfiguredTensor] = []
    /// The outputs to serve; empty serves all.
    package var outputs: [ConfiguredTensor] = []
    /// Which versions to serve.
    package var versionPolicy = VersionPolicy.latest(count: 1)
    /// The name of the model's file inside a version's folder.
    package var defaultModelFilename: String?
    /// The class of requests that name none; nil leaves it to the server.
    package var defaultClass: DeclaredClass?
    /// The time from arrival to answer for requests that name none, above 0; nil leaves it to the server.
    package var deadlineMilliseconds: Double?
    /// The most requests that may wait, at least 1; nil leaves it to the server.
    package var maxQueueSize: Int?
    /// What it costs on virtual accelerators.
    package var virtualCosts = VirtualCosts()
    /// All `parameters`, the server's own and others.
    package var parameters: [String: String] = [:]
    /// The requests of `model_warmup`, in order.
    package var warmups: [WarmupSample] = []

    /// A configuration that leaves everything to the model and the server.
    package init(path: String) { self.path = path }
}
