// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("A pool that is exhausted")
    struct ExhaustionTests {
        private let pool = PoolSettings(size: 2, overflow: 1, acquireTimeout: .seconds(2))

        @Test("fails those who wait with the counts, and names who holds a connection and does not give it back")
        func exhausted() async throws {
            try await withPostgres(pool: self.pool) { database in
                let gate = Gate()
                try await withThrowingTaskGroup(of: (any Error)?.self) { group in
                    for _ in 0..<3 {
                        group.addTask {
                            await failure {
                                try await withOperation("hoarder") { _ in
                                    try await database.read { _ in try await gate.pass() }
                                }
                            }
                        }
                    }
                    await gate.waitForArrivals(3)
                    await self.expectShortage(database)
                    gate.open()
                    for try await error in group { #expect(error == nil) }
                }
                #expect(try await database.scalar("SELECT 1::int8", as: Int.self) == 1)
                try await untilNothingIsLent(database)
            }
        }

        private func expectShortage(_ database: Database) async {
            await withTaskGroup(of: (any Error)?.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        await failure {
                            if number % 2 == 0 {
                                _ = try await database.rows("SELECT 1")
                            } else {
                                try await database.read { _ in }
                            }
                        }
                    }
                }
                for await error in group {
                    let error = error as? SQLError
                    #expect(error?.kind == .pool)
                    #expect(error?.message.contains("0 idle, 3 lent, 0 connecting") == true, "\(error?.message ?? "")")
                    #expect(error?.message.contains("oldest lease") == true)
                    #expect(error?.message.contains("by database.transaction") == true, "\(error?.message ?? "")")
                    #expect(error?.message.contains("hint") == false)
                }
            }
        }

        @Test("tells a transaction that waits for itself what it does wrong")
        func nested() async throws {
            var pool = self.pool
            (pool.size, pool.overflow) = (1, 0)
            try await withPostgres(pool: pool) { database in
                let error = await failure {
                    try await database.withTransaction { _ in
                        try await database.withTransaction { _ in }
                    }
                }
                #expect((error as? SQLError)?.kind == .pool)
                let message = (error as? SQLError)?.message ?? ""
                #expect(message.contains("hint: this operation holds 1 connection(s) already"), "\(message)")
                try await untilNothingIsLent(database)
            }
        }
    }
}
