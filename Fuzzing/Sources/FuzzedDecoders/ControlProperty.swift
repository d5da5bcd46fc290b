// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol

/// Bodies of requests that are no inferences.
enum ControlProperty {
    static func flaw(_ bytes: [UInt8]) -> String? {
        if let flaw = flawInConfiguration(bytes) { return flaw }
        do throws(ProtocolError) {
            let body = try ControlBody(json: bytes)
            guard body.members.count + body.parameters.count <= 2 * ControlBody.maximumMembers else {
                return "\(body.members.count) members"
            }
            return flawInTraces(body.members) ?? flawInLog(body.members)
        } catch {
            guard error.code == .invalidArgument else { return "\(error)" }
            return FuzzedDecoder.flaw(inMessage: error.message)
        }
    }

    /// What was taken up is told, and what is told can be given.
    private static func flawInTraces(_ members: [String: SettingValue]) -> String? {
        var settings = TraceSettings()
        do throws(ProtocolError) {
            try settings.update(members, usual: TraceSettings())
        } catch {
            guard settings == TraceSettings() else { return "settings of traces changed in part" }
            return FuzzedDecoder.flaw(inMessage: error.message)
        }
        do throws(ProtocolError) {
            let told = try ControlBody(json: Documents.settings(settings.entries)).members
            var again = TraceSettings()
            try again.update(told.filter { !["trace_file", "trace_mode"].contains($0.key) }, usual: TraceSettings())
            return again == settings ? nil : "settings of traces are others once told"
        } catch {
            return "settings of traces that were told are refused: \(error)"
        }
    }

    private static func flawInLog(_ members: [String: SettingValue]) -> String? {
        var settings = LogSettings()
        do throws(ProtocolError) {
            try settings.update(members)
            let told = try ControlBody(json: Documents.settings(settings.entries)).members
            var again = LogSettings()
            try again.update(told.filter { $0.key != "log_file" })
            return again == settings ? nil : "settings of the log are others once told"
        } catch {
            return FuzzedDecoder.flaw(inMessage: error.message)
        }
    }

    private static func flawInConfiguration(_ bytes: [UInt8]) -> String? {
        do throws(RepositoryError) {
            let text = String(decoding: bytes, as: UTF8.self)
            let configuration = try ModelConfigurationParser.parse(json: text, model: "m").configuration
            let isWrong = (configuration.inputs + configuration.outputs).contains { tensor in
                tensor.name.isEmpty || tensor.labelFilename?.contains("/") == true
            }
            return isWrong ? "a tensor that cannot be" : nil
        } catch {
            return FuzzedDecoder.flaw(inMessage: error.message)
        }
    }
}

/// Compressed bodies, and paths.
enum CompressedProperty {
    /// The most that is decompressed, and the room that is offered at a time.
    private static let limit = 1 << 16
    private static let room = 777

    static func flaw(_ bytes: [UInt8]) -> String? {
        // Neither may fail; what they find does not matter.
        _ = Route.find(method: "POST", target: String(decoding: bytes, as: UTF8.self))
        _ = ContentCoding.forResponse(String(decoding: bytes, as: UTF8.self))
        let coding: ContentCoding = bytes.starts(with: [0x1F, 0x8B]) ? .gzip : .deflate
        do throws(ProtocolError) {
            guard let whole = try decompressed(bytes, coding) else { return nil }
            let again = whole.withUnsafeBytes { Compressor.compress([$0], coding) } ?? []
            return try decompressed(again, coding) == whole ? nil : "other bytes once compressed and decompressed"
        } catch {
            guard error.code == .invalidArgument else { return "\(error)" }
            return FuzzedDecoder.flaw(inMessage: error.message)
        }
    }

    /// The content; nil where it is longer than what is taken.
    private static func decompressed(_ bytes: [UInt8], _ coding: ContentCoding) throws(ProtocolError) -> [UInt8]? {
        let decompressor = try Decompressor(coding)
        var result: [UInt8] = []
        var used = 0
        while result.count <= limit {
            var piece = [UInt8](repeating: 0, count: room)
            let outcome = bytes.withUnsafeBytes { input in
                piece.withUnsafeMutableBytes { output -> Result<(used: Int, written: Int), ProtocolError> in
                    let rest = UnsafeRawBufferPointer(rebasing: input[used...])
                    do throws(ProtocolError) {
                        return .success(try decompressor.decompress(rest, into: output))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            let done = try outcome.get()
            used += done.used
            result += piece[..<done.written]
            guard used < bytes.count || done.written == room else {
                guard decompressor.isFinished else { throw decompressor.endsEarly }
                return result
            }
        }
        return nil
    }
}
