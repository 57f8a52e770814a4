// SPDX-License-Identifier: Apache-2.0
import Sluice
public import SluiceSQL

extension MySQLConnection {
    /// Inserts many rows, all or none of them, in as few round trips as the server's limits allow.
    ///
    /// MariaDB takes the rows as arrays of values for one prepared statement; MySQL, which cannot, statements of many rows.
    ///
    /// - Parameters:
    ///   - table: Where they go.
    ///   - columns: Which columns they have, at least one.
    ///   - rows: As many values each as there are columns.
    /// - Returns: How many rows were inserted.
    /// - Throws: ``SQLError``; of kind `statement` if a row has another number of values.
    public func bulkInsert(
        into table: SQLIdentifier, columns: [SQLIdentifier], rows: [[SQLValue]]
    ) async throws -> Int {
        let insertion = MySQLInsertion(table: table, columns: columns)
        return try await self.bulkInsert(insertion, rows, asArrays: self.isMariaDB)
    }

    /// Inserts rows as they come, piece by piece.
    public func bulkInsert<Rows: AsyncSequence>(
        into table: SQLIdentifier, columns: [SQLIdentifier], _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue] {
        try await RowChunk.forEach(of: rows, columnCount: columns.count) { chunk in
            _ = try await self.bulkInsert(into: table, columns: columns, rows: chunk)
        }
    }

    /// - Parameter asArrays: Whether the rows are sent as arrays and not as statements of many rows.
    func bulkInsert(_ insertion: MySQLInsertion, _ rows: [[SQLValue]], asArrays: Bool) async throws -> Int {
        guard !insertion.columns.isEmpty, rows.allSatisfy({ $0.count == insertion.columns.count }) else {
            throw SQLError(.statement, message: "every row must have a value for each column", hasRun: false)
        }
        guard !rows.isEmpty else { return 0 }
        return try await self.run { session throws(SQLError) in
            try session.atomically { () throws(SQLError) in
                var count = 0
                for part in insertion.parts(rows, maximumSize: session.handle.maximumPacketSize, asArrays: asArrays) {
                    count +=
                        asArrays
                        ? try session.handle.insertArrays(insertion, rows[part])
                        : try session.handle.execute(insertion.statement(rows[part]), once: true).changeCount
                }
                return count
            }
        }
    }
}

/// Where the rows of a bulk insert go, and how they are divided into statements.
struct MySQLInsertion: Sendable {
    /// How many values a prepared statement may have: a 16-bit number in the protocol.
    private static let maximumValues = 65_535
    /// How large one part is at most: 4 MiB, beyond which larger packets gain nothing and cost memory on both sides.
    private static let maximumPartSize = 4 << 20

    let table: SQLIdentifier
    let columns: [SQLIdentifier]

    private var head: String {
        "INSERT INTO \(self.table.quoted) (\(self.columns.map(\.quoted).joined(separator: ", "))) VALUES "
    }

    /// The statement for one row, with a parameter for each column.
    var text: String { "\(self.head)(\(self.columns.map { _ in "?" }.joined(separator: ", ")))" }

    /// One statement with the values of many rows.
    func statement(_ rows: ArraySlice<[SQLValue]>) -> SQLQuery {
        var query = SQLQuery.StringInterpolation(
            literalCapacity: 0, interpolationCount: rows.count * self.columns.count)
        query.appendLiteral(self.head)
        for (number, row) in rows.enumerated() {
            query.appendLiteral(number == 0 ? "(" : "), (")
            for (column, value) in row.enumerated() {
                if column > 0 { query.appendLiteral(", ") }
                query.appendInterpolation(MySQLRawValue(sqlValue: value))
            }
        }
        query.appendLiteral(")")
        return SQLQuery(stringInterpolation: query)
    }

    /// Divides rows so that no part is larger than the server takes.
    func parts(_ rows: [[SQLValue]], maximumSize: Int, asArrays: Bool) -> [Range<Int>] {
        let maximumSize = min(maximumSize / 2, Self.maximumPartSize)
        let maximumRows = asArrays ? Int.max : max(1, Self.maximumValues / self.columns.count)
        var parts: [Range<Int>] = []
        var (start, size) = (0, 0)
        for (index, row) in rows.enumerated() {
            let more = row.reduce(0) { $0 + MySQLParameters.size(of: $1) + 24 }
            if index > start, size + more > maximumSize || index - start == maximumRows {
                parts.append(start..<index)
                (start, size) = (index, 0)
            }
            size += more
        }
        parts.append(start..<rows.count)
        return parts
    }
}

/// A value as it is.
private struct MySQLRawValue: SQLConvertible {
    let sqlValue: SQLValue

    init(sqlValue: SQLValue) { self.sqlValue = sqlValue }
}

extension MySQLSession {
    /// Runs `work` so that all of it takes effect or nothing: as a transaction, or inside the one that is open.
    func atomically<Value>(_ work: () throws(SQLError) -> Value) throws(SQLError) -> Value {
        let isNested = self.hasTransaction
        if isNested { try self.command("SAVEPOINT sluice_bulk") } else { try self.begin(.write) }
        do throws(SQLError) {
            let value = try work()
            if isNested { try self.command("RELEASE SAVEPOINT sluice_bulk") } else { try self.commit() }
            return value
        } catch {
            let error = self.noted(error)
            // The first error is the one to report; after a deadlock there is nothing left to undo.
            do throws(SQLError) {
                if isNested { try self.command("ROLLBACK TO SAVEPOINT sluice_bulk") } else { try self.rollback() }
            } catch {}
            throw error
        }
    }
}
