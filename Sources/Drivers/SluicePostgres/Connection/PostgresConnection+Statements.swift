// SPDX-License-Identifier: Apache-2.0
import CPQ
import Sluice
import SluiceSQL
import Synchronization

extension PostgresConnection {
    func execute(_ query: SQLQuery) async throws -> SQLResult {
        if let fault = query.fault { throw fault }
        let parameters = try PostgresParameters(query.values)
        do {
            return try await self.run(query, parameters)
        } catch let error as SQLError where error.isStalePlan {
            // The table was changed, or somebody dropped what was prepared.
            guard !self.isInTransaction else { throw error.repeatable }
            return try await self.runWhole(query, parameters)
        } catch let error as SQLError {
            throw error.without(query.values)
        }
    }

    /// How many parameters a statement may have and still be described: libpq takes an answer of more than 30,000 bytes, four for
    /// each of them, for a loss of synchronisation.
    private static let maximumDescribed = 7_000

    private func run(_ query: SQLQuery, _ parameters: PostgresParameters) async throws -> SQLResult {
        while true {
            let request = PostgresRequest()
            var sent: (statement: PostgresStatement, columns: PostgresColumns?)?
            let isDescribed = query.values.count <= Self.maximumDescribed
            try await self.ask(request) { state in
                switch self.prepare(query, request, &state) {
                case .failure(let error): return error
                case .success(let prepared):
                    sent = prepared
                    if let columns = prepared.columns {
                        return self.sendRun(prepared.statement, parameters, isBinary: columns.isBinary)
                    }
                    guard isDescribed else { return self.sendRun(prepared.statement, parameters, isBinary: false) }
                    let status = PQsendDescribePrepared(self.handle, prepared.statement.name)
                    return status == 1 ? nil : .lost(self.handle)
                }
            }
            guard let (statement, columns) = sent else { throw request.failure ?? .notSent }
            let result = try self.answer(to: request, statement)
            if columns != nil || !isDescribed { return Self.result(result, statement) }
            // Now it is known in which form its values are best sent.
            let found = statement.columns(result)
            PQclear(result)
            self.state.withLock { $0.prepared.note(found, of: statement) }
        }
    }

    /// Runs a statement without preparing it by name, so that nothing others do to names can make it fail; its values come as text.
    private func runWhole(_ query: SQLQuery, _ parameters: PostgresParameters) async throws -> SQLResult {
        let statement = self.statements.statement(for: query)
        let request = PostgresRequest()
        try await self.ask(request) { _ in
            let status = parameters.withPointers { count, values, lengths, formats in
                PQsendQueryParams(self.handle, statement.text, count, nil, values, lengths, formats, 0)
            }
            return status == 1 ? nil : .lost(self.handle)
        }
        do throws(SQLError) {
            return Self.result(try request.take(), statement)
        } catch {
            throw error.without(query.values)
        }
    }

    /// The statement of a query and what is known of its columns; prepares it first if it is not yet.
    func prepare(
        _ query: SQLQuery, _ request: PostgresRequest, _ state: inout State
    ) -> Result<(statement: PostgresStatement, columns: PostgresColumns?), SQLError> {
        if let known = state.prepared.use(query) {
            if known.statement.changesSession, self.isShared.load(ordering: .relaxed) {
                return .failure(.sharedSession)
            }
            if known.statement.marksSession { state.isMarked = true }
            return .success(known)
        }
        let statement = self.statements.statement(for: query)
        if statement.changesSession, self.isShared.load(ordering: .relaxed) { return .failure(.sharedSession) }
        guard !statement.text.utf8.contains(0) else { return .failure(.zeroByte) }
        guard !statement.isCopy else { return .failure(.copyAsStatement) }
        if statement.marksSession { state.isMarked = true }
        let waste = state.prepared.add(statement)
        for name in waste { if let failure = self.sendPlain("DEALLOCATE \(name)") { return .failure(failure) } }
        request.preparing = (statement, waste.count)
        guard PQsendPrepare(self.handle, statement.name, statement.text, 0, nil) == 1 else {
            return .failure(.lost(self.handle))
        }
        return .success((statement, nil))
    }

