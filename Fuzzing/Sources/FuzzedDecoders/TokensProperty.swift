// SPDX-License-Identifier: Apache-2.0

internal import StraitFormats

/// The file that says whose requests are taken.
enum TokensProperty {
    /// What is read is the same once written; every name and digest is one that can be, and has one owner.
    static func flaw(_ bytes: [UInt8]) -> String? {
        let lines = 1 + bytes.count { $0 == UInt8(ascii: "\n") }
        let file: TokensFile
        do throws(FormatError) {
            file = try TokensFile(bytes: bytes)
        } catch {
            if let line = error.line, !(1...lines).contains(line) { return "line \(line) of \(lines)" }
            return FuzzedDecoder.flaw(inMessage: error.message)
        }
        var names: Set<String> = []
        var digests: Set<String> = []
        for tenant in file.tenants {
            guard names.insert(tenant.name).inserted, (1...64).contains(tenant.name.utf8.count),
                tenant.name.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
            else { return "a tenant named \(tenant.name)" }
            for digest in tenant.digests {
                guard digests.insert(digest).inserted, digest.utf8.count == 64,
                    digest.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
                else { return "a digest \(digest)" }
            }
            guard !tenant.digests.isEmpty, !tenant.models.isEmpty, (tenant.concurrency ?? 1) > 0,
                (tenant.requestsPerSecond ?? 1) > 0, (tenant.burst ?? 1) >= 1
            else { return "a tenant that cannot be: \(tenant)" }
        }
        let written = #"{"strait_tokens": 1, "tenants": [\#(file.tenants.map(\.json).joined(separator: ",\n"))]}"#
        do throws(FormatError) {
            return try TokensFile(text: written) == file ? nil : "other tenants once written"
        } catch {
            return "what was read cannot be written and read again: \(error)"
        }
    }
}

/// A server's state, as `strait top` shows it: whatever a server says, it moves no cursor and stays within the terminal.
enum PageProperty {
    static func flaw(_ bytes: [UInt8]) -> String? {
        do throws(FormatError) {
            let page = TopPage(try JSONNode.read(bytes))
            for (width, height) in [(0, 0), (1, 1), (17, 5), (80, 24), (300, 1000)] {
                let lines = page.lines(width: width, height: height)
                guard lines.count <= height else { return "\(lines.count) lines of \(height)" }
                for line in lines {
                    guard line.text.count <= width else { return "\(line.text.count) characters of \(width)" }
                    guard line.text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7F..<0xA0 ~= $0.value) }) else {
                        return "a line with controls"
                    }
                }
            }
            return nil
        } catch {
            return FuzzedDecoder.flaw(inMessage: error.message)
        }
    }
}
