// SPDX-License-Identifier: Apache-2.0
import CPQ
import Sluice
import SluiceSQL
import Synchronization

/// Rows on their way into a table by `COPY`, the fastest way there is.
///
/// While it runs the connection is taken out of pipeline mode and from the reactor, and libpq blocks on a thread made for that: it
/// then also reads what the server says meanwhile, without which both sides could wait for each other for ever.
struct PostgresCopy {
    /// How many bytes are handed over at once.
    static let chunkSize = 256 * 1_024

    private(set) var bytes: [UInt8] = []

    /// Adds a row in COPY's text form.
    ///
    /// - Source: PostgreSQL 15, "COPY", "Text Format".
    mutating func append(_ row: some Sequence<SQLValue>) throws(SQLError) {
        var isFirst = true
        for value in row {
            if !isFirst { self.bytes.append(0x09) }
            isFirst = false
            switch value {
            case .null: self.bytes += [0x5C, UInt8(ascii: "N")]
            case .integer(let value): PostgresParameters.append(value, to: &self.bytes)
            case .real(let value): self.bytes += value.description.utf8
            case .timestamp(let value):
                SQLTimestamp.append(value, to: &self.bytes)
                self.bytes += Self.utc
            case .blob(let value):
                self.bytes += [0x5C, 0x5C, UInt8(ascii: "x")]
                for byte in value { self.bytes += [Self.digits[Int(byte >> 4)], Self.digits[Int(byte & 15)]] }
            case .text(let text): try self.append(text)
            }
        }
        self.bytes.append(0x0A)
    }

    private static let digits = Array("0123456789abcdef".utf8)
    private static let utc = Array("+00".utf8)

    private mutating func append(_ text: String) throws(SQLError) {
        guard !text.utf8.contains(0) else {
            throw SQLError(.statement, message: "PostgreSQL keeps no text with a zero byte", hasRun: false)
        }
        var text = text
        text.withUTF8 { utf8 in
            // What lies between two characters that are written differently is copied at once.
            var start = 0
            for index in utf8.indices {
                let letter: UInt8
                switch utf8[index] {
                case 0x5C: letter = 0x5C
                case 0x0A: letter = UInt8(ascii: "n")
                case 0x0D: letter = UInt8(ascii: "r")
                case 0x09: letter = UInt8(ascii: "t")
                default: continue
                }
                self.bytes.append(contentsOf: utf8[start..<index])
                self.bytes.append(0x5C)
                self.bytes.append(letter)
                start = index + 1
            }
            self.bytes.append(contentsOf: utf8[start...])
        }
    }

    /// What has been gathered; begins anew.
    mutating func take() -> [UInt8] {
        defer {
            self.bytes = []
            self.bytes.reserveCapacity(Self.chunkSize + 4_096)
        }
        return self.bytes
    }
}

extension PostgresConnection {
    /// Copies rows into a table; all of them, or none.
    ///
    /// - Returns: How many rows the server took.
    func copyIn<Rows: AsyncSequence>(
        into table: SQLIdentifier, columns: [SQLIdentifier], _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue] {
        try Task.checkCancellation()
        let limit = PostgresCopyLimit(socket: PQsocket(self.handle), time: self.time)
        defer { limit.end() }
        return try await withTaskCancellationHandler {
            try await self.copyNow(into: table, columns: columns, rows)
        } onCancel: {
            limit.begin(Self.grace)
        }
    }

    private func copyNow<Rows: AsyncSequence>(
        into table: SQLIdentifier, columns: [SQLIdentifier], _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue] {
        let names = columns.map(\.quoted).joined(separator: ", ")
        let statement = "COPY \(table.quoted) (\(names)) FROM STDIN"
        try await self.leavePipeline()
        do {
            try await offload { try self.beginCopy(statement) }
            var copy = PostgresCopy()
            for try await row in rows {
                guard row.count == columns.count else {
                    throw SQLError(.statement, message: "a row has \(row.count) values for \(columns.count) columns")
                }
                try copy.append(row)
                guard copy.bytes.count >= PostgresCopy.chunkSize else { continue }
                let chunk = copy.take()
                try await offload { try self.put(chunk) }
            }
            let (chunk, isCancelled) = (copy.take(), Task.isCancelled)
            if isCancelled { throw CancellationError() }
            let count = try await offload {
                try self.put(chunk)
                let count = try self.endCopy(nil)
                try self.setStatementTimeout(true)
                return count
            }
            try self.enterPipeline()
            return count
        } catch {
            // The server forgets every row of it. A task that is cancelled must not keep the connection from being mended.
            let mending = Task.detached {
                try? await offload {
                    _ = try? self.endCopy("given up by the client")
                    try? self.setStatementTimeout(true)
                }
            }
            await mending.value
            try self.enterPipeline()
            throw Task.isCancelled ? CancellationError() : error
        }
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

    private func beginCopy(_ statement: String) throws {
        try self.setStatementTimeout(false)
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

/// Ends a copy that was cancelled and goes on, since libpq blocks for as long as the network lets it wait.
final class PostgresCopyLimit: Sendable {
    private let socket: Int32
    private let time: any TimeSource
    /// The alarm, once it is set; and whether the copy has ended.
    private let state = Mutex<(alarm: TimerToken?, isOver: Bool)>((nil, false))

    init(socket: Int32, time: any TimeSource) {
        self.socket = socket
        self.time = time
    }

    /// Lets the copy go on for so long.
    func begin(_ grace: Duration) {
        let alarm = self.time.schedule(at: self.time.now.advanced(by: grace)) {
            // Under the lock, since after the end the socket's number may be another's.
            self.state.withLock { state in
                if !state.isOver { PostgresSocket.shutDown(self.socket, .both) }
            }
        }
        self.state.withLock { $0.alarm = alarm }
    }

    func end() {
        let alarm = self.state.withLock { state in
            state.isOver = true
            return state.alarm
        }
        if let alarm { self.time.cancel(alarm) }
    }
}
