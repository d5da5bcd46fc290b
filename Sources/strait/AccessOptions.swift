// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitFormats
internal import StraitServing

/// The flags of `strait serve` that say who may do what.
struct AccessOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Take requests only with a token of this file, each tenant's within its limits; SIGHUP reads it again.",
            discussion: "strait token makes a token and its entry; docs/security.md tells the form.",
            valueName: "path"))
    var tokens: String?

    @Option(
        help: ArgumentHelp(
            "From where models are loaded and unloaded, settings changed and memory shared: local (this machine), off or "
                + "all. Default: local; with --tokens, all, by tenants that may administer.",
            discussion: "A reverse proxy on this machine counts as this machine: say off there, or use tokens.",
            valueName: "where"))
    var admin: String?

    mutating func validate() throws {
        guard let admin else { return }
        guard AccessControl.Administration(rawValue: admin) != nil else {
            throw ValidationError("--admin is '\(admin)'; there are local, off and all")
        }
    }

    /// Who may do what.
    ///
    /// - Parameters:
    ///   - places: requests that may wait.
    ///   - log: told what an operator should know.
    func control(places: Int, log: (String) -> Void) throws -> AccessControl {
        let usual = tokens == nil ? AccessControl.Administration.local : .all
        let administration = admin.flatMap { AccessControl.Administration(rawValue: $0) } ?? usual
        let tenants = try tokens.map { try TenantRegistry(path: $0, places: places) }
        if let tenants {
            log("  requests are taken with the tokens of \(tenants.count) tenants")
            if let warning = tenants.warning { log("  warning: \(warning)") }
        }
        return AccessControl(administration: administration, tenants: tenants)
    }
}

extension AccessControl {
    /// Reads the file of tokens again, if there is one; says what came of it.
    func reload(log: (String) -> Void) {
        guard let tenants else { return log("SIGHUP: there is nothing to read again") }
        do throws(FormatError) {
            let count = try tenants.reload()
            log("SIGHUP: requests are taken with the tokens of \(count) tenants")
            if let warning = tenants.warning { log("warning: \(warning)") }
        } catch {
            log("SIGHUP: the tokens stay as they were: \(error)")
        }
    }
}
