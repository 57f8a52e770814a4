// SPDX-License-Identifier: Apache-2.0
import CMariaDB
import SluiceSQL

/// A statement whose rows the server keeps and hands over some at a time; used on its connection's thread only.
///
/// A server's cursor and not an unbuffered read: between two batches the connection is free for other statements, a borrower who
/// takes an hour over a batch keeps the server waiting for nothing (an unbuffered read is ended after `net_write_timeout`, 60 s),
/// and leaving early costs one message that has no answer instead of the rest of the rows.
final class MySQLCursor {
    /// Nil if there is no cursor.
    private let statement: MySQLStatement?
    private let batch: Int
    private var columns: MySQLColumns?
    /// What is left of a result of which the server gave all, since it opens cursors for some queries only.
    private var whole: SQLRows?

    /// Hands a result over that is here already.
    init(_ whole: SQLRows, batch: Int) {
        self.statement = nil
        self.whole = whole
        self.batch = batch
    }

    /// Runs a prepared query, whose values are bound.
    ///
    /// - Parameter batch: How many rows the server hands over at a time; at least 1.
    init(_ statement: MySQLStatement, on connection: UnsafeMutablePointer<MYSQL>, batch: Int) throws(SQLError) {
        self.statement = statement
        self.batch = batch
        let pointer = statement.pointer
        withUnsafePointer(to: UInt(CURSOR_TYPE_READ_ONLY.rawValue)) {
            _ = mysql_stmt_attr_set(pointer, STMT_ATTR_CURSOR_TYPE, $0)
        }
        withUnsafePointer(to: UInt(batch)) { _ = mysql_stmt_attr_set(pointer, STMT_ATTR_PREFETCH_ROWS, $0) }
        guard mysql_stmt_execute(pointer) == 0 else { throw statement.error() }
        guard pointer.pointee.field_count > 0, let fields = pointer.pointee.fields else {
            self.whole = SQLRows.none
            return
        }
        let columns = MySQLColumns(UnsafeBufferPointer(start: fields, count: Int(pointer.pointee.field_count)))
        guard pointer.pointee.cursor_exists == 0 else {
            self.columns = columns
            return
        }
        // The library has taken the whole result in, and yet believes that it is still to come: it would wait for it.
        connection.pointee.status = MYSQL_STATUS_READY
        defer { mysql_stmt_free_result(pointer) }
        self.whole = SQLRows(try MySQLRows(pointer.pointee.result, columns))
    }

    /// The next rows, at most as many as a batch has; nil after the last.
    func next() throws(SQLError) -> SQLRows? {
        guard let columns = self.columns, let statement = self.statement else { return self.nextOfWhole() }
        let pointer = statement.pointer
        // Asks the server for a batch; the first row of it is also put where nobody looks, since no columns are bound.
        switch mysql_stmt_fetch(pointer) {
        case 0: break
        case MYSQL_NO_DATA: return nil
        default: throw statement.error()
        }
        let rows = try MySQLRows(pointer.pointee.result, columns)
        // All of the batch is taken, so the library has to ask for the next.
        pointer.pointee.result_cursor = nil
        return SQLRows(rows)
    }

    private func nextOfWhole() -> SQLRows? {
        guard let rows = self.whole, !rows.isEmpty else { return nil }
        let count = min(self.batch, rows.count)
        self.whole = rows.part(count..<rows.count)
        return rows.part(0..<count)
    }
}
