// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("An answer that is lost")
    struct LostAnswerTests {
        @Test(
            "a commit whose answer is lost is unknown, whether it took effect or not, and is not repeated",
            arguments: [FaultProxy.Direction.toClient, .toUpstream])
        func lostAnswer(direction: FaultProxy.Direction) async throws {
            try await withProxy { database, proxy in
                try await withTable(database, "id int") { table in
                    let runs = Locked(0)
                    let error = await failure {
                        try await database.withTransaction { transaction in
                            runs.withLock { $0 += 1 }
                            _ = try await transaction.execute("INSERT INTO \(table) VALUES (1)")
                            proxy.set(.cut(afterBytes: 0, direction))
                        }
                    }
                    #expect((error as? SQLError)?.kind == .outcomeUnknown)
                    proxy.set(.pass)
                    #expect(runs.withLock { $0 } == 1)
                    let count: Int = try await database.scalar("SELECT count(*) FROM \(table)")
                    #expect(count == (direction == .toClient ? 1 : 0))
                }
            }
        }

        @Test("a statement whose answer is lost is not repeated if it may have changed something")
        func lostStatement() async throws {
            // Nothing but the statement uses the line.
            let pool = PoolSettings(size: 1, overflow: 0, pingAfterIdle: .seconds(3_600))
            try await withProxy(pool: pool) { database, proxy in
                try await withTable(database, "id int") { table in
                    // Once before, so that it is prepared where it is run again.
                    let insert: SQLQuery = "INSERT INTO \(table) VALUES (1)"
                    _ = try await database.execute(insert)
                    proxy.set(.cut(afterBytes: 0, .toClient))
                    let error = await failure { _ = try await database.execute(insert) }
                    proxy.set(.pass)
                    #expect((error as? SQLError)?.kind == .connection)
                    #expect((error as? SQLError)?.hasRun == nil)
                    #expect(try await database.scalar("SELECT count(*) FROM \(table)", as: Int.self) == 2)
                }
            }
        }
    }
}
