// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol

// What requests are told.

extension Engine {
    /// The reply to a request that has ended.
    ///
    /// - Parameter ended: the batch by whose end it has, if it has by one.
    func reply(
        to slot: RequestSlots.Slot, _ id: RequestID, _ outcome: Outcome, _ ended: Ended?, at now: Instant
    ) -> Reply {
        let submission = slot.submission
        switch outcome {
        case .met, .late, .failed:
            guard let ended, let part = ended.batch.parts.firstIndex(where: { $0.request == id }) else {
                precondition(outcome == .failed, "only the end of its batch gives a request its results")
                return .refused(Refusal(Self.lostTwice, number: slot.number))
            }
            do {
                let result = try ended.result.get()
                let timing = Timing(
                    queue: slot.stagedAt - submission.arrived, copy: result.times.copyIn + result.times.copyOut,
                    compute: result.times.kernels, predicted: slot.predictedFinish - submission.arrived,
                    copyOut: result.times.copyOut,
                    place: Timing.Place(
                        device: ended.batch.device, lane: ended.batch.lane, batchRows: ended.batch.rows))
                // Of a batch that was split the scheduler knows only that it failed; this request may have results.
                let outputs = try result.outputs[part].get()
                return .answered(
                    Answer(
                        outputs: outputs, isLate: now > submission.deadline,
                        isSynthetic: devices[ended.batch.device.index].isSynthetic, timing: timing,
                        number: slot.number))
            } catch {
                return .refused(Refusal(ProtocolError(.failedInternally, error.message), number: slot.number))
            }
        case .cancelled:
            return .refused(Refusal(ProtocolError(.cancelled, "the client went away"), number: slot.number))
        case .shed(let reason, let finish):
            return .refused(
                Refusal(
                    reason, arrived: submission.arrived, deadline: submission.deadline, predictedFinish: finish,
                    now: now
                ).naming(slot.number))
        }
    }

    /// It may be what breaks devices, so nobody is told to try again.
    private static let lostTwice = ProtocolError(
        .failedInternally, "the device that ran it was lost, and then another one that ran it again")
}
