// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Sluice
import SluiceSQL
import SluiceSQLite
import Synchronization
import Testing

@Suite("Quick reads", .timeLimit(.minutes(5)))
struct QuickReadTests {
    /// Runs tasks and counts how often one was resumed: more than once if it has left its thread and come back.
    private final class CountingExecutor: TaskExecutor {
        private let queue = DispatchQueue(label: "counting")
        private let count = Atomic(0)

        var jobCount: Int { self.count.load(ordering: .sequentiallyConsistent) }

        func enqueue(_ job: consuming ExecutorJob) {
            self.count.add(1, ordering: .sequentiallyConsistent)
            let job = UnownedJob(job)
            self.queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }

    /// So many rows counted: some ten instructions each.
    private func counting(to limit: Int) -> SQLQuery {
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(limit)) SELECT count(*) AS n FROM n"
    }

    /// How often the task is resumed while it reads so many rows.
    private func resumptions(_ database: Database, countingTo limit: Int) async throws -> Int {
        let executor = CountingExecutor()
        return try await Task(executorPreference: executor) {
            let before = executor.jobCount
            let rows = try await database.rows(self.counting(to: limit))
            let count: Int = try rows[0].decode("n")
            #expect(count == limit)
            return executor.jobCount - before
        }.value
    }

    @Test("run where they are asked for; long ones run on the connection's thread, again and again")
    func threads() async throws {
        try await withDatabase { database, _ in
            let quick = try await self.resumptions(database, countingTo: 10)
            #expect(quick == 0)
            // A task that is not yet suspended when the thread is done is not resumed; but not always.
            var count = 0
            for _ in 0..<20 { count += try await self.resumptions(database, countingTo: 50_000) }
            #expect(count > 0)
        }
    }

    @Test("are quick again once they have proved it")
    func recovery() async throws {
        try await withDatabase { database, _ in
            // The same reader, since the last that came back is the next to be lent: that it is slow is what it remembers, once.
            _ = try await self.resumptions(database, countingTo: 50_000)
            _ = try await self.resumptions(database, countingTo: 10)
            var count = 0
            for _ in 0..<20 { count += try await self.resumptions(database, countingTo: 10) }
            #expect(count == 0)
        }
    }

    @Test("stay quick however often they have run, and make room for others now and then")
    func repetition() async throws {
        try await withDatabase { database, _ in
            var count = 0
            for _ in 0..<3_000 { count += try await self.resumptions(database, countingTo: 10) }
            #expect(count > 0)
            #expect(count < 100)
        }
    }

    @Test("a statement that changes something is none, also in memory")
    func writing() async throws {
        let database = try await Database.open("sqlite::memory:", drivers: [SQLiteDriver.self])
        _ = try await database.execute("CREATE TABLE t (i INTEGER)")
        let executor = CountingExecutor()
        let count = try await Task(executorPreference: executor) {
            let before = executor.jobCount
            // Many, since one whose answer is there before its task has suspended needs no job.
            for number in 1...100 { _ = try await database.rows("INSERT INTO t VALUES (\(number)) RETURNING i") }
            return executor.jobCount - before
        }.value
        #expect(count > 0)
        #expect(try await database.count("t") == 100)
        await database.close()
    }

    @Test("a reader sees what was committed before it, and a fault is an error")
    func truth() async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (i INTEGER)")
            for number in 1...200 {
                _ = try await database.execute("INSERT INTO t VALUES (\(number))")
                #expect(try await database.scalar("SELECT max(i) FROM t", as: Int.self) == number)
            }
            await #expect(throws: SQLError.self) { try await database.rows("SELECT missing FROM t") }
            #expect(try await database.count("t") == 200)
        }
    }
}
