// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceSQL
import SluiceSQLite
import Testing

@Suite("A process that is killed, on SQLite", .timeLimit(.minutes(5)))
struct SQLiteKillTests {
    @Test("leaves nothing of the import that it was at, and a file that is whole")
    func killed() async throws {
        try await withFolder { folder in
            let arguments = ["--database", "sqlite:club.db"]
            let sample = ["clubhouse", "import", "\(Sluice.samples)/2023-24-en.1.json"] + arguments
            let first = try await Sluice.run(sample, in: folder)
            #expect(first.status == 0, "\(first.errors)")
            // Far more than SQLite holds back in memory until a transaction is committed.
            let name = String(repeating: "long ", count: 38)
            let matches = (0..<15_000).map { #"{"date": "2024-01-01", "team1": "\#(name)\#($0)", "team2": "B"}"# }
            try Data("{\"name\": \"Large\", \"matches\": [\(matches.joined(separator: ","))]}".utf8)
                .write(to: folder.appendingPathComponent("large.json"))
            let process = try Sluice(["clubhouse", "import", "large.json"] + arguments, in: folder)
            let log = folder.appendingPathComponent("club.db-wal")
            @Sendable func logSize() -> UInt64 { (try? FileHandle(forReadingFrom: log).seekToEnd()) ?? 0 }
            // On a thread of its own, which gets its turn before the import is done however many tasks wait for theirs.
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    while logSize() < 1 << 20, process.isRunning { sched_yield() }
                    process.signal(SIGKILL)
                    continuation.resume()
                }
            }
            let result = try await process.waitForExit()
            #expect(result.status == -SIGKILL, "\(result.errors)")
            #expect(logSize() >= 1 << 20)
            let database = try await Database.open(
                "sqlite:\(folder.path)/club.db", drivers: [SQLiteDriver.self])
            #expect(try await database.scalar("SELECT count(*) FROM clubhouse_matches", as: Int.self) == 380)
            #expect(try await database.scalar("SELECT count(*) FROM clubhouse_seasons", as: Int.self) == 1)
            #expect(try await database.scalar("PRAGMA integrity_check", as: String.self) == "ok")
            await database.close()
            let again = try await Sluice.run(sample, in: folder)
            #expect(again.output.contains(#""unchanged":380"#), "\(again.errors)")
        }
    }
}
