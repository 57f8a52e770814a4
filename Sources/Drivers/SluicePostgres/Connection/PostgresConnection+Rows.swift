// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

extension PostgresConnection {
    /// By a cursor of the server's: libpq would hold a whole result, or make an object of each row.
    func forEachBatch(
        of size: Int, _ query: SQLQuery, _ body: (SQLRows) async throws -> Void
    ) async throws {
        _ = try await self.execute("DECLARE sluice_rows NO SCROLL CURSOR FOR \(query)")
        while true {
            let rows = try await self.fetch(size)
            if !rows.isEmpty { try await body(rows) }
            if rows.count < size { break }
        }
        _ = try await self.execute("CLOSE sluice_rows")
    }

    /// Not prepared, since what comes depends on the cursor.
    private func fetch(_ count: Int) async throws -> SQLRows {
        let request = PostgresRequest()
        try await self.ask(request) { _ in self.sendPlain("FETCH FORWARD \(count) FROM sluice_rows") }
        let result = try request.take()
        return SQLRows(PostgresRows(result, PostgresColumns(result)))
    }
}
