// SPDX-License-Identifier: Apache-2.0

/// Stream priorities of a device, whatever law its co-runners slow each other down by. The block scheduler favours the
/// kernels of high streams, but blocks of low ones that run are not preempted, so a part of the slow-down leaks through.
///
/// - A high kernel is slowed down by its peers as ever, and of what low ones slow it down by it feels a part: the leakage.
/// - Low ones pay for that, each by the same part of its speed. They pay in work, the sum of speed × the greater of
///   what is asked of compute and of bandwidth, which is conserved; and where a resource would be used beyond all there is,
///   they pay in that. Where they would be left with next to nothing, high ones gain only what can be paid.
struct StreamPriority: Sendable {
    /// What low kernels keep at least of their speed: their blocks fill what gaps there are. A guess.
    static let leastKept = 0.1

    /// The part of the slow-down by low kernels that high ones feel, 0…1.
    private let leakage: Double
    private var company: [SharedDemand] = []
    private var gains: [Double] = []

    /// - Parameter leakage: from 0 to 1; 1 is a device without priorities.
    init(leakage: Double) {
        precondition((0...1).contains(leakage), "leakage is a share")
        self.leakage = leakage
    }

    /// Changes the speeds that the law gave to those of a device with priorities.
    ///
    /// - Complexity: that of the law.
    mutating func favour(_ kernels: [SharedDemand], under law: Physics, speeds: inout [Double]) {
        guard leakage < 1, kernels.contains(where: { $0.user == .high }), kernels.contains(where: { $0.user == .low })
        else { return }
        company.removeAll(keepingCapacity: true)
        for kernel in kernels where kernel.user != .low { company.append(kernel) }
        // The speeds without low ones make room for the gains over what was.
        law.speeds(of: company, into: &gains)
        // Sums over kernels of speed × demand, as `use` says.
        var (gained, kept, used) = (SIMD3<Double>.zero, SIMD3<Double>.zero, SIMD3<Double>.zero)
        var peer = 0
        for index in kernels.indices {
            let use = Self.use(kernels[index].demand)
            used += use * speeds[index]
            if kernels[index].user == .low {
                kept += use * speeds[index]
                continue
            }
            let isFavoured = kernels[index].user == .high
            gains[peer] = isFavoured ? (1 - leakage) * max(0, gains[peer] - speeds[index]) : 0
            gained += use * gains[peer]
            peer += 1
        }
        let spare = SIMD3(0, max(0, 1 - used.y), max(0, 1 - used.z))
        var granted = 1.0
        for part in gained.indices where gained[part] > 0 {
            granted = min(granted, (spare[part] + (1 - Self.leastKept) * kept[part]) / gained[part])
        }
        var loss = 0.0
        for part in kept.indices where kept[part] > 0 {
            loss = max(loss, (granted * gained[part] - spare[part]) / kept[part])
        }
        let left = max(Self.leastKept, 1 - loss)
        peer = 0
        for index in kernels.indices {
            if kernels[index].user == .low {
                speeds[index] *= left
            } else {
                speeds[index] += granted * gains[peer]
                peer += 1
            }
        }
    }

    /// What a kernel uses at full speed: work, which nothing is spare of, then compute and bandwidth.
    private static func use(_ demand: ResourceDemand) -> SIMD3<Double> {
        SIMD3(max(demand.compute, demand.bandwidth), demand.compute, demand.bandwidth)
    }
}
