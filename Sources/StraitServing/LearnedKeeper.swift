// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitFormats
internal import StraitPlatform
internal import Synchronization

/// Keeps what a server learns: puts back at the start what was kept, saves it every minute on a thread of its own, and
/// once more at the end.
///
/// The engine's lock is held only while the state is copied; the file is written afterwards.
package final class LearnedKeeper: Sendable {
    private let path: String
    private let engine: Engine
    private let device: ProfileFile.Device
    private let log: @Sendable (String) -> Void

    private struct State {
        var saved: LearnedStateFile?
        var hasComplained = false
    }

    private let state = Mutex(State())
    private let wakeup = Wakeup()
    private let thread = ThreadSlot()

    /// How often it is saved: a minute of learning is soon made up for, and a write a minute wears no disk out.
    private static let interval = StraitCore.Duration.seconds(60)

    /// A keeper of an engine.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - device: what they run on.
    ///   - log: told what becomes of the file.
    package init(
        path: String, engine: Engine, device: ProfileFile.Device,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.path = path
        self.engine = engine
        self.device = device
        self.log = log
    }

    // -- restoring ------------------------------------------------------------------------------------------------

    /// By what a model is known in the file; nil for one that is not there any more or cannot be recognised later.
    private static func known(_ model: ServedModel?) -> LearnedStateFile.Model? {
        guard let model, let key = model.key else { return nil }
        return LearnedStateFile.Model(key: key, profile: model.profile)
    }

    /// Puts back what was kept, for the models that are still the same.
    package func restore(_ file: LearnedStateFile) {
        let models = engine.learnedWithModels().models.map(Self.known)
        let (known, matches) = file.learned(for: models.compactMap(\.self))
        var learned = known
        learned.models = []
        var rest = known.models[...]
        for model in models { learned.models.append(model == nil ? LearnedState.Model() : rest.removeFirst()) }
        do {
            try engine.restore(learned)
        } catch {
            log("learned state \(path) not used: \(error)")
            return
        }
        let count = matches.count { $0 == .same }
        log("learned state restored for \(count) of \(models.count) models from \(path)")
        for (model, match) in zip(models.compactMap(\.self), matches) {
            let reason: String
            switch match {
            case .same: continue
            case .otherFile: reason = "its file is another now"
            case .otherProfile: reason = "its profile is another now"
            case .unknown: reason = "it was not there"
            }
            log("\(model.key.name) version \(model.key.version) starts anew: \(reason)")
        }
    }

    // -- saving ---------------------------------------------------------------------------------------------------

    /// Starts to save every minute. Says at once if that cannot work.
    package func start() {
        Files.removeAbandoned(besides: path)
        if let obstacle = RepositoryFiles.obstacle(toWriting: path) { complain(obstacle) }
        let started = SystemThread(name: "learned") { [self] in
            while !wakeup.wait(untilNanoseconds: MonotonicClock.nanoseconds() + Self.interval.nanoseconds) { save() }
        }
        thread.put(started)
    }

    /// Saves once more, and saves no longer.
    package func stop() {
        let thread = thread.take()
        wakeup.signal()
        thread?.join()
        if save() { log("learned state saved to \(path)") }
    }

    /// Saves what was learned, unless nothing was since the last time.
    ///
    /// - Returns: whether the file has it now. Where it cannot be written that is told once, until it can be again.
    @discardableResult
    package func save() -> Bool {
        var (learned, served) = engine.learnedWithModels()
        let models = served.map(Self.known)
        learned.models = zip(learned.models, models).compactMap { $1 == nil ? nil : $0 }
        let file = LearnedStateFile(device: device, models: models.compactMap(\.self), learned: learned)
        guard state.withLock({ $0.saved != file }) else { return true }
        do throws(FormatError) {
            try file.write(to: path)
        } catch {
            complain("\(error)")
            return false
        }
        state.withLock { $0 = State(saved: file) }
        return true
    }

    private func complain(_ reason: String) {
        let isFirst = state.withLock { state in
            defer { state.hasComplained = true }
            return !state.hasComplained
        }
        guard isFirst else { return }
        log(
            "warning: what is learned cannot be kept: \(reason); name another place with --learned PATH, or say "
                + "--no-learned")
    }
}
