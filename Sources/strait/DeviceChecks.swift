// SPDX-License-Identifier: Apache-2.0

internal import StraitDevices
internal import StraitPlatform

extension DeviceSpecification {
    /// Checks what does not show in the text alone, before anything is loaded: whether this process may use the cores, and
    /// whether there is such a virtual device.
    ///
    /// - Throws: what to say about it.
    func check() throws {
        switch kind {
        case .cpu(let cores?, _):
            let allowed = CoreSet.allowed()
            let missing = cores.filter { !allowed.contains($0) }
            // Nothing is known where the system does not tell.
            guard !allowed.isEmpty, !missing.isEmpty else { return }
            let option = text == "cpu" ? "--lane-cores \(CoreSet.list(cores))" : "--device \(text)"
            throw ServeDevices.Refusal(
                description: "\(option): cores \(CoreSet.list(missing)) are not there for this process; it may use "
                    + CoreSet.list(allowed))
        case .virtual(let model, let options): _ = try VirtualSpec(model: model, options: options)
        case .cpu, .cuda: break
        }
    }
}
