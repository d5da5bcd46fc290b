// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// One thing that `strait profile` measured, as it was measured. The profile that schedulers read is made from all of
/// them; they are kept beside it, so that it can be checked, drawn, and gone on with.
package enum ProfileRecord: Sendable, Hashable {
    /// Batches of one size, one after another and alone.
    case solo(Solo)
    /// The same beside a stressor.
    case stressed(Stressed)
    /// Two kinds of batches beside each other.
    case pair(Pair)
    /// A fixed piece of work that has nothing to do with any model: it shows how steady the machine was.
    case reference(Reference)

    /// Batches of one size of one model.
    package struct Subject: Sendable, Hashable {
        /// The model's name.
        package var model: String
        /// Its version.
        package var version: Int
        /// The elements in each row of all its inputs.
        package var elementsPerRow: Int
        /// Rows in the batch.
        package var rows: Int

        /// Batches of one size.
        package init(model: String, version: Int, elementsPerRow: Int, rows: Int) {
            self.model = model
            self.version = version
            self.elementsPerRow = elementsPerRow
            self.rows = rows
        }

        /// The elements of a row as schedulers tell them apart: to the power of two above.
        package var bucket: UInt8 { WorkShape(model: ModelID(index: 0), elementsPerRow: elementsPerRow).bucket }
    }

    /// How long batches take alone. Times are those of the kernels.
    package struct Solo: Sendable, Hashable {
        /// What ran.
        package var subject: Subject
        /// Batches that count.
        package var runs: Int
        /// The time that half of them stayed below.
        package var median: Duration
        /// The ends of the 95 % interval of the median.
        package var low: Duration
        package var high: Duration
        /// The time that 95 of 100 stayed below.
        package var p95: Duration
        /// Their mean.
        package var mean: Duration
        /// Bytes of all inputs.
        package var bytesIn: Int
        /// Bytes of all results.
        package var bytesOut: Int
        /// The median time of gathering rows and copying them to the device.
        package var copyIn: Duration
        /// The median time of copying results back.
        package var copyOut: Duration

        /// What was measured; there are many values, so each is given by its name afterwards.
        package init(_ subject: Subject, runs: Int, median: Duration) {
            self.subject = subject
            self.runs = runs
            self.median = median
            low = median
            high = median
            p95 = median
            mean = median
            bytesIn = 0
            bytesOut = 0
            copyIn = .zero
            copyOut = .zero
        }
    }

    /// What a stressor uses up.
    package enum Stressor: String, Sendable, Hashable, CaseIterable {
        /// Arithmetic in registers, on every unit of the device.
        case compute
        /// Sweeps over more memory than caches hold.
        case bandwidth
    }

    /// What batches and a stressor do to each other.
    package struct Stressed: Sendable, Hashable {
        /// What ran.
        package var subject: Subject
        /// Beside what.
        package var stressor: Stressor
        /// Whether a stressor that should have had units of its own had none, so that both took turns.
        package var tookTurns: Bool
        /// How many times as long batches took as alone.
        package var slowdown: Double
        /// What the stressor lost of what it does alone, as a share of the most that the device can do.
        package var loss: Double
        /// Bytes of all inputs.
        package var bytesIn: Int
        /// The median time of gathering rows and copying them, meanwhile.
        package var copyIn: Duration

        /// What was measured.
        package init(
            _ subject: Subject, beside stressor: Stressor, tookTurns: Bool, slowdown: Double, loss: Double,
            bytesIn: Int = 0, copyIn: Duration = .zero
        ) {
            self.subject = subject
            self.stressor = stressor
            self.tookTurns = tookTurns
            self.slowdown = slowdown
            self.loss = loss
            self.bytesIn = bytesIn
            self.copyIn = copyIn
        }
    }

    /// What batches of two kinds, or twice of one, do to each other.
    package struct Pair: Sendable, Hashable {
        /// One kind.
        package var first: Subject
        /// The other.
        package var second: Subject
        /// How many times as long the first took as alone.
        package var firstSlowdown: Double
        /// The same of the second.
        package var secondSlowdown: Double

        /// What was measured.
        package init(_ first: Subject, _ second: Subject, firstSlowdown: Double, secondSlowdown: Double) {
            self.first = first
            self.second = second
            self.firstSlowdown = firstSlowdown
            self.secondSlowdown = secondSlowdown
        }
    }

    /// How steady the machine was at a moment.
    package struct Reference: Sendable, Hashable {
        /// How long the fixed piece of work took.
        package var took: Duration
        /// The share of the machine's cores that other processes, or other machines on the same hardware, have taken
        /// since the last reference; nil where the system does not say.
        package var others: Double?

        /// What was measured.
        package init(took: Duration, others: Double?) {
            self.took = took
            self.others = others
        }
    }
}
