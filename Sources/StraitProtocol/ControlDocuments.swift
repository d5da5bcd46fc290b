// SPDX-License-Identifier: Apache-2.0

/// How far a model has come, as the repository index shows it.
package enum ModelState: String, Sendable, Hashable {
    case loading = "LOADING"
    case ready = "READY"
    case unloading = "UNLOADING"
    case unavailable = "UNAVAILABLE"
}

/// A line of the repository index.
package struct ModelIndexEntry: Sendable, Hashable {
    /// The model.
    package var name: String
    /// Its version; empty where none is known.
    package var version: String
    /// How far it has come.
    package var state: ModelState
    /// Why it is no further; empty where that needs no words.
    package var reason: String

    /// A line about one version of a model.
    package init(name: String, version: String, state: ModelState, reason: String = "") {
        self.name = name
        self.version = version
        self.state = state
        self.reason = reason
    }
}

extension Documents {
    /// The repository's index: the answer to `POST v2/repository/index`.
    package static func repositoryIndex(_ entries: [ModelIndexEntry]) -> [UInt8] {
        var writer = JSONWriter(capacity: 64 + entries.count * 96)
        writer.beginArray()
        for entry in entries {
            writer.beginObject()
            writer.member("name", entry.name)
            if !entry.version.isEmpty { writer.member("version", entry.version) }
            writer.member("state", entry.state.rawValue)
            if !entry.reason.isEmpty { writer.member("reason", entry.reason) }
            writer.endObject()
        }
        writer.endArray()
        return writer.bytes
    }

    /// Registered regions: the answer to `GET v2/systemsharedmemory/status`.
    package static func sharedMemory(_ regions: [SharedRegionStatus]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginArray()
        for region in regions {
            writer.beginObject()
            writer.member("name", region.name)
            writer.member("key", region.key)
            writer.member("offset", region.offset)
            writer.member("byte_size", region.byteCount)
            writer.endObject()
        }
        writer.endArray()
        return writer.bytes
    }

    /// Settings as an object.
    package static func settings(_ entries: [(name: String, value: SettingValue)]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        for (name, value) in entries {
            switch value {
            case .bool(let isOn): writer.member(name, isOn)
            case .integer(let number): writer.member(name, number)
            case .double(let number):
                writer.key(name)
                writer.number(number)
            case .string(let text): writer.member(name, text)
            case .strings(let texts): writer.member(name, texts)
            case .null, .other: continue
            }
        }
        writer.endObject()
        return writer.bytes
    }
}
