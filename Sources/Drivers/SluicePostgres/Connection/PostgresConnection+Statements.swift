// SPDX-License-Identifier: Apache-2.0
import CPQ
import SluiceSQL
import Synchronization

extension PostgresConnection {
    /// How many statements stay prepared on one connection.
    static let preparedLimit = 256

    func execute(_ query: SQLQuery) async throws -> SQLResult {
        try await self.execute(query, isShielded: false)
    }

    func execute(_ query: SQLQuery, isShielded: Bool) async throws -> SQLResult {
        if let fault = query.fault { throw fault }
        let parameters = try PostgresParameters(query.values)
        do {
            return try await self.run(query, parameters, isShielded)
        } catch let error as SQLError where error.isStalePlan {
            // The table was changed, or somebody dropped what was prepared. Inside a transaction that has ended it.
            self.forget(query)
            guard !self.isInTransaction else { throw error }
            return try await self.run(query, parameters, isShielded)
        }
    }

    private func run(
        _ query: SQLQuery, _ parameters: PostgresParameters, _ isShielded: Bool
    ) async throws -> SQLResult {
        while true {
            let request = PostgresRequest()
            var sent = Sent.run
            var known: PostgresStatement?
            try await self.ask(isShielded: isShielded, request) { state in
                let (statement, isPrepared) = self.look(up: query, &state)
                known = statement
                if statement.changesSession, self.isShared.load(ordering: .relaxed) { return .sharedSession }
                return self.send(statement, parameters, isPrepared: isPrepared, &sent)
            }
            guard let statement = known else { throw request.failure ?? .notSent }
            let result: OpaquePointer
            do throws(SQLError) {
                result = try request.take()
            } catch {
                if sent != .run { self.forget(query) }
                throw error
            }
            if sent == .describe {
                _ = statement.note(result)
                PQclear(result)
                continue
            }
            return Self.result(result, statement)
        }
    }

    /// What was sent for a statement.
    private enum Sent {
        /// It was prepared, and its columns asked for: how they are to come is not known yet.
        case describe
        /// It was prepared and run.
        case prepare
        /// It was run.
        case run
    }

    /// The statement of a query, and whether it is prepared here.
    func look(up query: SQLQuery, _ state: inout State) -> (PostgresStatement, isPrepared: Bool) {
        state.useCount += 1
        if let index = state.prepared.index(forKey: query.pieces) {
            state.prepared.values[index].lastUse = state.useCount
            return (state.prepared.values[index].statement, true)
        }
        if state.prepared.count >= Self.preparedLimit,
            let oldest = state.prepared.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            state.prepared[oldest.key] = nil
            _ = self.sendPlain("DEALLOCATE \(oldest.value.statement.name)")
        }
        let statement = self.statements.statement(for: query)
        state.prepared[query.pieces] = (statement, state.useCount)
        return (statement, false)
    }

    private func send(
        _ statement: PostgresStatement, _ parameters: PostgresParameters, isPrepared: Bool, _ sent: inout Sent
    ) -> SQLError? {
        guard let columns = statement.columns else {
            sent = .describe
            if !isPrepared, let failure = self.sendPrepare(statement) { return failure }
            return PQsendDescribePrepared(self.handle, statement.name) == 1 ? nil : .lost(self.handle)
        }
        sent = isPrepared ? .run : .prepare
        return self.sendRun(statement, parameters, isPrepared: isPrepared, isBinary: columns.isBinary)
    }

    private func sendPrepare(_ statement: PostgresStatement) -> SQLError? {
        PQsendPrepare(self.handle, statement.name, statement.text, 0, nil) == 1 ? nil : .lost(self.handle)
    }

    /// Runs a statement, which is prepared before if it is not yet.
    func sendRun(
        _ statement: PostgresStatement, _ parameters: PostgresParameters, isPrepared: Bool, isBinary: Bool
    ) -> SQLError? {
        if !isPrepared, let failure = self.sendPrepare(statement) { return failure }
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

    func forget(_ query: SQLQuery) {
        let statement = self.state.withLock { $0.prepared.removeValue(forKey: query.pieces) }
        statement?.statement.forget()
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
        return SQLResult(rows: SQLRows(PostgresRows(result, statement.note(result))), changeCount: changeCount)
    }

    // MARK: Transactions

    func begin(_ options: TransactionOptions) async throws {
        let isolation = options.isolation.map { " ISOLATION LEVEL \($0.rawValue)" } ?? ""
        let access = options.access == .read ? " READ ONLY" : ""
        _ = try await self.execute(SQLQuery(stringLiteral: "BEGIN\(isolation)\(access)"), isShielded: false)
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

    /// Whether what was prepared does not fit any more: the plan's result type has changed, or the name is gone.
    fileprivate var isStalePlan: Bool {
        self.sqlState == "26000" || self.sqlState == "0A000" && self.message.hasPrefix("cached plan")
    }
}
