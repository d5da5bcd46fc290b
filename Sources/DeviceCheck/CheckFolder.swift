// SPDX-License-Identifier: Apache-2.0

internal import CUDARuntime
internal import Glibc
internal import OnnxRuntime
internal import StraitPlatform
internal import StraitProtocol
internal import Synchronization

/// Rows of what was measured.
struct CheckTable: Sendable {
    /// Its file's name, without the ending.
    let name: String
    let columns: [String]
    var rows: [[String]] = []

    /// As CSV: a line of names, then a line a row. No cell needs quotes: cells are numbers and names.
    var csv: String {
        ([columns] + rows).map { row in
            row.map { $0.replacing(",", with: ";").replacing("\n", with: " ") }.joined(separator: ",") + "\n"
        }.joined()
    }
}

/// The tables of a part, which keeps what it has where it fails later on.
final class CheckTables: Sendable {
    private let tables = Mutex<[CheckTable]>([])

    /// Adds an empty table.
    func begin(_ name: String, _ columns: [String]) {
        tables.withLock { $0.append(CheckTable(name: name, columns: columns)) }
    }

    /// Adds a row to the table that was begun last.
    func add(_ row: [String]) {
        tables.withLock { tables in
            guard !tables.isEmpty else { return }
            tables[tables.count - 1].rows.append(row)
        }
    }

    var all: [CheckTable] { tables.withLock { $0 } }
}

/// What a check came to.
struct CheckSummary {
    struct Record {
        let name: String
        var result: String
        var message: String
        var seconds: Double
    }

    let context: CheckContext
    let records: [Record]

    /// As one JSON object: where and when, and each part's result.
    var json: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("format", "strait-gpu-check-1")
        if let commit = BuildFacts.commit { writer.member("commit", commit) }
        writer.member("unix_ms", "\(MonotonicClock.calendarMilliseconds())")
        writer.member("device", context.settings.target.text)
        writer.member("device_name", (try? context.hardware())?.name ?? (context.isProcessor ? Processor.name : "none"))
        writer.member("measured_on_gpu", !context.isProcessor && (try? context.hardware()) != nil)
        writer.member("processor", Processor.name)
        writer.member("cores", CoreSet.allowed().count)
        writer.member("onnxruntime", context.environment.library.version)
        if case .success(let cuda) = context.cuda {
            writer.member("cuda", cuda.version)
            writer.member("cuda_driver", cuda.driverVersion)
        }
        writer.member("seed", Int(context.settings.seed))
        writer.key("parts")
        writer.beginArray()
        for record in records {
            writer.beginObject()
            writer.member("name", record.name)
            writer.member("result", record.result)
            writer.member("message", record.message)
            writer.member("seconds", thousandths(record.seconds))
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes + [UInt8(ascii: "\n")]
    }
}

/// The folder of the results.
struct CheckFolder {
    private let path: String

    /// Makes the folder if it is not there.
    ///
    /// - Throws: ``CheckFailure``.
    init(_ path: String) throws {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
            throw CheckFailure("cannot make the folder \(path): \(String(cString: strerror(errno)))")
        }
        self.path = path
    }

    func write(_ table: CheckTable) throws { try write(Array(table.csv.utf8), to: "\(table.name).csv") }

    func write(_ summary: CheckSummary) throws { try write(summary.json, to: "summary.json") }

    private func write(_ bytes: [UInt8], to name: String) throws {
        guard let file = fopen("\(path)/\(name)", "w") else {
            throw CheckFailure("cannot write \(path)/\(name): \(String(cString: strerror(errno)))")
        }
        let isWhole = fwrite(bytes, 1, bytes.count, file) == bytes.count
        guard fclose(file) == 0, isWhole else { throw CheckFailure("cannot write \(path)/\(name): no space?") }
    }
}
