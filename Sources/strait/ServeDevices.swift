// SPDX-License-Identifier: Apache-2.0

internal import CUDARuntime
internal import OnnxRuntime
internal import StraitDevices
internal import StraitPlatform
internal import StraitTensor

/// The devices of a server as its command line asks for them, and the cores that they take.
struct ServeDevices {
    /// At least one, all of one kind.
    let devices: [any Device]
    /// The cores that lanes run on.
    let laneCores: Set<Int>
    /// The virtual ones, as they were asked for.
    let virtualGroups: [VirtualGroup]

    /// Why there are no such devices.
    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    /// Makes devices.
    ///
    /// - Parameters:
    ///   - environment: nil where there is no ONNX Runtime, without which only virtual ones can be made.
    ///   - log: told what becomes of virtual ones.
    /// - Throws: ``Refusal`` for what this program or machine does not have, or what does not go together.
    init(
        _ specifications: [DeviceSpecification], environment: Environment?, pool: SlabPool,
        log: @escaping @Sendable (String) -> Void = Console.log
    ) throws {
        let allowed = CoreSet.allowed().isEmpty ? [0] : CoreSet.allowed()
        var devices: [any Device] = []
        var laneCores: Set<Int> = []
        var virtualGroups: [VirtualGroup] = []
        let cpus = specifications.count { if case .cpu = $0.kind { true } else { false } }
        for specification in specifications {
            let made: [any Device]
            switch specification.kind {
            case .cpu(let cores, let lanes):
                guard cores != nil || cpus == 1 else {
                    throw Refusal(
                        description: "--device \(specification.text): of several CPU devices each needs its cores, "
                            + "such as cpu:cores=0,2-3")
                }
                let usual = lanes ?? max(1, allowed.count - 1)
                let own = cores ?? Array(allowed.prefix(usual))
                guard let environment else {
                    throw Refusal(description: "--device \(specification.text): there is no ONNX Runtime to run models")
                }
                laneCores.formUnion(own)
                made = [
                    CPUDevice(laneCount: lanes ?? own.count, cores: own, environment: environment, pool: pool)
                ]
            case .cuda(let index, let options):
                guard let environment else {
                    throw Refusal(description: "--device \(specification.text): there is no ONNX Runtime to run models")
                }
                let cuda = try CUDAOptions(ordinal: index, options, of: specification.text)
                let loader = try OrtAcceleratorLoader(cuda, in: environment)
                made = [try CUDADevice(cuda, runtime: CUDARuntime.load(), loader: loader, pool: pool)]
            case .virtual(let model, let options):
                let group = VirtualGroup(
                    try VirtualSpec(model: model, options: options), number: virtualGroups.count,
                    environment: environment, pool: pool, log: log)
                virtualGroups.append(group)
                made = group.devices()
            }
            // A fault is that of one device: where a specification makes several, of the first.
            for (index, device) in made.enumerated() {
                let fault = index == 0 ? specification.fault : nil
                devices.append(fault.map { FaultyDevice(device, plan: $0) } ?? device)
            }
        }
        self.virtualGroups = virtualGroups
        self.devices = devices
        self.laneCores = laneCores
        try checkKinds()
    }

    /// Devices share the profiles of models, and what is learned of models beyond them. That is true only of equal
    /// hardware; small differences in speed are learned.
    private func checkKinds() throws {
        for device in devices {
            let (first, other) = (devices[0].identity, device.identity)
            guard first.kind == other.kind, first.driver == other.driver else {
                throw Refusal(
                    description:
                        "\(devices[0].name) and \(device.name) are of different kinds, which one server does not "
                        + "schedule together; start a server for each")
            }
        }
    }

    /// Lanes of all devices.
    var laneCount: Int { devices.reduce(0) { $0 + $1.laneCount } }

    /// Such as `2 lane(s) on cpu (cores 0), 1 lane(s) on cpu (cores 1)`.
    var words: String { devices.map { "\($0.laneCount) lane(s) on \($0.name)" }.joined(separator: ", ") }
}
