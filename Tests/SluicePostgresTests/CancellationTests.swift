// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Statements that are given up")
    struct CancellationTests {
        @Test(
            "10,000 tasks, half of them cancelled at random: none gets another's row, and the server never sees too many"
        )
        func storm() async throws {
            let name = uniqueName("storm")
            let pool = PoolSettings(size: 5, overflow: 3)
            try await withPostgres { other in
                try await withPostgres(name, pool: pool) { database in
                    let isOver = Locked(false)
                    async let seen = Self.watch(name, on: other, until: isOver)
                    let counts = try await Self.storm(database, tasks: 10_000)
                    isOver.withLock { $0 = true }
                    let (most, samples) = try await seen
                    #expect(most <= pool.capacity)
                    #expect(samples > 20)
                    #expect(counts.foreign == 0)
                    #expect(counts.failed == [])
                    #expect(counts.answered > 1_000)
                    #expect(counts.cancelled > 100)
                    try await untilNothingIsLent(database)
                    #expect(try await sessionCount(name, on: other) <= pool.capacity)
                }
            }
        }

        /// What became of the storm's tasks.
        struct Counts: Sendable {
            var answered = 0
            var cancelled = 0
            var foreign = 0
            var failed: [String] = []
        }

        private static func storm(_ database: Database, tasks: Int) async throws -> Counts {
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
                case 0, 1: try await database.scalar("SELECT \(id)::int8", as: Int.self)
                case 2: try await database.read { try await $0.scalar("SELECT \(id)::int8 + 0", as: Int.self) }
                default:
                    try await database.scalar("SELECT \(id)::int8 FROM generate_series(1, 200) LIMIT 1", as: Int.self)
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

        /// The most sessions with a name that were ever seen at the server.
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
            try await withPostgres(pool: PoolSettings(size: 1, overflow: 0)) { database in
                let driver = database.driver
                var (cancelled, patience) = (0, 50)
                for number in 0..<10_000 {
                    let task = Task {
                        try await driver.withConnection(.read) {
                            try await $0.execute("SELECT \(number)::int8").rows[0][0]
                        }
                    }
                    for _ in 0..<patience { await Task.yield() }
                    task.cancel()
                    // As much patience as leaves half of them cancelled: so they are at their end when it comes.
                    switch await task.result {
                    case .success(let value):
                        #expect(value == .integer(Int64(number)))
                        patience = max(1, patience * 9 / 10)
                    case .failure(let error):
                        #expect(error is CancellationError)
                        cancelled += 1
                        patience += patience / 8 + 1
                    }
                    let next = try await driver.withConnection(.read) {
                        try await $0.scalar("SELECT \(-number)::int8", as: Int.self)
                    }
                    #expect(next == -number)
                }
                #expect(cancelled > 1_000)
                #expect(cancelled < 9_000)
            }
        }

        @Test(
            "a statement that is late is stopped at the server, too, whether it had the connection to itself or not",
            arguments: [true, false])
        func deadline(isExclusive: Bool) async throws {
            let name = uniqueName("late")
            try await withPostgres { other in
                try await withPostgres(name) { database in
                    let error = await failure {
                        try await withOperation("sleeper", limit: .milliseconds(300)) { _ in
                            if isExclusive {
                                try await database.read { _ = try await $0.rows("SELECT pg_sleep(1000)") }
                            } else {
                                _ = try await database.rows("SELECT pg_sleep(1000)")
                            }
                        }
                    }
                    #expect(error is TimeoutError || (error as? SQLError)?.kind == .timeout, "\(error as Any)")
                    try await until("the server is at nothing") {
                        try await sessionCount(name, state: "active", on: other) == 0
                    }
                    try await untilNothingIsLent(database)
                    #expect(try await database.scalar("SELECT 1::int8", as: Int.self) == 1)
                }
            }
        }

        @Test("a statement among others in a pipeline that is cancelled drops its answer, and the others get theirs")
        func neighbours() async throws {
            // One connection, so that all share it.
            try await withPostgres(pool: PoolSettings(size: 1, overflow: 0, statementsPerConnection: 16)) { database in
                for round in 0..<50 {
                    let tasks = (0..<15).map { number in
                        Task { try await database.scalar("SELECT \(round * 100 + number)::int8", as: Int.self) }
                    }
                    for _ in 0..<round { await Task.yield() }
                    for number in stride(from: 0, to: 15, by: 3) { tasks[number].cancel() }
                    for (number, task) in tasks.enumerated() {
                        switch await task.result {
                        case .success(let value): #expect(value == round * 100 + number)
                        case .failure(let error): #expect(number % 3 == 0 && error is CancellationError, "\(error)")
                        }
                    }
                }
                try await untilNothingIsLent(database)
            }
        }

        @Test("a transaction that is cancelled leaves no lock, no open transaction and a connection that is used again")
        func transaction() async throws {
            let name = uniqueName("cancelled")
            try await withPostgres { other in
                try await withPostgres(name, pool: PoolSettings(size: 2, overflow: 0)) { database in
                    try await withTable(other, "id int PRIMARY KEY") { table in
                        for moment in 0..<100 {
                            let task = Task {
                                try await database.withTransaction { transaction in
                                    _ = try await transaction.execute("INSERT INTO \(table) VALUES (1)")
                                    _ = try await transaction.rows("SELECT pg_sleep(1000)")
                                }
                            }
                            for _ in 0..<moment * 10 { await Task.yield() }
                            task.cancel()
                            await #expect(throws: CancellationError.self) { try await task.value }
                        }
                        try await untilNothingIsLent(database)
                        // Would wait for a lock that somebody still holds.
                        _ = try await other.execute("INSERT INTO \(table) VALUES (1)")
                        #expect(try await sessionCount(name, state: "idle in transaction", on: other) == 0)
                        #expect(try await sessionCount(name, state: "active", on: other) == 0)
                    }
                }
            }
        }

        @Test("a single statement cannot leave a transaction open on a connection that others share")
        func strayTransaction() async throws {
            let name = uniqueName("stray")
            try await withPostgres { other in
                try await withPostgres(name, pool: PoolSettings(size: 1, overflow: 0)) { database in
                    try await withTable(other, "id int") { table in
                        let error = await #expect(throws: SQLError.self) { try await database.execute("BEGIN") }
                        #expect(error?.kind == .statement && error?.hasRun == false)
                        _ = try await database.execute("INSERT INTO \(table) VALUES (1)")
                        #expect(try await other.scalar("SELECT count(*) FROM \(table)", as: Int.self) == 1)
                        #expect(try await sessionCount(name, state: "idle in transaction", on: other) == 0)
                    }
                }
            }
        }
    }
}
