// SPDX-License-Identifier: Apache-2.0
import CSQLite
import SluiceSQL

/// A prepared statement that is kept, and its columns' names, which are found out once.
final class SQLiteStatement {
    let pointer: OpaquePointer
    private var known: (columns: SQLColumns, preparations: Int32)?

    /// Takes the statement over.
    init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit { sqlite3_finalize(self.pointer) }

    /// The columns; SQLite prepares a statement anew when a table was changed, and then they may be others.
    var columns: SQLColumns {
        let preparations = sqlite3_stmt_status(self.pointer, SQLITE_STMTSTATUS_REPREPARE, 0)
        if let known = self.known, known.preparations == preparations { return known.columns }
        let columns = SQLColumns(SQLiteHandle.columnNames(self.pointer))
        self.known = (columns, preparations)
        return columns
    }
}
