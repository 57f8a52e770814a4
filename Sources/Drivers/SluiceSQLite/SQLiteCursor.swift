// SPDX-License-Identifier: Apache-2.0
import CSQLite
import SluiceSQL

/// A statement that is read row by row.
///
/// Unchecked, because a statement is a C pointer; it is touched on its connection's thread alone.
final class SQLiteCursor: @unchecked Sendable {
    private let connection: OpaquePointer
    private var statement: OpaquePointer?
    private let columns: SQLColumns
    private var isAtEnd = false

    /// Takes over a statement with its values bound.
    init(_ statement: OpaquePointer, on connection: OpaquePointer) {
        self.connection = connection
        self.statement = statement
        self.columns = SQLColumns(SQLiteHandle.columnNames(statement))
    }

    /// At most so many more rows; fewer only at the end.
    func next(_ count: Int) throws(SQLError) -> SQLRows {
        var values: [SQLValue] = []
        var rowCount = 0
        while rowCount < count, !self.isAtEnd, let statement = self.statement {
            switch sqlite3_step(statement) {
            case SQLITE_DONE: self.isAtEnd = true
            case SQLITE_ROW:
                rowCount += 1
                SQLiteHandle.appendValues(of: statement, to: &values)
            case let status:
                throw SQLError(sqlite: status, message: String(cString: sqlite3_errmsg(self.connection)))
            }
        }
        return SQLRows(SQLValues(columns: self.columns, rowCount: rowCount, values: values))
    }

    /// Ends the statement.
    func close() {
        sqlite3_finalize(self.statement)
        self.statement = nil
    }
}
