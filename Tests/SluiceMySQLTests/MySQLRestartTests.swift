// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("A server that goes and comes back")
    struct RestartTests {
        @Test("an idle pool does not show that the server was restarted", arguments: [true, false])
        func restart(isPinging: Bool) async throws {
            try await PrivateMariaDB.run { server in
                let pool = PoolSettings(size: 4, overflow: 0, pingAfterIdle: isPinging ? .zero : .seconds(60))
                try await withDatabase(at: server.url(), pool: pool) { database in
                    for isKilled in [true, false] {
                        try await fill(database)
                        if isKilled { await server.kill() } else { await server.stop() }
                        try await server.start()
                        try await use(database)
                    }
                }
            }
        }

        @Test("calls wait for a server that is down, and those whose deadline comes first say so")
        func down() async throws {
            try await PrivateMariaDB.run { server in
                let pool = PoolSettings(size: 4, overflow: 0, maximumConnectBackoff: .milliseconds(100))
                try await withDatabase(at: server.url(), pool: pool) { database in
                    await server.kill()
                    let error = await failure {
                        _ = try await withOperation("impatient", limit: .milliseconds(300)) { _ in
                            try await database.rows("SELECT 1")
                        }
                    }
                    #expect(
                        error is TimeoutError || (error as? SQLError)?.kind == .pool, "\(String(describing: error))")
                    async let answer: Int = database.scalar("SELECT 7")
                    try await server.start()
                    #expect(try await answer == 7)
                }
            }
        }

        @Test("a server that halts fails everybody who has a deadline, and is used again when it goes on")
        func frozen() async throws {
            try await PrivateMariaDB.run { server in
                try await withDatabase(at: server.url(), pool: PoolSettings(size: 4, overflow: 0)) { database in
                    try await fill(database)
                    await server.freeze()
                    await Self.expectFailures(database)
                    server.thaw()
                    try await use(database)
                    try await untilNothingIsLent(database)
                }
            }
        }

        /// Runs as many statements as there are connections, and as many transactions, with little time: all of them fail.
        static func expectFailures(_ database: Database) async {
            await withTaskGroup(of: Bool.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        let error = await failure {
                            try await withOperation("impatient", limit: .milliseconds(300)) { _ in
                                if number % 2 == 0 {
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
        }
    }

    @Suite("A network that fails")
    struct NetworkTests {
        @Test("a network that has gone silent holds nobody for ever, and is used again when it is back")
        func silent() async throws {
            try await withProxy(pool: PoolSettings(size: 4, overflow: 0)) { database, _, proxy in
                try await fill(database)
                proxy.set(.blackhole)
                await RestartTests.expectFailures(database)
                proxy.set(.pass)
                try await use(database)
                try await untilNothingIsLent(database)
            }
        }

        @Test(
            "a server that says no more, but still listens, has lost the connection: what only reads is repeated on another"
        )
        func halfClosed() async throws {
            try await withProxy(pool: PoolSettings(size: 1, overflow: 0)) { database, _, proxy in
                _ = try await database.execute("CREATE TABLE half (i INT)")
                proxy.set(.halfClose, for: .openConnections)
                #expect(try await database.scalar("SELECT 1", as: Int.self) == 1)
                proxy.set(.halfClose, for: .openConnections)
                let error = await failure {
                    _ = try await database.driver.execute("INSERT INTO half VALUES (1)", .write)
                }
                #expect((error as? SQLError)?.kind == .connection)
                #expect(try await database.scalar("SELECT count(*) FROM half", as: Int.self) <= 1)
                try await untilNothingIsLent(database)
            }
        }

        @Test(
            "a connection that is cut anywhere gives an error or the right answer",
            arguments: [
                "SELECT 'right', repeat('x', 40)", "SELECT CASE seq WHEN 3 THEN 'right' END FROM seq_3_to_5",
                "KILL 4294967295",
            ],
            [FaultProxy.Direction.toClient, .toUpstream])
        func cut(text: String, direction: FaultProxy.Direction) async throws {
            let query = SQLQuery(stringLiteral: text)
            let pool = PoolSettings(size: 1, overflow: 0, maximumConnectBackoff: .milliseconds(100))
            try await withProxy(pool: pool) { database, _, proxy in
                var (losses, answers) = (0, 0)
                for count in stride(from: 0, through: 240, by: 4) {
                    do {
                        // Not through the database, which would repeat what has not run for as long as the way is cut.
                        let value = try await database.driver.withConnection(.read) { connection in
                            // Every other time on a connection where the statement has been prepared already.
                            if count % 8 == 0 { _ = await failure { _ = try await connection.execute(query) } }
                            proxy.set(.cut(afterBytes: count, direction, by: count % 16 < 8 ? .close : .reset))
                            return try await connection.execute(query).rows[0][0]
                        }
                        #expect(value == .text("right"))
                        answers += 1
                    } catch let error as SQLError where error.kind == .connection {
                        losses += 1
                    } catch let error as SQLError {
                        // No such thread.
                        #expect(error.engineCode == 1094, "\(error)")
                        answers += 1
                    }
                    proxy.set(.pass)
                    #expect(try await database.scalar("SELECT \(count)", as: Int.self) == count)
                }
                #expect(losses > 0)
                #expect(answers > 0)
                try await untilNothingIsLent(database)
            }
        }
    }
}
