// SPDX-License-Identifier: Apache-2.0
import CPQ
import SluiceSQL
import Synchronization

extension PostgresConnection {
    /// By a cursor of the server's: libpq would hold a whole result, or make an object of each row.
    func forEachBatch(
        of size: Int, _ query: SQLQuery, _ body: (SQLRows) async throws -> Void
    ) async throws {
        // By how deep it lies in others, so that there are few texts to prepare.
        let number = self.state.withLock { state in
            state.cursorCount += 1
            return state.cursorCount
        }
        defer { self.state.withLock { $0.cursorCount -= 1 } }
        let cursor = try SQLIdentifier("sluice_rows_\(number)")
        _ = try await self.execute("DECLARE \(cursor) NO SCROLL CURSOR FOR \(query)")
        do {
            while true {
                let rows = try await self.fetch(size, from: cursor)
                if !rows.isEmpty { try await body(rows) }
                if rows.count < size { break }
            }
        } catch {
            // The transaction may go on. Where it has failed the server refuses, and the cursor ends with it.
            if !Task.isCancelled { _ = try? await self.execute("CLOSE \(cursor)") }
            throw error
        }
        _ = try await self.execute("CLOSE \(cursor)")
    }

    /// Not prepared, since what comes depends on the cursor.
    private func fetch(_ count: Int, from cursor: SQLIdentifier) async throws -> SQLRows {
        let request = PostgresRequest()
        try await self.ask(request) { _ in self.sendPlain("FETCH FORWARD \(count) FROM \(cursor.quoted)") }
        let result = try request.take()
        return SQLRows(PostgresRows(result, PostgresColumns(result)))
    }
}
