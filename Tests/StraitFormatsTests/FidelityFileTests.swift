// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@testable internal import StraitFormats

@Suite struct FidelityFileTests {
    private let folder = Folder()

    private func row(live: FidelityFile.Figures, simulated: FidelityFile.Figures) -> FidelityFile.Row {
        FidelityFile.Row(
            recording: "load \"1.0\"", policy: "strait", times: "profile", requestClass: .low, model: "m", requests: 40,
            live: live, simulated: simulated, lowest: simulated, highest: live)
    }

    @Test func whatIsWrittenReadsBackAsTheSame() throws {
        let some = FidelityFile.Figures(inTime: 0.875, p50: 12.25, p95: 99.0625)
        let none = FidelityFile.Figures(inTime: 0, p50: nil, p95: nil)
        var whole = row(live: none, simulated: some)
        whole.model = nil
        whole.requestClass = .high
        let file = FidelityFile(rows: [row(live: some, simulated: none), whole])
        try file.write(to: "\(folder.path)/f.json")
        #expect(try FidelityFile(path: "\(folder.path)/f.json") == file)
    }

    @Test func targetsAreTwoPointsAndATenth() {
        let live = FidelityFile.Figures(inTime: 0.9, p50: 10, p95: 100)
        let close = row(live: live, simulated: FidelityFile.Figures(inTime: 0.881, p50: 10.9, p95: 91))
        #expect(close.meetsInTime && close.meetsP50 && close.meetsP95)
        #expect(abs(close.inTimePoints + 1.9) < 1e-9)
        let far = row(live: live, simulated: FidelityFile.Figures(inTime: 0.921, p50: 11.1, p95: 89))
        #expect(!far.meetsInTime && !far.meetsP50 && !far.meetsP95)
        // Where only one side answered anybody there is nothing to divide, and nothing that is met.
        let silent = row(live: live, simulated: FidelityFile.Figures(inTime: 0, p50: nil, p95: nil))
        #expect(silent.p50Error == nil && !silent.meetsP50)
    }

    @Test(arguments: [
        ("{}", ":1: strait_fidelity: missing"),
        (#"{"strait_fidelity":1,"rows":[{"recording":"r"}]}"#, ":1: rows[0].policy: missing"),
        (#"{"strait_fidelity":1,"row":[]}"#, ":1: row: unknown key"),
        (
            #"{"strait_fidelity":1,"rows":[{"recording":"r","policy":"p","times":"t","class":"low","requests":1,"#
                + #""live":{"in_time":1.5}}]}"#, ":1: rows[0].live.in_time: expected a number from 0"
        ),
    ])
    func slipsAreRefusedWithTheirPlace(text: String, message: String) throws {
        let path = "\(folder.path)/bad.json"
        try Files.replace(path, with: Array(text.utf8))
        do throws(FormatError) {
            _ = try FidelityFile(path: path)
            Issue.record("read all the same")
        } catch { #expect("\(error)".contains("bad.json\(message)"), "\(error)") }
    }
}
