// SPDX-License-Identifier: Apache-2.0
import CMariaDB
import SluiceSQL

/// A prepared statement; used on its connection's thread only.
final class MySQLStatement {
    let pointer: UnsafeMutablePointer<MYSQL_STMT>
    /// How many values it wants.
    let parameterCount: Int
    /// Whether its session is not to be anybody else's afterwards.
    let marksSession: Bool
    private let connection: UnsafeMutablePointer<MYSQL>
    private var columns: MySQLColumns?
    /// Whether a table was changed since it was prepared, so that the library's names of the columns are no longer true.
    private(set) var isStale = false

    /// Prepares `text`.
    ///
    /// - Throws: ``SQLError``; nothing has run.
    init(
        _ text: String, on connection: UnsafeMutablePointer<MYSQL>, marksSession: Bool = false
    ) throws(SQLError) {
        guard let pointer = mysql_stmt_init(connection) else {
            throw SQLError(.storage, message: "no memory for a statement", hasRun: false)
        }
        var text = text
        let status = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { mysql_stmt_prepare(pointer, $0.baseAddress, UInt($0.count)) }
        }
        self.marksSession = marksSession
        self.pointer = pointer
        self.connection = connection
        self.parameterCount = Int(mysql_stmt_param_count(pointer))
        if status != 0 { throw self.error(hasRun: false) }
    }

    deinit { mysql_stmt_close(self.pointer) }

    /// Runs the statement with the values that were bound, and takes what it answers.
    func execute() throws(SQLError) -> SQLResult {
        if mysql_stmt_execute(self.pointer) != 0 {
            // The number of columns has changed: it has run, and its rows wait to be read.
            guard mysql_stmt_errno(self.pointer) == CR_NEW_STMT_METADATA else { throw self.error() }
            self.pointer.pointee.last_errno = 0
            self.isStale = true
        }
        let count = Int(self.connection.pointee.field_count)
        guard count > 0 else {
            let insertedID = Int64(exactly: mysql_stmt_insert_id(self.pointer))
            return SQLResult(
                rows: .none, changeCount: Int(exactly: mysql_stmt_affected_rows(self.pointer)) ?? 0,
                insertedID: insertedID == 0 ? nil : insertedID)
        }
        // Of a statement with rows the server does not say how many it changed, nor which key it made.
        return SQLResult(rows: try self.takeRows(count), changeCount: 0)
    }

    private func takeRows(_ count: Int) throws(SQLError) -> SQLRows {
        let columns = self.columns(UnsafeBufferPointer(start: self.connection.pointee.fields, count: count))
        guard mysql_stmt_store_result(self.pointer) == 0 else { throw self.error() }
        // Freed here too: what a large result took must not be kept until the statement runs again.
        defer { mysql_stmt_free_result(self.pointer) }
        let rows = try MySQLRows(self.pointer.pointee.result, columns)
        try self.skipFurtherResults()
        return SQLRows(rows)
    }

    /// A procedure may give several results, of which the first counts.
    private func skipFurtherResults() throws(SQLError) {
        while mysql_stmt_more_results(self.pointer) != 0 {
            guard mysql_stmt_next_result(self.pointer) <= 0 else { throw self.error() }
            self.isStale = true
            if self.connection.pointee.field_count > 0, mysql_stmt_store_result(self.pointer) != 0 {
                throw self.error()
            }
        }
    }

    private func columns(_ fields: UnsafeBufferPointer<MYSQL_FIELD>) -> MySQLColumns {
        if !self.isStale, let known = self.columns, let prepared = self.pointer.pointee.fields,
            known.match(fields, prepared: prepared)
        {
            return known
        }
        if self.columns != nil { self.isStale = true }
        let columns = MySQLColumns(fields)
        self.columns = columns
        return columns
    }

    func error(hasRun: Bool? = nil) -> SQLError {
        SQLError(
            mySQL: Int(mysql_stmt_errno(self.pointer)), sqlState: String(cString: mysql_stmt_sqlstate(self.pointer)),
            message: String(cString: mysql_stmt_error(self.pointer)), hasRun: hasRun)
    }
}
