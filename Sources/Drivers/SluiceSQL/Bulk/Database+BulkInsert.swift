// SPDX-License-Identifier: Apache-2.0

extension SQLTransaction {
    /// Inserts rows the fastest way that the engine has, all or none: by `COPY` on PostgreSQL, as arrays of values on MariaDB, as
    /// statements of many rows on MySQL, by one prepared statement on SQLite.
    ///
    /// - Parameters:
    ///   - table: The table's name, which is checked.
    ///   - columns: The columns' names, at least one, in the order of a row's values.
    ///   - rows: Rows of as many values each; read no further ahead than 10,000 rows or about 1 MiB.
    /// - Returns: How many rows there were.
    /// - Throws: ``SQLError``, of kind `statement` if a row has another number of values; what `rows` throws. No error of it has
    ///   the transaction repeated.
    @discardableResult
    public func bulkInsert<Rows: AsyncSequence>(
        into table: String, columns: [String], _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue] {
        try await self.withSavepoint { try await $0.insertInBulk(table, columns, rows) }
    }
}

extension Database {
    /// Inserts rows the fastest way that the engine has, all or none, in a transaction of its own.
    ///
    /// ```swift
    /// let count = try await database.bulkInsert(into: "readings", columns: ["sensor", "value"], readings)
    /// ```
    ///
    /// The sequence is read once, so it is not begun again after a connection was lost.
    ///
    /// - Parameters:
    ///   - table: The table's name, which is checked.
    ///   - columns: The columns' names, at least one, in the order of a row's values.
    ///   - rows: Rows of as many values each; read no further ahead than 10,000 rows or about 1 MiB.
    ///   - timeout: The longest it may take; nil for what the database was opened with.
    /// - Returns: How many rows there were.
    /// - Throws: ``SQLError``, of kind `statement` if a row has another number of values; what `rows` throws.
    @discardableResult
    public func bulkInsert<Rows: AsyncSequence>(
        into table: String, columns: [String], timeout: Duration? = nil, _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue] {
        var options = TransactionOptions.write
        options.timeout = timeout
        return try await self.withTransaction(options) { transaction in
            try await transaction.insertInBulk(table, columns, rows)
        }
    }

    /// Inserts rows that are there already the fastest way that the engine has; see ``bulkInsert(into:columns:timeout:_:)``.
    @discardableResult
    public func bulkInsert(
        into table: String, columns: [String], timeout: Duration? = nil, _ rows: some Sequence<[SQLValue]>
    ) async throws -> Int {
        try await self.bulkInsert(into: table, columns: columns, timeout: timeout, ImmediateSequence(base: rows))
    }

    /// Inserts records the fastest way that the engine has, all or none; see ``bulkInsert(into:columns:timeout:_:)``.
    ///
    /// - Parameter records: Records that all have a key, or none of which has one.
    @discardableResult
    public func bulkInsert<Records: AsyncSequence>(
        _ records: Records, timeout: Duration? = nil
    ) async throws -> Int where Records.Element: SQLRecord {
        var records = records.makeAsyncIterator()
        guard let first = try await records.next(isolation: #isolation) else { return 0 }
        let head = try first.fieldsToInsert()
        let rows = RecordRows(columns: head.columns, first: first, rest: records)
        return try await self.bulkInsert(
            into: Records.Element.table, columns: head.columns, timeout: timeout, rows)
    }
}

extension SQLTransaction {
    func insertInBulk<Rows: AsyncSequence>(
        _ table: String, _ columns: [String], _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue] {
        guard !columns.isEmpty else { throw SQLError(.statement, message: "a bulk insert needs columns") }
        let table = try SQLIdentifier(table)
        let columns = try columns.map { name throws(SQLError) in try SQLIdentifier(name) }
        let names = columns.map(\.name).joined(separator: ", ")
        let maker = self.watch.companion()
        // Rows that are read once cannot be read again from their beginning.
        return try await SQLError.final(once: { true }) {
            try await self.changing(table.name, "bulk insert into \(table.name) (\(names))", beside: maker) {
                guard self.watch.observer != nil else {
                    return try await $0.bulkInsert(into: table, columns: columns, rows)
                }
                let rows = CompanionRows(base: rows, companion: maker)
                return try await $0.bulkInsert(into: table, columns: columns, rows)
            }
        }
    }
}

/// Rows whose making is not the statement's time.
private struct CompanionRows<Base: AsyncSequence>: AsyncSequence {
    let base: Base
    let companion: StatementCompanion

    struct Iterator: AsyncIteratorProtocol {
        var base: Base.AsyncIterator
        let companion: StatementCompanion

        mutating func next(isolation actor: isolated (any Actor)?) async throws -> Base.Element? {
            let start = self.companion.begin()
            do {
                let element = try await self.base.next(isolation: actor)
                self.companion.end(start)
                return element
            } catch {
                self.companion.end(start, error)
                throw error
            }
        }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(base: self.base.makeAsyncIterator(), companion: self.companion)
    }
}

/// Records as rows of the columns that the first of them has.
private struct RecordRows<Records: AsyncIteratorProtocol>: AsyncSequence where Records.Element: SQLRecord {
    let columns: [String]
    let first: Records.Element
    let rest: Records

    struct Iterator: AsyncIteratorProtocol {
        let columns: [String]
        var first: Records.Element?
        var rest: Records

        mutating func next(isolation actor: isolated (any Actor)?) async throws -> [SQLValue]? {
            var record = self.first.take()
            if record == nil { record = try await self.rest.next(isolation: actor) }
            guard let record else { return nil }
            let fields = try record.fieldsToInsert()
            let values = self.columns.compactMap { fields[$0] }
            guard values.count == self.columns.count, fields.columns.count == values.count else {
                throw SQLError(.statement, message: "records that are inserted together all have a key, or none has")
            }
            return values
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(columns: self.columns, first: self.first, rest: self.rest) }
}
