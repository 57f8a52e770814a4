// SPDX-License-Identifier: Apache-2.0
import CPQ
import Sluice
import SluiceSQL
import Synchronization

// While a copy runs the connection is out of pipeline mode and not the reactor's, and libpq blocks on a thread made for that: it
// then also reads what the server says meanwhile, without which both sides could wait for each other for ever.
extension PostgresConnection {
    /// Copies rows into a table by `COPY`, the fastest way there is, as part of the transaction that is open.
    ///
    /// - Returns: How many rows the server took.
    func bulkInsert<Rows: AsyncSequence>(
        into table: SQLIdentifier, columns: [SQLIdentifier], _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue] {
        try Task.checkCancellation()
        let limit = PostgresCopyLimit(socket: PQsocket(self.handle), time: self.time)
        defer { limit.end() }
        return try await withTaskCancellationHandler {
            try await self.copy(into: table, columns: columns, rows)
        } onCancel: {
            limit.begin(Self.grace)
        }
    }

    private func copy<Rows: AsyncSequence>(
        into table: SQLIdentifier, columns: [SQLIdentifier], _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue] {
        let names = columns.map(\.quoted).joined(separator: ", ")
        let statement = "COPY \(table.quoted) (\(names)) FROM STDIN"
        try await self.leavePipeline()
        do {
            var copy = try await offload {
                try self.setStatementTimeout(false)
                let copy = PostgresCopyRows(types: try self.types(of: columns, in: table))
                try self.beginCopy(statement, copy.format)
                return copy
            }
            var count = 0
            for try await row in rows {
                guard row.count == columns.count else {
                    throw SQLError(.statement, message: "a row has \(row.count) values for \(columns.count) columns")
                }
                if try !copy.append(row) {
                    // The server may know how to read the value, or says what is wrong with it.
                    let last = copy.takeLast()
                    count += try await offload {
                        try self.put(last)
                        let count = try self.endCopy(nil)
                        try self.beginCopy(statement, .text)
                        return count
                    }
                    copy = .text
                    _ = try copy.append(row)
                }
                guard copy.bytes.count >= PostgresCopyRows.chunkSize else { continue }
                let chunk = copy.take()
                try await offload { try self.put(chunk) }
            }
            let (last, isCancelled) = (copy.takeLast(), Task.isCancelled)
            if isCancelled { throw CancellationError() }
            count += try await offload {
                try self.put(last)
                let count = try self.endCopy(nil)
                try self.setStatementTimeout(true)
                return count
            }
            try self.enterPipeline()
            return count
        } catch {
            // The server forgets every row of it. In a task of its own, since one that is cancelled must not keep the connection from being mended.
            let mending = Task.detached {
                try? await offload {
                    _ = try? self.endCopy("given up by the client")
                    try? self.setStatementTimeout(true)
                }
            }
            await mending.value
            try self.enterPipeline()
            if Task.isCancelled { throw CancellationError() }
            throw (error as? SQLError)?.withoutOwnWords ?? error
        }
    }

    /// The types of a table's columns, as far as we know them; none if it does not have the columns, of which `COPY` tells better.
    ///
    /// From the catalogue, since who may only insert may not select. A domain is sent as what it is made of, an enumeration as text.
    private func types(of columns: [SQLIdentifier], in table: SQLIdentifier) throws -> [PostgresType?] {
        let query = """
            SELECT a.attname, CASE t.typtype WHEN 'd' THEN t.typbasetype WHEN 'e' THEN 25 ELSE t.oid END
            FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
            """
        let parameters = try PostgresParameters([.text(table.quoted)])
        let result = parameters.withPointers { count, values, lengths, formats in
            PQexecParams(self.handle, query, count, nil, values, lengths, formats, 0)
        }
        guard let result else { throw SQLError.lost(self.handle) }
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_TUPLES_OK else { throw SQLError(postgres: result) }
        var types: [String: PostgresType] = [:]
        for row in 0..<PQntuples(result) {
            guard let name = PQgetvalue(result, row, 0), let type = PQgetvalue(result, row, 1) else { continue }
            types[String(cString: name)] = UInt32(String(cString: type)).flatMap(PostgresType.init)
        }
        return columns.map { types[$0.name] }
    }

