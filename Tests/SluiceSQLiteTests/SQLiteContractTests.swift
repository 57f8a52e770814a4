// SPDX-License-Identifier: Apache-2.0
import SluiceSQL
import SluiceSQLite
import SluiceTesting
import Testing

@Suite("SQLite keeps the contract of all engines", .timeLimit(.minutes(5)))
struct SQLiteContractTests {
    @Test("in a file", arguments: SQLContract.checks(for: .sqlite))
    func file(check: SQLContract.Check) async throws {
        try await withDatabase { database, _ in try await check.run(on: database, .sqlite) }
    }

    @Test("in memory", arguments: SQLContract.checks(for: .sqlite))
    func memory(check: SQLContract.Check) async throws {
        let database = try await Database.open("sqlite::memory:", drivers: [SQLiteDriver.self])
        do {
            try await check.run(on: database, .sqlite)
        } catch {
            await database.close()
            throw error
        }
        await database.close()
    }
}
