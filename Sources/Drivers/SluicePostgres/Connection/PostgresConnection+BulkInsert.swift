// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

extension PostgresConnection {
    /// Inserts rows by `COPY`.
    func bulkInsert<Rows: AsyncSequence>(
        into table: SQLIdentifier, columns: [SQLIdentifier], _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue] {
        try await self.copyIn(into: table, columns: columns, rows)
    }
}
