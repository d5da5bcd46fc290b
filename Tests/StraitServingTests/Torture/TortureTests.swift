// SPDX-License-Identifier: Apache-2.0

internal import Testing

/// The whole engine under random traffic and faults, without threads (docs/testing.md). `STRAIT_SEEDS` chooses the seeds:
/// a number of them, or the first and the last as `120-129`.
@Suite struct TortureTests {
    private let files = TortureModels()

    @Test(arguments: TortureSeeds.chosen) func `every request is answered once, whatever breaks`(seeds: TortureSeeds)
        throws
    {
        for seed in seeds.range {
            let run = try TortureRun(seed: seed, files)
            run.play()
            if let broken = run.broken { Issue.record("\(broken)") }
        }
    }

    @Test func `the same seed does the same`() throws {
        for seed in 0..<UInt64(20) {
            let runs = [try TortureRun(seed: seed, files), try TortureRun(seed: seed, files)]
            for run in runs { run.play() }
            #expect(runs[0].digest == runs[1].digest, "seed \(seed)")
        }
    }

    @Test func `torture goes everywhere`() throws {
        let all: Set = [
            "a batch of several requests", "a device answers garbage times", "a lane ends its batch meanwhile",
            "a lane hangs for a while", "a lane hangs for ever", "a lane is given its next batch while it reports",
            "a model cannot be loaded", "a model joins", "at rest beside a lane that hangs", "cancelled while answered",
            "cancelled while running", "cancelled while waiting", "drains", "dropped after waiting", "failed", "late",
            "met", "notFound", "refused on arrival", "the budget is spent", "the client went away",
            "the clock goes back", "the clock jumps", "the low class's memory is spent", "the model's queue is full",
            "the server is draining; ask another one", "the server's queue is full for this request's class",
            "the timer calls meanwhile", "too many rows", "unavailable", "a device is lost", "a probe fails",
            "a lost device works again", "a device gives up what hangs", "taken back and given up",
            "taken back and run again", "lost twice", "a model goes", "a model has gone", "a model is freed",
            "a batch is run inline", "a batch run inline has to wait", "a batch is split", "a batch ends in copyIn",
            "a batch ends in copyIn, lost",
            "a batch ends in kernels", "a batch ends in kernels, lost", "a batch ends in copyOut",
            "a batch ends in copyOut, lost", "cancelled while copyingIn", "cancelled while copyingOut",
            "a tenant has too much in flight", "a tenant sends too much", "a tenant may not claim high",
            "metrics are scraped", "somebody glances", "somebody asks why", "a page is drawn",
            "what was learned is taken up", "what was learned is refused",
        ]
        var seen: Set<String> = []
        for seed in 0..<UInt64(400) where !all.isSubset(of: seen) {
            let run = try TortureRun(seed: seed, files)
            run.play()
            for device in run.devices { seen.formUnion(device.sights) }
            seen.formUnion(run.sights)
        }
        #expect(all.subtracting(seen).isEmpty)
    }
}
