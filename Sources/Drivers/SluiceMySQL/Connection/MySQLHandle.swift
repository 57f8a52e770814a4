// SPDX-License-Identifier: Apache-2.0
import CMariaDB
import Sluice
import SluiceSQL

/// An open connection, used on its thread only; knows C and nothing of concurrency.
final class MySQLHandle {
    /// How many prepared statements are kept; MySQL and MariaDB allow 16382 on a server.
    private static let statementLimit = 256

    let pointer: UnsafeMutablePointer<MYSQL>
    /// The largest statement, values included, that the server takes.
    private(set) var maximumPacketSize = 16 << 20
    /// The isolation of transactions that do not state one.
    private(set) var isolation: TransactionOptions.Isolation?
    private var statements = RecencyList<[String], MySQLStatement>()
    private var parameters = MySQLParameters()
    /// Whether a statement may have left something in the session that outlives its transaction.
    private(set) var isMarked = false

    /// Takes an open connection over.
    init(_ pointer: UnsafeMutablePointer<MYSQL>) {
        self.pointer = pointer
    }

    /// The session's limit on statements, and the one that holds now.
    private var statementTimeout: (ordinary: Duration?, current: Duration?) = (nil, nil)

    /// Makes the session the same on every server, and learns what differs.
    ///
    /// - Parameter statementTimeout: The longest a statement may run; nil for no limit.
    func setUp(_ statementTimeout: Duration? = nil) throws(SQLError) {
        try self.command(
            """
            SET time_zone = '+00:00', sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,\
            NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'
            """)
        // Named differently by MariaDB and by MySQL, and by versions of both.
        let settings = try self.textRows(
            """
            SHOW VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation', 'max_allowed_packet')
            """)
        for setting in settings {
            let (name, value) = try setting.decode((String, String).self)
            if name == "max_allowed_packet" {
                self.maximumPacketSize = Int(value) ?? self.maximumPacketSize
            } else {
                self.isolation = .init(rawValue: value.split(separator: "-").joined(separator: " "))
            }
        }
        try self.limitStatements(to: statementTimeout)
        self.statementTimeout.ordinary = statementTimeout
    }

    /// Has the server stop a statement that takes longer, some time after we would have: so none runs on for ever, whatever becomes
    /// of us.
    ///
    /// MySQL, unlike MariaDB, does so with `SELECT` alone.
    ///
    /// - Parameter time: The longest a statement may run; nil for the session's own limit.
    func limitStatements(to time: Duration?) throws(SQLError) {
        let time = time ?? self.statementTimeout.ordinary
        guard time != self.statementTimeout.current else { return }
        let late = time.map { $0 + .seconds(1) } ?? .zero
        // A year is the most that MariaDB takes; zero is no limit.
        let milliseconds = min(late.clampedNanoseconds / 1_000_000, 31_536_000_000)
        try self.command(
            self.isMariaDB
                ? "SET max_statement_time = \(milliseconds / 1_000).\(String(milliseconds % 1_000 + 1_000).dropFirst())"
                : "SET max_execution_time = \(min(milliseconds, Int64(UInt32.max)))")
        self.statementTimeout.current = time
    }

    deinit {
        // Statements first: they need the connection.
        self.statements = RecencyList()
        mysql_close(self.pointer)
    }

    /// The connection's number at the server.
    var id: UInt { mysql_thread_id(self.pointer) }

    /// Whether the server is MariaDB and not MySQL.
    var isMariaDB: Bool { mariadb_connection(self.pointer) != 0 }

    /// Whether a transaction was open after the last statement that succeeded.
    var isInTransaction: Bool { self.pointer.pointee.server_status & UInt32(SERVER_STATUS_IN_TRANS) != 0 }

    /// Begins a transaction.
    func begin(_ options: TransactionOptions) throws(SQLError) {
        if let isolation = options.isolation, isolation != self.isolation {
            try self.command("SET TRANSACTION ISOLATION LEVEL \(isolation.rawValue)")
        }
        try self.command("START TRANSACTION \(options.access == .read ? "READ ONLY" : "READ WRITE")")
    }

    /// Runs one statement with values.
    ///
    /// - Parameter once: Whether it is not worth being kept prepared.
    func execute(_ query: SQLQuery, once: Bool = false) throws(SQLError) -> SQLResult {
        try self.check(query)
        if once {
            let statement = try MySQLStatement(query.text, on: self.pointer)
            try self.bind(query, to: statement)
            return try statement.execute()
        }
        do throws(SQLError) {
            return try self.executePrepared(query)
        } catch  where [ER_UNKNOWN_STMT_HANDLER, ER_NEED_REPREPARE].contains(Int32(error.engineCode ?? 0)) {
            // The server has forgotten the statement; nothing has run.
            _ = self.statements.remove(query.pieces)
            return try self.executePrepared(query)
        } catch  where error.engineCode == Int(ER_UNSUPPORTED_PS) && query.values.isEmpty {
            if query.marksSession { self.isMarked = true }
            return try self.executeText(query.text)
        }
    }

