// SPDX-License-Identifier: Apache-2.0
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

@Suite("PostgreSQL keeps the contract of all engines", .timeLimit(.minutes(5)))
struct PostgresContractTests {
    @Test("on a server", arguments: SQLContract.checks(for: .postgres))
    func server(check: SQLContract.Check) async throws {
        try await withPostgres { database in try await check.run(on: database, .postgres) }
    }
}
