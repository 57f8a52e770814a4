// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

extension PostgresConnection {
    /// By a cursor of the server's: libpq would hold a whole result, or make an object of each row.
    func forEachBatch(
        of size: Int, _ query: SQLQuery, _ body: (SQLRows) async throws -> Void
    ) async throws {
        _ = try await self.execute("DECLARE sluice_rows NO SCROLL CURSOR FOR \(query)")
        let fetch = SQLQuery(stringLiteral: "FETCH FORWARD \(size) FROM sluice_rows")
        defer { self.forget(fetch) }
        while true {
            let rows = try await self.execute(fetch).rows
            if !rows.isEmpty { try await body(rows) }
            if rows.count < size { break }
        }
        _ = try await self.execute("CLOSE sluice_rows")
    }
}
