// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Transactions that meet")
    struct SerializableTests {
        @Test("tasks that each leave one doctor on call leave one on call together")
        func writeSkew() async throws {
            try await withPostgres(pool: PoolSettings(size: 8, overflow: 0)) { database in
                try await withTable(database, "shift int, doctor int, is_on_call bool") { table in
                    let shifts = 10
                    _ = try await database.execute(
                        """
                        INSERT INTO \(table)
                        SELECT s, d, true FROM generate_series(1, \(shifts)::int) AS s, generate_series(1, 2) AS d
                        """)
                    let attempts = Locked<[Int]>([])
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for task in 0..<8 {
                            group.addTask {
                                for shift in 1...shifts {
                                    let attempt = try await Self.leave(
                                        database, table, shift: shift, doctor: task % 2 + 1)
                                    attempts.withLock { $0.append(attempt) }
                                }
                            }
                        }
                        try await group.waitForAll()
                    }
                    let empty: Int = try await database.scalar(
                        """
                        SELECT count(*) FROM
                            (SELECT shift FROM \(table) GROUP BY shift HAVING count(*) FILTER (WHERE is_on_call) = 0) AS empty
                        """)
                    #expect(empty == 0)
                    let most = attempts.withLock { $0.max() ?? 0 }
                    #expect(most > 1, "no two transactions have met")
                    #expect(most < 100)
                }
            }
        }

        /// Takes a doctor off a shift that another one is on, or back on it.
        ///
        /// - Returns: How many attempts that took.
        private static func leave(
            _ database: Database, _ table: SQLIdentifier, shift: Int, doctor: Int
        ) async throws -> Int {
            try await database.withTransaction(.serializable) { transaction in
                let count: Int = try await transaction.scalar(
                    "SELECT count(*) FROM \(table) WHERE shift = \(shift) AND is_on_call")
                // So that others read, too, before this one writes.
                for _ in 0..<20 { await Task.yield() }
                _ = try await transaction.execute(
                    """
                    UPDATE \(table) SET is_on_call = \(count < 2)
                    WHERE shift = \(shift) AND doctor = \(doctor)
                    """)
                return transaction.attempt
            }
        }

        @Test("of transactions that lock in opposite order one is the victim, and is repeated")
        func deadlock() async throws {
            try await withPostgres { database in
                try await withTable(database, "id int PRIMARY KEY, value int") { table in
                    _ = try await database.execute("INSERT INTO \(table) VALUES (1, 0), (2, 0)")
                    let gate = Gate()
                    let attempts = try await withThrowingTaskGroup(of: Int.self) { group in
                        for order in [[1, 2], [2, 1]] {
                            group.addTask {
                                try await database.withTransaction { transaction in
                                    // Else the wait for a deadlock to be found is a second.
                                    _ = try await transaction.execute("SET LOCAL deadlock_timeout = '10ms'")
                                    for (index, id) in order.enumerated() {
                                        _ = try await transaction.execute(
                                            "UPDATE \(table) SET value = value + 1 WHERE id = \(id)")
                                        if index == 0, transaction.attempt == 1 { try await gate.pass() }
                                    }
                                    return transaction.attempt
                                }
                            }
                        }
                        await gate.waitForArrivals(2)
                        gate.open()
                        return try await group.reduce(0, +)
                    }
                    #expect(attempts >= 3)
                    #expect(try await database.scalar("SELECT sum(value) FROM \(table)", as: Int.self) == 4)
                }
            }
        }
    }
}
