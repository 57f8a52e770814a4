// SPDX-License-Identifier: Apache-2.0
public import SluiceSQL

extension PostgresDriver {
    /// Copies what a query returns, as fast as PostgreSQL gives it and no faster than `body` reads.
    ///
    /// ```swift
    /// try await postgres.copyOut("SELECT * FROM matches WHERE season = \(season)", as: .csv) { chunks in
    ///     for try await chunk in chunks { try await file.write(chunk) }
    /// }
    /// ```
    ///
    /// One piece of some 64 KiB and what the sockets hold is all that is in memory. If `body` ends before the rows do, or throws, or
    /// the task is cancelled, the server is told to stop. Neither the call nor the statement has a time limit.
    ///
    /// - Parameters:
    ///   - query: One statement that returns rows, such as `SELECT …` or `TABLE …`; its values are sent as literals.
    ///   - format: The rows' form.
    ///   - body: Called once.
    /// - Throws: ``SQLError``, what `body` throws, or `CancellationError`.
    public func copyOut<Value>(
        _ query: SQLQuery, as format: PostgresCopyFormat = .text,
        _ body: (PostgresCopyChunks) async throws -> Value
    ) async throws -> Value {
        if let fault = query.fault { throw fault }
        return try await self.lending { try await $0.copyOut(query, format, body) }
    }
}
