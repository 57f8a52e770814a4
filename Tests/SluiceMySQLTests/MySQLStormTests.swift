// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Statements that are given up")
    struct StormTests {
        /// What became of the storm's tasks.
        struct Counts: Sendable {
            var answered = 0
            var cancelled = 0
            var foreign = 0
            var failed: [String] = []
        }

        @Test(
            "10,000 tasks, half of them cancelled at random: none gets another's row, and the server never sees too many"
        )
        func storm() async throws {
            let pool = PoolSettings(size: 5, overflow: 3)
            try await withDatabase(pool: pool) { database, name in
                let other = try await TestServer.open()
                let isOver = Locked(false)
                async let seen = Self.watch(name, on: other, until: isOver)
                let counts = await Self.storm(database, tasks: 10_000)
                isOver.withLock { $0 = true }
                let (most, samples) = try await seen
                #expect(most <= pool.capacity)
                #expect(samples > 20)
                #expect(counts.foreign == 0)
                #expect(counts.failed == [])
                #expect(counts.answered > 1_000)
                #expect(counts.cancelled > 100)
                try await untilNothingIsLent(database)
                let left = try await sessionCount(name, on: other)
                #expect(left <= pool.capacity)
                await other.close()
            }
        }

        private static func storm(_ database: Database, tasks: Int) async -> Counts {
            let counts = Locked(Counts())
            await withTaskGroup(of: Void.self) { group in
                for id in 0..<tasks {
                    if id >= 64 { await group.next() }
                    group.addTask { await Self.ask(id, database, counts) }
                }
            }
            return counts.withLock { $0 }
        }

        /// Asks for its own number, and may be cancelled at any moment of it.
        private static func ask(_ id: Int, _ database: Database, _ counts: Locked<Counts>) async {
            let task = Task {
                switch id % 4 {
                case 0, 1: try await database.scalar("SELECT \(id)", as: Int.self)
                case 2: try await database.read { try await $0.scalar("SELECT \(id) + 0", as: Int.self) }
                default: try await database.scalar("SELECT \(id) FROM seq_1_to_200 LIMIT 1", as: Int.self)
                }
            }
            if Bool.random() {
                // Early as often as late, however long a statement takes beside a yield.
                for _ in 0..<Int.random(in: 0...([2, 20, 200].randomElement() ?? 0)) { await Task.yield() }
                task.cancel()
            }
            switch await task.result {
            case .success(let value):
                counts.withLock {
                    $0.answered += 1
                    if value != id { $0.foreign += 1 }
                }
            case .failure(is CancellationError): counts.withLock { $0.cancelled += 1 }
            case .failure(let error): counts.withLock { $0.failed.append("\(error)") }
            }
        }

        /// The most connections to a database that were ever seen at the server.
        private static func watch(
            _ name: String, on database: Database, until isOver: Locked<Bool>
        ) async throws -> (most: Int, samples: Int) {
            var (most, samples) = (0, 0)
            while !isOver.withLock({ $0 }) {
                most = max(most, try await sessionCount(name, on: database))
                samples += 1
            }
            return (most, samples)
        }

        @Test("a cancellation that comes as the statement ends never stops the next one on its connection")
        func late() async throws {
            try await withDatabase(pool: PoolSettings(size: 1, overflow: 0)) { database, _ in
                var (cancelled, patience) = (0, 50)
                for number in 0..<10_000 {
                    let task = Task { try await database.scalar("SELECT \(number)", as: Int.self) }
                    for _ in 0..<patience { await Task.yield() }
                    task.cancel()
                    // As much patience as leaves half of them cancelled: so they are at their end when it comes.
                    switch await task.result {
                    case .success(let value):
                        #expect(value == number)
                        patience = max(1, patience * 9 / 10)
                    case .failure(let error):
                        #expect(error is CancellationError)
                        cancelled += 1
                        patience += patience / 8 + 1
                    }
                    let next = try await database.scalar("SELECT \(-number)", as: Int.self)
                    #expect(next == -number)
                }
                #expect(cancelled > 1_000)
                #expect(cancelled < 9_000)
            }
        }

        @Test("a transaction that waits for itself is told what it does wrong")
        func nested() async throws {
            let pool = PoolSettings(size: 1, overflow: 0, acquireTimeout: .seconds(2))
            try await withDatabase(pool: pool) { database, _ in
                for isTransaction in [true, false] {
                    let error = await failure {
                        try await database.withTransaction { _ in
                            if isTransaction {
                                try await database.withTransaction { _ in }
                            } else {
                                _ = try await database.rows("SELECT 1")
                            }
                        }
                    }
                    #expect((error as? SQLError)?.kind == .pool)
                    let message = (error as? SQLError)?.message ?? ""
                    #expect(message.contains("hint: this operation holds 1 connection(s) already"), "\(message)")
                    try await untilNothingIsLent(database)
                }
            }
        }

        @Test(
            "single statements that wait for each other in vain are told what took the time, and who holds what they wait for"
        )
        func shortage() async throws {
            let pool = PoolSettings(size: 1, overflow: 0, acquireTimeout: .seconds(2))
            try await withDatabase(pool: pool) { database, _ in
                let slow = Task { try await database.rows("SELECT SLEEP(100)") }
                while database.poolStatus.lent == 0 { await Task.yield() }
                let error = await failure { _ = try await database.rows("SELECT 1") }
                let message = (error as? SQLError)?.message ?? ""
                #expect((error as? SQLError)?.kind == .pool)
                for part in ["spent waiting for a free connection", "0 idle, 1 lent", "size 1 + 0", "oldest lease"] {
                    #expect(message.contains(part), "\(message)")
                }
                slow.cancel()
                _ = await slow.result
                try await untilNothingIsLent(database)
            }
        }

        @Test("a table that is altered under load is read all the time, in its old shape or its new one")
        func altered() async throws {
            try await withDatabase(pool: PoolSettings(size: 4, overflow: 0)) { database, name in
                _ = try await database.execute("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20))")
                _ = try await database.execute("INSERT INTO t VALUES (7, 'seven')")
                let (isOver, reads) = (Locked(false), Locked(0))
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<8 {
                        group.addTask {
                            while !isOver.withLock({ $0 }) {
                                let row = try #require(try await database.first("SELECT * FROM t WHERE id = \(7)"))
                                let (id, name) = (
                                    try row.decode("id", as: Int.self), try row.decode("name", as: String.self)
                                )
                                #expect(id == 7 && name == "seven")
                                for column in row.columns.names.dropFirst(2) {
                                    let value = try row.decode(column, as: Int.self)
                                    #expect(value == 3)
                                }
                                reads.withLock { $0 += 1 }
                            }
                        }
                    }
                    let other = try await TestServer.open(name)
                    let thrown = await failure {
                        for number in 0..<10 {
                            let column = try SQLIdentifier("extra\(number)")
                            _ = try await other.execute("ALTER TABLE t ADD COLUMN \(column) INT DEFAULT 3")
                            for _ in 0..<20 { _ = try await database.rows("SELECT * FROM t") }
                            if number % 3 == 2 {
                                let first = try SQLIdentifier("extra\(number - 2)")
                                _ = try await other.execute("ALTER TABLE t DROP COLUMN \(first)")
                            }
                        }
                    }
                    isOver.withLock { $0 = true }
                    try await group.waitForAll()
                    await other.close()
                    if let thrown { throw thrown }
                }
                #expect(reads.withLock { $0 } > 50)
            }
        }

        @Test("tasks that each leave one doctor on call leave one on call together")
        func writeSkew() async throws {
            try await withDatabase(pool: PoolSettings(size: 8, overflow: 0)) { database, _ in
                _ = try await database.execute(
                    "CREATE TABLE t (shift INT, doctor INT, is_on_call BOOL, PRIMARY KEY (shift, doctor))")
                _ = try await database.execute(
                    "INSERT INTO t SELECT s.seq, d.seq, true FROM seq_1_to_10 AS s JOIN seq_1_to_2 AS d")
                let attempts = Locked<[Int]>([])
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for task in 0..<8 {
                        group.addTask {
                            for shift in 1...10 {
                                let attempt = try await Self.leave(database, shift: shift, doctor: task % 2 + 1)
                                attempts.withLock { $0.append(attempt) }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                let empty = try await database.scalar(
                    "SELECT count(*) FROM (SELECT shift FROM t GROUP BY shift HAVING sum(is_on_call) = 0) AS empty",
                    as: Int.self)
                #expect(empty == 0)
                let most = attempts.withLock { $0.max() ?? 0 }
                #expect(most > 1, "no two transactions have met")
                #expect(most < 100)
            }
        }

        /// Takes a doctor off a shift that another one is on, or back on it.
        ///
        /// - Returns: How many attempts that took.
        private static func leave(_ database: Database, shift: Int, doctor: Int) async throws -> Int {
            try await database.withTransaction(.serializable) { transaction in
                let count = try await transaction.scalar(
                    "SELECT count(*) FROM t WHERE shift = \(shift) AND is_on_call", as: Int.self)
                // So that others read, too, before this one writes.
                for _ in 0..<20 { await Task.yield() }
                _ = try await transaction.execute(
                    "UPDATE t SET is_on_call = \(count < 2) WHERE shift = \(shift) AND doctor = \(doctor)")
                return transaction.attempt
            }
        }
    }
}
