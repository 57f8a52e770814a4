// SPDX-License-Identifier: Apache-2.0
import CSQLite
import SluiceSQL

/// An open SQLite connection, used on one thread at a time; knows C and nothing of concurrency.
struct SQLiteHandle: ~Copyable {
    /// How many prepared statements are kept: what an app's repositories use, with room.
    private static let statementLimit = 100

    private static let busyMilliseconds: Int32 = 20

    let pointer: OpaquePointer
    /// By the text's pieces.
    private var statements: [[String]: SQLiteStatement] = [:]

    private init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }

    static func open(path: String, isReader: Bool) throws(SQLError) -> SQLiteHandle {
        var pointer: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let status = sqlite3_open_v2(path, &pointer, flags, nil)
        guard status == SQLITE_OK, let pointer else {
            let error = SQLError(sqlite: status, message: pointer.map { String(cString: sqlite3_errmsg($0)) })
            sqlite3_close(pointer)
            throw error
        }
        var handle = SQLiteHandle(pointer)
        guard sluice_sqlite3_refuse_quoted_text(pointer) == SQLITE_OK else {
            throw SQLError(.connection, message: "SQLite is older than 3.29")
        }
        // Short, since the thread sleeps through it: longer waits are the retry's, which can be cancelled.
        sqlite3_busy_timeout(pointer, Self.busyMilliseconds)
        // With WAL, `synchronous = NORMAL` loses no consistency; a power cut may lose the last commits.
        // 8 MiB of pages for each connection instead of 2: most reads then ask the system for nothing.
        let settings = [
            "PRAGMA cache_size = -8192", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL",
            "PRAGMA foreign_keys = ON",
            "PRAGMA trusted_schema = OFF", isReader ? "PRAGMA query_only = ON" : nil,
        ]
        for setting in settings {
            guard let setting else { continue }
            _ = try handle.execute(SQLQuery(stringLiteral: setting))
        }
        // A reader may run on whatever thread asks, which must not sleep at all.
        if isReader { sqlite3_busy_timeout(pointer, 0) }
        return handle
    }

    deinit {
        // The statements hold the connection, so those first that are only held here; `close_v2` waits for the rest.
        sqlite3_close_v2(self.pointer)
    }

    /// Whether a transaction is open.
    var isInTransaction: Bool { sqlite3_get_autocommit(self.pointer) == 0 }

    mutating func execute(_ query: SQLQuery) throws(SQLError) -> SQLResult {
        if let fault = query.fault { throw fault }
        let statement = try self.statement(query)
        guard statement.wasSlow else { return try self.run(statement, query) }
        statement.begin()
        defer { statement.noteEnd() }
        return try self.run(statement, query)
    }

    /// Runs a statement if it is one that only reads and is done within ``SQLiteStatement/quickInstructions``.
    ///
    /// - Returns: Nil if it is not, and then it has had no effect.
    mutating func executeQuickly(_ query: SQLQuery) throws(SQLError) -> SQLResult? {
        if let fault = query.fault { throw fault }
        let statement = try self.statement(query)
        guard statement.mayBeQuick else { return nil }
        statement.begin()
        sqlite3_progress_handler(self.pointer, SQLiteStatement.quickInstructions, { _ in 1 }, nil)
        defer { sqlite3_progress_handler(self.pointer, 0, nil, nil) }
        do throws(SQLError) {
            return try self.run(statement, query)
        } catch {
            guard error.isInterruption else { throw error }
            statement.wasSlow = true
            return nil
        }
    }

    private func run(_ kept: SQLiteStatement, _ query: SQLQuery) throws(SQLError) -> SQLResult {
        let statement = kept.pointer
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in query.values.enumerated() { try self.bind(value, at: Int32(index + 1), of: statement) }
        let before = sqlite3_total_changes(self.pointer)
        var values: [SQLValue] = []
        values.reserveCapacity(Int(sqlite3_column_count(statement)))
        var rowCount = 0
        while true {
            let status = sqlite3_step(statement)
            if status == SQLITE_DONE { break }
            guard status == SQLITE_ROW else { throw self.error(status) }
            rowCount += 1
            Self.appendValues(of: statement, to: &values)
        }
        let rows =
            sqlite3_column_count(statement) == 0
            ? .none : SQLRows(SQLValues(columns: kept.columns, rowCount: rowCount, values: values))
        return SQLResult(
            rows: rows, changeCount: self.changeCount(since: before),
            insertedID: sqlite3_last_insert_rowid(self.pointer))
    }

    /// A statement of its own for rows that are read little by little: a kept one may be run by others between.
    func cursor(_ query: SQLQuery) throws(SQLError) -> SQLiteCursor {
        if let fault = query.fault { throw fault }
        let statement = try self.prepare(query.text, 0)
        let cursor = SQLiteCursor(statement, on: self.pointer)
        do throws(SQLError) {
            for (index, value) in query.values.enumerated() {
                try self.bind(value, at: Int32(index + 1), of: statement)
            }
        } catch {
            cursor.close()
            throw error
        }
        return cursor
    }

    /// How many rows the statement changed itself, those that a trigger or a foreign key changed after it left out.
    private func changeCount(since before: Int32) -> Int {
        // `sqlite3_changes` alone would say after a `CREATE TABLE` what the statement before it changed.
        sqlite3_total_changes(self.pointer) == before ? 0 : Int(sqlite3_changes(self.pointer))
    }

    private mutating func statement(_ query: SQLQuery) throws(SQLError) -> SQLiteStatement {
        if let statement = self.statements[query.pieces] { return statement }
        let statement = SQLiteStatement(try self.prepare(query.text, SQLITE_PREPARE_PERSISTENT))
        // Rare, since texts do not contain values; starting over is simpler than keeping an order of use.
        if self.statements.count >= Self.statementLimit { self.statements.removeAll(keepingCapacity: true) }
        self.statements[query.pieces] = statement
        return statement
    }

    private func prepare(_ text: String, _ flags: Int32) throws(SQLError) -> OpaquePointer {
        var prepared: OpaquePointer?
        let (status, hasMore) = text.withCString { start in
            var tail: UnsafePointer<CChar>?
            let status = sqlite3_prepare_v3(self.pointer, start, -1, UInt32(flags), &prepared, &tail)
            return (status, tail.map { String(cString: $0).contains { !$0.isWhitespace && $0 != ";" } } ?? false)
        }
        guard status == SQLITE_OK else { throw self.error(status) }
        guard let statement = prepared, !hasMore else {
            sqlite3_finalize(prepared)
            throw SQLError(.statement, message: "the text must be one statement")
        }
        return statement
    }

    private func bind(_ value: SQLValue, at index: Int32, of statement: OpaquePointer) throws(SQLError) {
        let status =
            switch value {
            case .null: sqlite3_bind_null(statement, index)
            case .integer(let value): sqlite3_bind_int64(statement, index, value)
            case .real(let value): sqlite3_bind_double(statement, index, value)
            case .text(let value): self.bind(text: value, at: index, of: statement)
            case .blob(let value): sqlite3_bind_blob(statement, index, value, Int32(value.count), Self.transient)
            case .timestamp(let value): self.bind(text: SQLTimestamp.text(value), at: index, of: statement)
            }
        guard status == SQLITE_OK else { throw self.error(status) }
    }

    /// Tells SQLite to copy the bytes before the call returns.
    private static var transient: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    private func bind(text: String, at index: Int32, of statement: OpaquePointer) -> Int32 {
        sqlite3_bind_text(statement, index, text, Int32(text.utf8.count), Self.transient)
    }

    static func columnNames(_ statement: OpaquePointer) -> [String] {
        (0..<sqlite3_column_count(statement)).map { index in
            sqlite3_column_name(statement, index).map { String(cString: $0) } ?? ""
        }
    }

    static func appendValues(of statement: OpaquePointer, to values: inout [SQLValue]) {
        for index in 0..<sqlite3_column_count(statement) {
            let value: SQLValue
            switch sqlite3_column_type(statement, index) {
            case SQLITE_INTEGER: value = .integer(sqlite3_column_int64(statement, index))
            case SQLITE_FLOAT: value = .real(sqlite3_column_double(statement, index))
            case SQLITE_TEXT:
                let text = sqlite3_column_text(statement, index)
                let bytes = UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(statement, index)))
                value = .text(String(decoding: bytes, as: UTF8.self))
            case SQLITE_BLOB:
                let blob = sqlite3_column_blob(statement, index)
                value = .blob(
                    Array(UnsafeRawBufferPointer(start: blob, count: Int(sqlite3_column_bytes(statement, index)))))
            default: value = .null
            }
            values.append(value)
        }
    }

    private func error(_ status: Int32) -> SQLError {
        SQLError(sqlite: status, message: String(cString: sqlite3_errmsg(self.pointer)))
    }
}

extension SQLError {
    /// Sorts an extended result code.
    ///
    /// - Source: sqlite.org, "Result and Error Codes", version 3.40.
    init(sqlite status: Int32, message: String?) {
        let kind: Kind =
            switch status & 0xFF {
            case SQLITE_BUSY, SQLITE_LOCKED: .busy
            case SQLITE_CONSTRAINT: .constraint
            case SQLITE_CANTOPEN, SQLITE_AUTH: .connection
            case SQLITE_FULL, SQLITE_IOERR, SQLITE_READONLY, SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_PERM, SQLITE_NOMEM:
                .storage
            default: .statement
            }
        self.init(kind, message: message ?? String(cString: sqlite3_errstr(status)), engineCode: Int(status))
    }

    /// Whether the statement was stopped by `sqlite3_interrupt`.
    var isInterruption: Bool { self.engineCode == Int(SQLITE_INTERRUPT) }
}
