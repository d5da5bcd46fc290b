// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitFormats

/// What a profile is measured with: runs batches of ones alone and beside others. On devices this is ``DeviceBench``; tests
/// bring one that knows the truth.
package protocol ProfilingBench: AnyObject {
    typealias Subject = ProfileRecord.Subject
    typealias Stressor = ProfileRecord.Stressor

    /// Batches that can run beside each other.
    var laneCount: Int { get }
    /// What batches can be put beside, apart from each other.
    var stressors: [Stressor] { get }

    /// Whether a stressor has no unit of its own beside a batch, so that both take turns.
    func takesTurns(_ stressor: Stressor) -> Bool

    /// Runs batches one after another on a lane, alone.
    ///
    /// - Throws: why the model failed on them.
    func run(_ subject: Subject, times: Int) throws -> [MeasuredTimes]

    /// Bytes of a batch's inputs, and of its results where it has run.
    func bytes(of subject: Subject) -> (copyIn: Int, copyOut: Int)

    /// Runs batches in loops, each on a lane of its own, and a stressor beside them if one is named.
    ///
    /// - Parameters:
    ///   - lane: that of the first; the others have the next ones.
    ///   - span: how long at least; longer where batches are.
    /// - Throws: why a model failed.
    func runTogether(
        _ subjects: [Subject], from lane: Int, beside stressor: Stressor?, for span: StraitCore.Duration
    ) throws -> Company

    /// Runs a stressor alone.
    ///
    /// - Returns: what it did, as a share of the most that the device can do.
    func run(_ stressor: Stressor, for span: StraitCore.Duration) -> Double

    /// Runs the fixed piece of work, and says what others took of the machine since the last time.
    func reference() -> ProfileRecord.Reference
}

/// What batches did beside each other.
package struct Company: Sendable, Hashable {
    /// For each kind of batch its mean time, of those that began and ended while all others ran, in nanoseconds. The mean,
    /// because batches that take turns with others are bimodal, and their mean is what they got of the device.
    package var means: [Double]
    /// The median time of copying the first one's inputs.
    package var copyIn: StraitCore.Duration
    /// What the stressor did, as a share of the most that the device can do; 0 without.
    package var stress: Double

    /// What was measured.
    package init(means: [Double], copyIn: StraitCore.Duration = .zero, stress: Double = 0) {
        self.means = means
        self.copyIn = copyIn
        self.stress = stress
    }
}
