// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

/// What a connection's thread knows: the handle, the transaction that is open, and whether the connection is lost.
final class MySQLSession {
    let handle: MySQLHandle
    /// Whether the connection cannot be used any more.
    private(set) var isLost = false
    /// What began the transaction that is open, as far as the borrower knows.
    private var transaction: TransactionOptions?
    /// Whether the server has undone that transaction by itself.
    private var isUndone = false
    private var cursors: [Int: MySQLCursor] = [:]
    private var cursorCount = 0

    init(_ handle: MySQLHandle) {
        self.handle = handle
    }

    /// Cursors first: they need the connection.
    deinit { self.cursors = [:] }

    /// Whether a transaction was begun and has not ended.
    var hasTransaction: Bool { self.transaction != nil }

    func execute(_ query: SQLQuery) throws(SQLError) -> SQLResult {
        try self.checkTransaction()
        do throws(SQLError) {
            return try self.handle.execute(query)
        } catch {
            throw self.noted(error).without(query.values)
        }
    }

    /// Runs a statement whose rows stay at the server.
    ///
    /// - Returns: What the cursor is known by until ``closeCursor(_:)``.
    func openCursor(_ query: SQLQuery, batch: Int) throws(SQLError) -> Int {
        try self.checkTransaction()
        do throws(SQLError) {
            let cursor = try self.handle.openCursor(query, batch: batch)
            self.cursorCount += 1
            self.cursors[self.cursorCount] = cursor
            return self.cursorCount
        } catch {
            throw self.noted(error)
        }
    }

    /// The next rows of a cursor; nil after the last.
    func fetch(_ cursor: Int) throws(SQLError) -> SQLRows? {
        try self.checkTransaction()
        do throws(SQLError) { return try self.cursors[cursor]?.next() } catch { throw self.noted(error) }
    }

    /// Tells the server, which does not answer, that nobody wants the rest.
    func closeCursor(_ cursor: Int) { self.cursors[cursor] = nil }

    func begin(_ options: TransactionOptions) throws(SQLError) {
        // Left open by a borrower whose rollback failed: it must not become part of this one's transaction.
        try self.rollback()
        do throws(SQLError) {
            if let timeout = options.timeout { try self.handle.limitStatements(to: timeout) }
            try self.handle.begin(options)
        } catch {
            self.restoreLimit()
            throw self.noted(error)
        }
        self.transaction = options
    }

    func commit() throws(SQLError) {
        try self.checkTransaction()
        do throws(SQLError) {
            try self.command("COMMIT")
        } catch  where error.kind == .connection && error.hasRun != false {
            throw SQLError(
                .outcomeUnknown, message: "the connection was lost during the commit: \(error.message)",
                engineCode: error.engineCode, sqlState: error.sqlState)
        }
        self.transaction = nil
        self.restoreLimit()
    }

    func rollback() throws(SQLError) {
        self.transaction = nil
        self.isUndone = false
        if self.handle.isInTransaction { try self.command("ROLLBACK") }
        self.restoreLimit()
    }

    /// What follows has the session's own limit again; a connection that cannot be told so is not used again.
    private func restoreLimit() {
        do throws(SQLError) { try self.handle.limitStatements(to: nil) } catch { self.isLost = true }
    }

    /// Goes to the server and back until nothing is killed any more.
    func probe() throws(SQLError) {
        for _ in 0..<3 {
            do throws(SQLError) { return try self.command("DO 0") } catch  where error.kind == .timeout { continue }
        }
        self.isLost = true
    }

    /// Runs a statement of ours.
    func command(_ text: String) throws(SQLError) {
        try self.checkUse()
        do throws(SQLError) { try self.handle.command(text) } catch { throw self.noted(error) }
    }

    /// What an error says of the connection and the transaction is remembered.
    func noted(_ error: SQLError) -> SQLError {
        if error.isLossOfConnection { self.isLost = true }
        if error.hasUndoneTransaction, self.transaction != nil { self.isUndone = true }
        return error
    }

    private func checkUse() throws(SQLError) {
        guard !self.isLost else { throw SQLError(.connection, message: "the connection is lost", hasRun: false) }
    }

    private func checkTransaction() throws(SQLError) {
        try self.checkUse()
        guard let transaction = self.transaction else { return }
        if self.isUndone {
            throw SQLError(.serialization, message: "the server has rolled the transaction back after an earlier error")
        }
        // A statement that commits by itself must not leave what follows without a transaction.
        guard !self.handle.isInTransaction else { return }
        do throws(SQLError) { try self.handle.begin(transaction) } catch { throw self.noted(error) }
    }
}
