// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("A network that fails")
    struct NetworkTests {

        /// What is asked while the connection is cut: between them every kind of message that a server sends.
        private static let questions: [(query: SQLQuery, answer: String)] = [
            ("SELECT 'right' AS answer, repeat('x', 40) AS filler", "right"),
            ("SELECT CASE WHEN i = 3 THEN 'right' ELSE NULL END FROM generate_series(3, 5) AS i", "right"),
            ("SELECT coalesce(set_config('application_name', 'right', false), '') AS told", "right"),
            ("SELECT 'right', pg_notify('cut', 'note')", "right"),
            ("SELECT 1 / (length('right') - 5)", "22012"),
        ]

        /// One connection, which nothing but the statement uses.
        private static let single = PoolSettings(size: 1, overflow: 0, pingAfterIdle: .seconds(3_600))

        @Test(
            "a connection that is cut anywhere gives an error or the right answer", arguments: questions.indices,
            [FaultProxy.Direction.toClient, .toUpstream])
        func cut(question: Int, direction: FaultProxy.Direction) async throws {
            let (query, answer) = Self.questions[question]
            try await withProxy(pool: Self.single) { database, proxy in
                var (losses, answers) = (0, 0)
                // The longest exchange is the first on a connection, which also prepares: some 300 bytes each way. Every
                // third place, each question having every fifth of those.
                for count in stride(from: question * 3, through: 330, by: 15) {
                    // Every other time on a connection where the statement has been prepared already.
                    if count % 2 == 0 { _ = await failure { _ = try await database.rows(query) } }
                    proxy.set(
                        .cut(afterBytes: count, direction, by: count % 4 < 2 ? .close : .reset), for: .openConnections)
                    do {
                        let value = try await database.execute(query).rows[0][0]
                        #expect(value == .text(answer))
                        answers += 1
                    } catch let error as SQLError where error.kind == .connection {
                        losses += 1
                    } catch let error as SQLError {
                        #expect(error.sqlState == answer, "\(error)")
                        answers += 1
                    }
                    proxy.set(.pass)
                    #expect(try await database.scalar("SELECT \(count)::int8", as: Int.self) == count)
                }
                #expect(losses > 0)
                #expect(answers > 0)
                try await untilNothingIsLent(database)
            }
        }

        @Test(
            "a server that says no more, but still listens, has lost the connection: what only reads is repeated on another"
        )
        func halfClosed() async throws {
            try await withProxy(pool: Self.single) { database, proxy in
                try await withTable(database, "id int") { table in
                    proxy.set(.halfClose, for: .openConnections)
                    #expect(try await database.scalar("SELECT 1::int8", as: Int.self) == 1)
                    proxy.set(.halfClose, for: .openConnections)
                    let error = await failure {
                        _ = try await database.driver.execute("INSERT INTO \(table) VALUES (1)", .write)
                    }
                    #expect((error as? SQLError)?.kind == .connection)
                    #expect(try await database.scalar("SELECT count(*) FROM \(table)", as: Int.self) <= 1)
                    try await untilNothingIsLent(database)
                }
            }
        }

        @Test(
            "a connection that is cut while it is made fails, or is whole",
            arguments: [FaultProxy.Direction.toClient, .toUpstream])
        func cutWhileConnecting(direction: FaultProxy.Direction) async throws {
            try await withProxy { database, proxy in
                let driver = try #require(database.postgres)
                var (losses, successes) = (0, 0)
                for count in stride(from: 0, through: 640, by: 16) {
                    proxy.set(.cut(afterBytes: count, direction))
                    do {
                        try await driver.withNotifications(from: ["cut"]) { _ in }
                        successes += 1
                    } catch let error as SQLError {
                        #expect(error.kind == .connection, "\(error)")
                        losses += 1
                    }
                }
                #expect(losses > 0)
                #expect(successes > 0)
                proxy.set(.pass)
                #expect(try await database.scalar("SELECT 1::int8", as: Int.self) == 1)
            }
        }

        @Test(
            "a transaction that is cut anywhere is repeated whole, or of unknown outcome",
            arguments: [FaultProxy.Direction.toClient, .toUpstream])
        func cutTransaction(direction: FaultProxy.Direction) async throws {
            try await withProxy(pool: Self.single) { database, proxy in
                try await withTable(database, "id int") { table in
                    var (known, unknown) = (0, 0)
                    for count in stride(from: 0, through: 400, by: 16) {
                        do {
                            try await database.withTransaction { transaction in
                                if transaction.attempt == 1 {
                                    proxy.set(.cut(afterBytes: count, direction), for: .openConnections)
                                }
                                _ = try await transaction.execute("INSERT INTO \(table) VALUES (\(count))")
                                _ = try await transaction.execute("INSERT INTO \(table) VALUES (\(count))")
                            }
                            known += 1
                        } catch let error as SQLError where error.kind == .outcomeUnknown {
                            unknown += 1
                        }
                        proxy.set(.pass)
                        let rows: Int = try await database.scalar("SELECT count(*) FROM \(table) WHERE id = \(count)")
                        #expect(rows == 2 || rows == 0)
                        _ = try await database.execute("DELETE FROM \(table)")
                    }
                    #expect(known > 0)
                    #expect(unknown > 0)
                }
            }
        }
    }
}
