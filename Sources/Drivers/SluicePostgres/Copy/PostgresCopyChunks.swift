// SPDX-License-Identifier: Apache-2.0
import CPQ
import Sluice
import SluiceSQL

/// The form in which `COPY` gives rows.
///
/// - Source: PostgreSQL 15, "COPY", "File Formats".
public enum PostgresCopyFormat: String, Sendable, Hashable, CaseIterable {
    /// A line for each row, a tab between columns, `\N` for null.
    case text
    /// Comma-separated values, without a header.
    case csv
    /// PostgreSQL's own binary form, with its header and its end.
    case binary
}

/// Rows on their way out of PostgreSQL, as the bytes of whole rows; read once, and only while ``PostgresDriver/copyOut(_:as:_:)``
/// runs.
///
/// The next piece is read when it is asked for: what nobody asks for waits at the server.
public struct PostgresCopyChunks: AsyncSequence {
    let reader: PostgresCopyReader

    /// What reads the pieces.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let reader: PostgresCopyReader

        /// The next piece, of about 64 KiB, or less if the server has no more at this moment.
        ///
        /// - Throws: ``SQLError``; `CancellationError` if the task is cancelled.
        public mutating func next() async throws -> [UInt8]? { try await self.reader.next() }
    }

    /// Goes on where the one before has stopped.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(reader: self.reader) }
}

/// Reads a copy, on threads on which libpq may block.
///
/// - Note: Unchecked, because it is used by one task at a time, which waits while a thread reads for it.
final class PostgresCopyReader: @unchecked Sendable {
    /// How many bytes are gathered before they are handed over.
    static let chunkSize = 64 * 1_024

    private let connection: PostgresConnection
    /// Whether the server has said that there is no more.
    private(set) var isComplete = false
    /// Whether nothing may be read any more.
    private var isOver = false
    private var failure: SQLError?

    init(_ connection: PostgresConnection) {
        self.connection = connection
    }

    func next() async throws -> [UInt8]? {
        guard !self.isOver else { throw SQLError(.statement, message: "the copy is over", hasRun: true) }
        try Task.checkCancellation()
        let chunk = self.isComplete ? [] : try await offload { self.read() }
        // What came before an error is handed over before it.
        if !chunk.isEmpty { return chunk }
        if Task.isCancelled { throw CancellationError() }
        if let failure = self.failure { throw failure }
        return nil
    }

    /// Blocks until there is something, and takes what else is there.
    private func read() -> [UInt8] {
        let handle = self.connection.handle
        var bytes: [UInt8] = []
        while bytes.count < Self.chunkSize, !self.isComplete {
            var row: UnsafeMutablePointer<CChar>?
            let count = PQgetCopyData(handle, &row, bytes.isEmpty ? 0 : 1)
            if count > 0 {
                if bytes.isEmpty { bytes.reserveCapacity(Self.chunkSize + Int(count)) }
                bytes.append(contentsOf: UnsafeRawBufferPointer(start: row, count: Int(count)))
                PQfreemem(row)
            } else if count < 0 {
                self.complete()
            } else {
                guard PostgresSocket.hasBytes(PQsocket(handle)), PQconsumeInput(handle) == 1 else { break }
            }
        }
        return bytes
    }

    /// Reads how it ended.
    private func complete() {
        self.isComplete = true
        // After an error of the line libpq would say without end that rows may be read.
        while PQstatus(self.connection.handle) == CONNECTION_OK, let result = PQgetResult(self.connection.handle) {
            if PQresultStatus(result) == PGRES_FATAL_ERROR { self.failure = self.failure ?? SQLError(postgres: result) }
            PQclear(result)
        }
        if PQstatus(self.connection.handle) != CONNECTION_OK {
            self.failure = self.failure ?? .lost(self.connection.handle)
        }
    }

    /// Lets nobody read any more.
    func end() { self.isOver = true }

    /// Throws away what is left; blocks until the server has stopped.
    func drain() {
        while !self.isComplete { _ = self.read() }
    }
}