    /// The result of a statement.
    func answer(to request: PostgresRequest, _ statement: PostgresStatement) throws(SQLError) -> OpaquePointer {
        do throws(SQLError) {
            return try request.take()
        } catch {
            if error.isStalePlan {
                self.statements.retire(statement)
                let isKnown = error.sqlState == "0A000"
                self.state.withLock { $0.prepared.remove(statement, isKnownToServer: isKnown) }
            }
            throw error
        }
    }

    /// Runs a statement that is prepared.
    func sendRun(_ statement: PostgresStatement, _ parameters: PostgresParameters, isBinary: Bool) -> SQLError? {
        let status = parameters.withPointers { count, values, lengths, formats in
            PQsendQueryPrepared(
                self.handle, statement.name, count, values, lengths, formats, isBinary ? 1 : 0)
        }
        return status == 1 ? nil : .lost(self.handle)
    }

    /// Sends a statement without parameters that is not prepared.
    func sendPlain(_ text: String) -> SQLError? {
        PQsendQueryParams(self.handle, text, 0, nil, nil, nil, nil, 0) == 1 ? nil : .lost(self.handle)
    }

    static func result(_ result: OpaquePointer, _ statement: PostgresStatement) -> SQLResult {
        var changeCount = 0
        if let tag = PQcmdStatus(result), tag[0] != CChar(UInt8(ascii: "S")) {
            changeCount = PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0
        }
        guard PQresultStatus(result) == PGRES_TUPLES_OK else {
            PQclear(result)
            return SQLResult(rows: .none, changeCount: changeCount)
        }
        return SQLResult(rows: SQLRows(PostgresRows(result, statement.columns(result))), changeCount: changeCount)
    }

    // MARK: Transactions

    func begin(_ options: TransactionOptions) async throws {
        let isolation = options.isolation.map { " ISOLATION LEVEL \($0.rawValue)" } ?? ""
        let access = options.access == .read ? " READ ONLY" : ""
        do {
            _ = try await self.execute(SQLQuery(stringLiteral: "BEGIN\(isolation)\(access)"))
        } catch {
            // It may have begun all the same, if it was given up.
            try? await self.rollback()
            throw error
        }
        // The session's limit is that of the database's own timeout; see ``PostgresDriver``.
        guard let timeout = options.timeout else { return }
        let milliseconds = min(timeout.clampedNanoseconds / 1_000_000 + 1_000, Int64(Int32.max))
        _ = try await self.execute(SQLQuery(stringLiteral: "SET LOCAL statement_timeout = \(milliseconds)"))
    }

    func commit() async throws {
        let tag: String
        do {
            tag = try await self.plain("COMMIT")
        } catch let error as SQLError where error.kind == .connection && error.hasRun != false {
            throw SQLError(
                .outcomeUnknown,
                message: "the connection was lost while the transaction was committed: \(error.message)")
        }
        // What the server says to the end of a transaction that had failed.
        if tag == "ROLLBACK" {
            throw SQLError(.statement, message: "the transaction had failed before, and was rolled back", hasRun: true)
        }
    }

    func rollback() async throws {
        guard self.isInTransaction else { return }
        _ = try await self.plain("ROLLBACK")
    }

    /// Runs a statement to its end, whatever becomes of the task, and returns what the server calls it.
    private func plain(_ text: String) async throws -> String {
        let request = PostgresRequest()
        try await self.ask(isShielded: true, request) { _ in self.sendPlain(text) }
        let result = try request.take()
        defer { PQclear(result) }
        return PQcmdStatus(result).map { String(cString: $0) } ?? ""
    }
}

extension SQLError {
    /// The statement would change what others on the same connection do.
    fileprivate static let sharedSession = SQLError(
        .statement, message: "the statement changes its session: run it in withTransaction or on a lent connection",
        hasRun: false)

    fileprivate static let copyAsStatement = SQLError(
        .statement, message: "COPY is no statement to be executed: use bulkInsert or copyOut", hasRun: false)

    /// Whether what was prepared does not fit any more: the plan's result type has changed, or the name is gone or taken.
    fileprivate var isStalePlan: Bool {
        switch self.sqlState {
        case "26000", "42P05": true
        case "0A000": self.kind == .serialization
        default: false
        }
    }

    /// The error is none of the statement's, which has not run: it, and the transaction it was in, is worth repeating whole.
    var repeatable: SQLError {
        guard self.isStalePlan else { return self }
        return SQLError(.serialization, message: self.message, sqlState: self.sqlState, hasRun: false)
    }
}
