// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("A server that goes and comes back")
    struct RestartTests {
        /// Opens every connection the pool may keep.
        private func fill(_ database: Database) async throws {
            let gate = Gate()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { try await database.read { _ in try await gate.pass() } } }
                await gate.waitForArrivals(4)
                gate.open()
                try await group.waitForAll()
            }
            try await untilNothingIsLent(database)
        }

        /// Runs statements and transactions at once, none of which may fail.
        private func use(_ database: Database) async throws {
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<50 {
                    group.addTask { try await database.scalar("SELECT \(number)::int8") - number }
                    group.addTask { try await database.read { try await $0.scalar("SELECT \(number)::int8") } - number }
                }
                for try await difference in group { #expect(difference == 0) }
            }
        }

        @Test("an idle pool does not show that the server was restarted", arguments: [true, false])
        func restart(isPinging: Bool) async throws {
            try await PrivatePostgres.run { server in
                let pool = PoolSettings(size: 4, overflow: 0, pingAfterIdle: isPinging ? .zero : .seconds(60))
                try await withDatabase(server.url(), pool: pool) { database in
                    for isKilled in [true, false] {
                        try await self.fill(database)
                        if isKilled { await server.kill() } else { await server.stop() }
                        try await server.start()
                        try await self.use(database)
                    }
                }
            }
        }

        @Test("calls wait for a server that is down, and those whose deadline comes first say so")
        func down() async throws {
            try await PrivatePostgres.run { server in
                let pool = PoolSettings(size: 4, overflow: 0, maximumConnectBackoff: .milliseconds(100))
                try await withDatabase(server.url(), pool: pool) { database in
                    await server.kill()
                    let error = await failure {
                        _ = try await withOperation("impatient", limit: .milliseconds(300)) { _ in
                            try await database.rows("SELECT 1")
                        }
                    }
                    #expect(
                        error is TimeoutError || (error as? SQLError)?.kind == .pool, "\(String(describing: error))")
                    async let answer: Int = database.scalar("SELECT 7::int8")
                    try await server.start()
                    #expect(try await answer == 7)
                }
            }
        }

        @Test(
            "a server that halts holds nobody beyond the deadline and the grace, and is used again when it goes on",
            arguments: [true, false])
        func frozen(isExclusive: Bool) async throws {
            try await PrivatePostgres.run { server in
                try await withDatabase(server.url(), pool: PoolSettings(size: 4, overflow: 0)) { database in
                    try await self.fill(database)
                    server.freeze()
                    await withTaskGroup(of: Bool.self) { group in
                        for number in 0..<8 {
                            group.addTask {
                                let error = await failure {
                                    try await withOperation("impatient", limit: .milliseconds(300)) { _ in
                                        if (number < 4) != isExclusive {
                                            _ = try await database.rows("SELECT 1")
                                        } else {
                                            try await database.read { _ = try await $0.rows("SELECT 1") }
                                        }
                                    }
                                }
                                return error != nil
                            }
                        }
                        for await hasFailed in group { #expect(hasFailed) }
                    }
                    server.thaw()
                    try await self.use(database)
                    try await untilNothingIsLent(database)
                }
            }
        }
    }
}
