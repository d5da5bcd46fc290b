// SPDX-License-Identifier: Apache-2.0

internal import CFakeCUDA
internal import CUDARuntime
internal import DeviceCheck
internal import Glibc
internal import OnnxRuntime
internal import Testing

@Suite(.serialized) struct DeviceCheckTests {
    private static let root = "/" + "\(#filePath)".split(separator: "/").dropLast(3).joined(separator: "/")

    private func environment() throws -> Environment {
        let paths = OnnxRuntimeLibrary.candidates(
            explicit: getenv(OnnxRuntimeLibrary.environmentVariable).map { String(cString: $0) }, environment: [:],
            executableDirectory: nil, setupDirectory: Self.root + "/.strait/onnxruntime")
        return try Environment(library: try OnnxRuntimeLibrary.load(searching: paths))
    }

    private func folder() throws -> String {
        var template = Array("/tmp/strait-check-XXXXXX".utf8CString)
        let isMade = template.withUnsafeMutableBufferPointer { $0.baseAddress.map { mkdtemp($0) != nil } ?? false }
        try #require(isMade)
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func text(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }

    private static let noCUDA = Result<CUDARuntime, CUDAError>.failure(
        CUDAError(.libraryNotFound, "none was installed"))

    /// A repository of small models out of the tests' own.
    private func repository(in folder: String) throws -> String {
        let path = folder + "/models"
        try #require(mkdir(path, 0o755) == 0)
        for model in ["magika", "squeezenet"] {
            try #require(symlink("\(Self.root)/.strait/models/\(model)", "\(path)/\(model)") == 0)
        }
        return path
    }

    @Test func `all parts run on the processor and leave their tables`() throws {
        let folder = try folder()
        var settings = CheckSettings(
            target: .cpu, repository: try repository(in: folder), output: folder + "/results")
        settings.secondsPerPoint = 0.01
        settings.overloadSeconds = 1
        let outcome = try DeviceCheck(settings, environment: environment(), cuda: Self.noCUDA) { print($0) }.run()
        let summary = text(settings.output + "/summary.json")
        #expect(outcome == .passed, "\(summary)")
        #expect(summary.contains(#""measured_on_gpu":false"#) && !summary.contains("skipped"))
        for part in DeviceCheck.partNames { #expect(summary.contains(#""name":"\#(part)","result":"passed""#)) }
        for (table, rows) in [("answers", 4), ("solo", 8), ("pairs", 4), ("serves", 2), ("overload", 8), ("copies", 4)]
        {
            let lines = text(settings.output + "/\(table).csv").split(separator: "\n")
            #expect(lines.count > rows, "\(table): \(lines.count)")
            #expect(Set(lines.map { $0.split(separator: ",", omittingEmptySubsequences: false).count }).count == 1)
        }
    }

    @Test func `without a device every part says so and so does the outcome`() throws {
        let folder = try folder()
        let settings = CheckSettings(
            target: .cuda(0), repository: try repository(in: folder), output: folder + "/results")
        let outcome = try DeviceCheck(settings, environment: environment(), cuda: Self.noCUDA) { _ in }.run()
        let summary = text(settings.output + "/summary.json")
        #expect(outcome == .noDevice, "\(summary)")
        #expect(summary.ranges(of: "no CUDA device: none was installed").count == DeviceCheck.partNames.count)
        #expect(summary.contains(#""measured_on_gpu":false"#))
    }

    @Test func `a part that fails does not end the others`() throws {
        let folder = try folder()
        var settings = CheckSettings(target: .cpu, repository: folder + "/nothing", output: folder + "/results")
        settings.parts = ["find", "answers", "copies"]
        let outcome = try DeviceCheck(settings, environment: environment(), cuda: Self.noCUDA) { _ in }.run()
        let summary = text(settings.output + "/summary.json")
        #expect(outcome == .failed)
        #expect(summary.contains(#""name":"answers","result":"FAILED""#))
        #expect(summary.contains(#""name":"copies","result":"passed""#))
    }

    @Test func `copies are measured on a device, alone and beside each other`() throws {
        fake_cuda_claim()
        defer { fake_cuda_give_back() }
        fake_cuda_reset(1, 1 << 30, 10_000, 1_000)
        let folder = try folder()
        var settings = CheckSettings(target: .cuda(0), repository: folder, output: folder + "/results")
        settings.parts = ["copies"]
        let cuda = CUDARuntime(table: fake_cuda_table())
        let outcome = try DeviceCheck(settings, environment: environment(), cuda: .success(cuda)) { _ in }.run()
        #expect(outcome == .passed)
        let lines = text(settings.output + "/copies.csv").split(separator: "\n").map(String.init)
        #expect(lines.count == 1 + 4 * 2 * 4)
        // 10 µs and 1 µs for each KiB: 4 MiB in 4.106 ms.
        #expect(lines.contains("pinned,in,nothing,4194304,10,4.106,4.106,1.022"), "\(lines)")
    }
}
