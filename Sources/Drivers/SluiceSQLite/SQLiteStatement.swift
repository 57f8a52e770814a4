// SPDX-License-Identifier: Apache-2.0
import CSQLite
import SluiceSQL

/// A prepared statement that is kept, and its columns' names, which are found out once.
final class SQLiteStatement {
    /// How many of SQLite's instructions a statement may take on the thread of whoever asks: some 100 µs of work, where a row
    /// by its key takes 30 and a hop to another thread and back as long as 1,000.
    static let quickInstructions: Int32 = 10_000

    let pointer: OpaquePointer
    private let onlyReads: Bool
    /// Whether its last run took more than that.
    var wasSlow = false
    private var known: (columns: SQLColumns, preparations: Int32)?

    /// Takes the statement over.
    init(_ pointer: OpaquePointer) {
        self.pointer = pointer
        self.onlyReads = sqlite3_stmt_readonly(pointer) != 0
    }

    /// Whether it may be run, and run again elsewhere if it takes too long.
    var mayBeQuick: Bool { self.onlyReads && !self.wasSlow }

    /// Has SQLite count its instructions from 0.
    func begin() { sqlite3_stmt_status(self.pointer, SQLITE_STMTSTATUS_VM_STEP, 1) }

    /// Takes note of how many instructions a run has taken.
    func noteEnd() {
        self.wasSlow = sqlite3_stmt_status(self.pointer, SQLITE_STMTSTATUS_VM_STEP, 0) > Self.quickInstructions
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
