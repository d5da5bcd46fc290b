// SPDX-License-Identifier: Apache-2.0

internal import StraitWire
internal import SwiftProtobuf

/// The schemas that the server speaks, as gRPC's reflection wants them: files by their names, and by what they define.
struct SchemaIndex: Sendable {
    private struct File {
        /// A serialized `FileDescriptorProto`.
        let bytes: [UInt8]
        let imports: [String]
    }

    private var files: [String: File] = [:]
    /// The file of each thing, by its full name.
    private var homes: [String: String] = [:]
    private var messages: Set<String> = []
    /// The full names of all services.
    private(set) var services: [String] = []

    /// Reads a `FileDescriptorSet`.
    ///
    /// - Throws: what protobuf says of bytes that are none.
    init(_ set: [UInt8]) throws {
        for file in try Google_Protobuf_FileDescriptorSet(serializedBytes: set).file {
            files[file.name] = File(bytes: try file.serializedBytes(), imports: file.dependency)
            for message in file.messageType { add(message, in: file.package, of: file.name) }
            for enumeration in file.enumType { add(enumeration, in: file.package, of: file.name) }
            for service in file.service {
                let name = Self.join(file.package, service.name)
                services.append(name)
                homes[name] = file.name
                for method in service.method { homes[Self.join(name, method.name)] = file.name }
            }
        }
        services.sort()
    }

    /// What ``SchemaDescriptors`` holds.
    static func ofThisServer() throws -> SchemaIndex {
        var (bytes, high): ([UInt8], UInt8?) = ([], nil)
        // Digits in two ranges; nothing else is in it.
        for digit in UnsafeBufferPointer(
            start: SchemaDescriptors.hexadecimal.utf8Start, count: SchemaDescriptors.hexadecimal.utf8CodeUnitCount)
        {
            let value = digit <= UInt8(ascii: "9") ? digit & 15 : (digit & 15) + 9
            if let first = high { bytes.append(first << 4 | value) }
            high = high == nil ? value : nil
        }
        return try SchemaIndex(bytes)
    }

    private mutating func add(_ message: Google_Protobuf_DescriptorProto, in scope: String, of file: String) {
        let name = Self.join(scope, message.name)
        homes[name] = file
        messages.insert(name)
        for field in message.field { homes[Self.join(name, field.name)] = file }
        for choice in message.oneofDecl { homes[Self.join(name, choice.name)] = file }
        for inner in message.nestedType { add(inner, in: name, of: file) }
        for inner in message.enumType { add(inner, in: name, of: file) }
    }

    private mutating func add(_ enumeration: Google_Protobuf_EnumDescriptorProto, in scope: String, of file: String) {
        homes[Self.join(scope, enumeration.name)] = file
        // Values are named beside their enumeration, not within it.
        for value in enumeration.value { homes[Self.join(scope, value.name)] = file }
    }

    private static func join(_ scope: String, _ name: String) -> String { scope.isEmpty ? name : "\(scope).\(name)" }

    /// The file that defines something; nil where nothing has that full name.
    func file(defining symbol: String) -> String? { homes[symbol] }

    /// Whether there is a message of that full name.
    func hasMessage(_ name: String) -> Bool { messages.contains(name) }

    /// A file, and behind it what it imports, each once; nil where there is no such file.
    func filesFor(_ name: String) -> [[UInt8]]? {
        guard files[name] != nil else { return nil }
        var (names, next) = ([name], 0)
        while next < names.count {
            for imported in files[names[next]]?.imports ?? [] where !names.contains(imported) { names.append(imported) }
            next += 1
        }
        return names.compactMap { files[$0]?.bytes }
    }
}
