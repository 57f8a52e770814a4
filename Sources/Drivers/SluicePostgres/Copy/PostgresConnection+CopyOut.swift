// SPDX-License-Identifier: Apache-2.0
import CPQ
import Sluice
import SluiceSQL
import Synchronization

extension PostgresConnection {
    /// What tells the server to stop a copy, once, and never after its end, when it would hit the next borrower's statement.
    private final class Stop: Sendable {
        private let state = Mutex<(task: Task<TimerToken, Never>?, isOver: Bool)>((nil, false))

        /// Unstructured, since a cancellation handler cannot wait; it is waited for before the connection is used again.
        func begin(_ connection: PostgresConnection) {
            self.state.withLock { state in
                guard state.task == nil, !state.isOver else { return }
                state.task = Task.detached { await connection.stopServer() }
            }
        }

        /// Returns once the server was told, if it was to be, and lets it be told no more.
        func end() async -> TimerToken? {
            let task = self.state.withLock { state in
                state.isOver = true
                return state.task
            }
            return await task?.value
        }
    }

    /// Copies what a query returns to `body`, piece by piece.
    func copyOut<Value>(
        _ query: SQLQuery, _ format: PostgresCopyFormat, _ body: (PostgresCopyChunks) async throws -> Value
    ) async throws -> Value {
        try Task.checkCancellation()
        let statement = try self.copyStatement(query, format)
        let limit = PostgresCopyLimit(socket: PQsocket(self.handle), time: self.time)
        let stop = Stop()
        defer { limit.end() }
        return try await withTaskCancellationHandler {
            try await self.leavePipeline()
            let reader = PostgresCopyReader(self)
            do {
                try await offload { try self.beginCopyOut(statement) }
                let value = try await body(PostgresCopyChunks(reader: reader))
                try await self.endCopyOut(reader, stop, limit)
                return value
            } catch {
                try await self.endCopyOut(reader, stop, limit)
                if Task.isCancelled { throw CancellationError() }
                throw (error as? SQLError)?.without(query.values) ?? error
            }
        } onCancel: {
            limit.begin(Self.grace)
            stop.begin(self)
        }
    }

    /// `COPY` takes no parameters: the values stand in the statement as literals without a type, which the server reads as it reads
    /// our parameters.
    private func copyStatement(_ query: SQLQuery, _ format: PostgresCopyFormat) throws(SQLError) -> String {
        var text = query.pieces[0]
        for (value, piece) in zip(query.values, query.pieces.dropFirst()) {
            text += try self.literal(value) + piece
        }
        guard !text.utf8.contains(0) else { throw .zeroByte }
        return "COPY (\(text)) TO STDOUT (FORMAT \(format.rawValue))"
    }

    private func literal(_ value: SQLValue) throws(SQLError) -> String {
        let text: String
        switch value {
        case .null: return "NULL"
        case .integer(let value): text = String(value)
        case .real(let value): text = value.description
        case .text(let value): text = value
        case .timestamp(let value): text = "\(SQLTimestamp.text(value))+00"
        case .blob(let bytes):
            text =
                "\\x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        guard !text.utf8.contains(0) else { throw .zeroByteInText }
        let escaped = self.state.withLock { _ in PQescapeLiteral(self.handle, text, text.utf8.count) }
        guard let escaped else { throw .lost(self.handle) }
        defer { PQfreemem(escaped) }
        // Set apart, so that a minus or a letter before it makes no other token of it.
        return " \(String(cString: escaped)) "
    }

    private func beginCopyOut(_ statement: String) throws {
        try self.setStatementTimeout(false)
        guard let result = PQexec(self.handle, statement) else { throw SQLError.lost(self.handle) }
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COPY_OUT else {
            throw PQresultStatus(result) == PGRES_FATAL_ERROR
                ? SQLError(postgres: result)
                : SQLError(.statement, message: "only one statement that returns rows can be copied out")
        }
    }

    /// Brings the connection back to where it was, having the server stop if it has not ended; or gives it up.
    private func endCopyOut(_ reader: PostgresCopyReader, _ stop: Stop, _ limit: PostgresCopyLimit) async throws {
        reader.end()
        if PQtransactionStatus(self.handle) == PQTRANS_ACTIVE, !reader.isComplete {
            limit.begin(Self.grace)
            stop.begin(self)
        }
        // Not ended by cancellation, since nobody else would do it.
        await Task.detached {
            let alarm = await stop.end()
            let isReady: Void? = try? await offload {
                if PQtransactionStatus(self.handle) == PQTRANS_ACTIVE { reader.drain() }
                // What comes late hits this and not the next borrower's statement.
                if alarm != nil { PQclear(PQexec(self.handle, "SELECT 1")) }
                try self.setStatementTimeout(true)
            }
            // With the server's limit still off it must not serve another.
            if isReady == nil, PQtransactionStatus(self.handle) != PQTRANS_INERROR { self.fail(.notSent) }
            if let alarm { self.time.cancel(alarm) }
        }.value
        try self.enterPipeline()
    }
}