    /// Runs one statement with values and leaves its rows at the server.
    ///
    /// Prepared for this once, since a cursor is closed with its statement. What is no query, a procedure call for example, has
    /// no cursor.
    func openCursor(_ query: SQLQuery, batch: Int) throws(SQLError) -> MySQLCursor {
        guard query.onlyReads || query.firstWord == "WITH" else {
            return MySQLCursor(try self.execute(query).rows, batch: batch)
        }
        try self.check(query)
        let statement = try MySQLStatement(query.text, on: self.pointer)
        try self.bind(query, to: statement)
        if query.marksSession { self.isMarked = true }
        return try MySQLCursor(statement, on: self.pointer, batch: batch)
    }

    private func check(_ query: SQLQuery) throws(SQLError) {
        if let fault = query.fault { throw fault }
        let size = query.values.reduce(query.pieces[0].utf8.count) { $0 + MySQLParameters.size(of: $1) }
        guard size < self.maximumPacketSize else {
            throw SQLError(
                .statement,
                message:
                    "the statement's values take more than the server's max_allowed_packet, \(self.maximumPacketSize) bytes",
                hasRun: false)
        }
    }

    private func executePrepared(_ query: SQLQuery) throws(SQLError) -> SQLResult {
        let statement = try self.statement(query)
        try self.bind(query, to: statement)
        if statement.marksSession { self.isMarked = true }
        defer { if statement.isStale { _ = self.statements.remove(query.pieces) } }
        return try statement.execute()
    }

    private func bind(_ query: SQLQuery, to statement: MySQLStatement) throws(SQLError) {
        guard statement.parameterCount == query.values.count else {
            throw SQLError(
                .statement,
                message: "the statement has \(statement.parameterCount) parameters and \(query.values.count) values; "
                    + "a question mark in its text counts as one", hasRun: false)
        }
        if !query.values.isEmpty { try self.parameters.bind(query.values, to: statement.pointer) }
    }

    func statement(_ query: SQLQuery) throws(SQLError) -> MySQLStatement {
        if let statement = self.statements.touch(query.pieces) { return statement }
        let statement = try MySQLStatement(query.text, on: self.pointer, marksSession: query.marksSession)
        if self.statements.count >= Self.statementLimit { _ = self.statements.removeOldest() }
        self.statements.add(statement, for: query.pieces, cost: 1)
        return statement
    }

    /// Runs a statement of ours that has no values and answers nothing.
    func command(_ text: String) throws(SQLError) {
        _ = try self.executeText(text)
    }

    /// Runs a statement that cannot be prepared; its rows come as text.
    private func executeText(_ text: String) throws(SQLError) -> SQLResult {
        let rows = try self.textRows(text)
        let changes = mysql_affected_rows(self.pointer)
        let insertedID = Int64(exactly: mysql_insert_id(self.pointer))
        return SQLResult(
            rows: rows, changeCount: Int(exactly: changes) ?? 0, insertedID: insertedID == 0 ? nil : insertedID)
    }

    private func textRows(_ text: String) throws(SQLError) -> SQLRows {
        var text = text
        let status = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                mysql_real_query(self.pointer, $0.baseAddress, UInt($0.count))
            }
        }
        guard status == 0 else { throw self.error }
        guard let result = mysql_store_result(self.pointer) else {
            guard mysql_field_count(self.pointer) == 0 else { throw self.error }
            return .none
        }
        defer { mysql_free_result(result) }
        let fields = UnsafeBufferPointer(start: mysql_fetch_fields(result), count: Int(mysql_num_fields(result)))
        var values: [SQLValue] = []
        while let row = mysql_fetch_row(result), let lengths = mysql_fetch_lengths(result) {
            for column in fields.indices {
                let bytes = row[column].map { UnsafeRawBufferPointer(start: $0, count: Int(lengths[column])) }
                values.append(bytes.map { .text(String(decoding: $0, as: UTF8.self)) } ?? .null)
            }
        }
        return SQLRows(
            SQLValues(
                columns: MySQLColumns(fields).names, rowCount: Int(mysql_num_rows(result)), values: values))
    }

    private var error: SQLError {
        SQLError(
            mySQL: Int(mysql_errno(self.pointer)), sqlState: String(cString: mysql_sqlstate(self.pointer)),
            message: String(cString: mysql_error(self.pointer)))
    }
}