    /// Takes the socket from the reactor and makes libpq block.
    func leavePipeline() async throws {
        await withCheckedContinuation { continuation in self.unwatch { continuation.resume() } }
        let failure = self.state.withLock { state -> SQLError? in
            if let failure = state.failure { return .notSent(because: failure) }
            guard PQexitPipelineMode(self.handle) == 1, PQsetnonblocking(self.handle, 0) == 0 else {
                return .lost(self.handle)
            }
            return nil
        }
        guard let failure else { return }
        self.fail(failure)
        throw failure
    }

    func enterPipeline() throws {
        let isReady = self.state.withLock { state in
            guard state.failure == nil, PQstatus(self.handle) == CONNECTION_OK,
                PQsetnonblocking(self.handle, 1) == 0, PQenterPipelineMode(self.handle) == 1
            else { return false }
            return true
        }
        guard isReady else {
            self.fail(.notSent)
            return
        }
        let token = self.reactor.add(self, socket: PQsocket(self.handle))
        self.state.withLock { $0.token = token }
    }

    private func beginCopy(_ statement: String, _ format: PostgresCopyFormat) throws {
        let statement = "\(statement) (FORMAT \(format.rawValue))"
        guard let result = PQexec(self.handle, statement) else { throw SQLError.lost(self.handle) }
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COPY_IN else { throw SQLError(postgres: result) }
    }

    /// A copy takes as long as whoever reads or writes the rows: the server's limit for a statement is not one for it.
    ///
    /// In a transaction it is put back to what it was there, since that may have a limit of its own.
    func setStatementTimeout(_ isOn: Bool) throws {
        if isOn {
            let before = self.timeoutBeforeCopy
            self.timeoutBeforeCopy = nil
            try self.set(before.map { "SET LOCAL statement_timeout = '\($0)'" } ?? "RESET statement_timeout")
        } else if PQtransactionStatus(self.handle) == PQTRANS_INTRANS {
            self.timeoutBeforeCopy = try self.set("SHOW statement_timeout")
            try self.set("SET LOCAL statement_timeout = 0")
        } else {
            try self.set("SET statement_timeout = 0")
        }
    }

    /// Runs a command; returns the value that it shows, if it shows one.
    @discardableResult
    private func set(_ command: String) throws -> String? {
        guard let result = PQexec(self.handle, command) else { throw SQLError.lost(self.handle) }
        defer { PQclear(result) }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK: return nil
        case PGRES_TUPLES_OK: return PQgetvalue(result, 0, 0).map { String(cString: $0) }
        default: throw SQLError(postgres: result)
        }
    }

    private func put(_ chunk: [UInt8]) throws {
        let status = chunk.withUnsafeBytes { bytes in
            PQputCopyData(self.handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
        }
        guard status == 1 else { throw SQLError.lost(self.handle) }
    }

    /// Ends the copying, by success or with a reason why not.
    private func endCopy(_ reason: String?) throws -> Int {
        let status = PQputCopyEnd(self.handle, reason)
        var count = 0
        var failure: SQLError? = status == 1 ? nil : .lost(self.handle)
        while let result = PQgetResult(self.handle) {
            if PQresultStatus(result) == PGRES_FATAL_ERROR { failure = failure ?? SQLError(postgres: result) }
            count = PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? count
            PQclear(result)
        }
        if let failure { throw failure }
        return count
    }
}

extension SQLError {
    /// The error without what code in the schema says, which may be a row's value: here nobody knows the values any more.
    fileprivate var withoutOwnWords: SQLError {
        guard self.sqlState?.hasPrefix("P0") == true else { return self }
        return SQLError(
            self.kind, message: "code in the schema refused a row", engineCode: self.engineCode,
            sqlState: self.sqlState,
            constraint: self.constraint, hasRun: self.hasRun)
    }
}
