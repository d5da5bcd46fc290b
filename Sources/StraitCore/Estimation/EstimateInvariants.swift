// SPDX-License-Identifier: Apache-2.0

// What must hold of all that was learned, whatever was fed: numbers stay numbers, and within their bounds (design §4).

extension Scheduler {
    /// What is wrong with what was learned, or with what is predicted from it; nil when all is well.
    ///
    /// - Complexity: O(models + devices · batches³), with allocations.
    package func brokenEstimate() -> String? {
        if let broken = state.interference.brokenInvariant() { return "interference: \(broken)" }
        for requestClass in RequestClass.allCases {
            if let broken = state.calibrations[requestClass.rawValue].brokenInvariant() {
                return "calibration of \(requestClass): \(broken)"
            }
        }
        if let broken = state.traffic.brokenInvariant() { return "traffic: \(broken)" }
        return brokenTime() ?? brokenPrediction()
    }

    private func brokenTime() -> String? {
        for index in state.models.indices {
            let pace = state.paces[ModelID(index: index)]
            guard ModelPaces.isPossible(pace) else { return "the pace of model \(index) is \(pace)" }
            guard let work = state.models[index].latestWork else { continue }
            let time = state.estimator.expectedTime(work, rows: state.models[index].description.maximumBatch)
            guard time > .zero, time < Duration(nanoseconds: .max) else { return "model \(index) takes \(time)" }
        }
        for index in state.devices.all.indices {
            guard DeviceSpeeds.range.contains(state.speeds[index]) else { return "speed \(state.speeds[index])" }
            guard let transfer = state.transfers[index] else { continue }
            for (model, record) in state.models.enumerated() {
                let model = ModelID(index: model)
                let bytes = state.profiles.bytes(model, rows: record.description.maximumBatch)
                let copyIn = transfer.copyIn.expectedTime(bytes: bytes.copyIn, model: model)
                let copyOut = transfer.copyOut.expectedTime(bytes: bytes.copyOut, model: model)
                guard copyIn >= .zero, copyOut >= .zero, copyIn + copyOut < Duration(nanoseconds: .max) else {
                    return "device \(index) copies model \(model.index) in \(copyIn), out \(copyOut)"
                }
            }
        }
        return nil
    }

    /// Every batch on a device is predicted to be done at some time, none in the past.
    private func brokenPrediction() -> String? {
        var predictor = Predictor()
        for index in state.devices.all.indices where !state.devices.all[index].resident.isEmpty {
            predictor.load(state, DeviceID(index: index), at: lastStep)
            for (batch, finish) in zip(state.devices.all[index].resident, predictor.alone) {
                // Infinite or not a number is neither.
                guard finish >= 0, finish < .infinity else { return "\(batch) is predicted to be done in \(finish) ns" }
                if let run = state.batches[batch]?.run, let broken = run.brokenInvariant() {
                    return "\(batch): \(broken)"
                }
                if state.expectedFinish(of: batch, at: lastStep) < lastStep {
                    return "\(batch) is expected in the past"
                }
            }
        }
        return nil
    }
}

extension KernelRun {
    fileprivate func brokenInvariant() -> String? {
        guard soloWork > 0, soloWork < .infinity else { return "it takes \(soloWork) ns alone" }
        guard speed >= InterferenceFeatures.slowest, speed <= 1 else { return "it runs at speed \(speed)" }
        guard done >= 0, done <= elapsed * (1 + 1e-9), clampedTime <= elapsed else {
            return "\(done) ns of work done in \(elapsed), of which \(clampedTime) at the slowest"
        }
        for lane in 0..<InterferenceFeatures.count where !(0...InterferenceFeatures.cap).contains(features[lane]) {
            return "feature \(lane) is \(features[lane])"
        }
        return nil
    }
}
