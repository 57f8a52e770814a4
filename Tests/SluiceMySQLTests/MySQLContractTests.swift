// SPDX-License-Identifier: Apache-2.0
import SluiceMySQL
import SluiceSQL
import SluiceTesting
import Testing

@Suite("MariaDB keeps the contract of all engines", .timeLimit(.minutes(5)))
struct MySQLContractTests {
    @Test("on a server", arguments: SQLContract.checks(for: .mysql))
    func server(check: SQLContract.Check) async throws {
        try await withDatabase { database, _ in try await check.run(on: database, .mysql) }
    }
}
