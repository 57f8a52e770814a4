// SPDX-License-Identifier: Apache-2.0

extension SQLExecutor {
    /// The record with a key, or nil.
    public func find<Record: SQLRecord>(_ type: Record.Type, _ key: any SQLConvertible) async throws -> Record? {
        try await self.selectOne(type, where: .equal(Record.key, key))
    }

    /// The first record that meets a condition, or nil.
    public func selectOne<Record: SQLRecord>(
        _ type: Record.Type, where condition: SQLCondition = .always, order: [SQLOrder] = []
    ) async throws -> Record? {
        try await self.selectOne(Record.table, where: condition, order: order)
            .map { try SQLRowDecoder().decode(type, from: $0) }
    }

    /// The records that meet a condition, 100 of them at most unless told otherwise; see ``selectMany(_:where:order:limit:offset:columns:)``.
    public func selectMany<Record: SQLRecord>(
        _ type: Record.Type, where condition: SQLCondition = .always, order: [SQLOrder] = [], limit: Int = 100,
        offset: Int = 0
    ) async throws -> [Record] {
        try await self.selectMany(Record.table, where: condition, order: order, limit: limit, offset: offset)
            .decode(type)
    }

    /// One page of the records that meet a condition, found by where the page before it ended.
    ///
    /// - Parameter order: How they are put in order; the key is added to it, so that any two records differ.
    public func selectPage<Record: SQLRecord>(
        _ type: Record.Type, where condition: SQLCondition = .always, order: [SQLOrder] = [],
        after cursor: SQLCursor? = nil, limit: Int = 100
    ) async throws -> SQLPage<Record> {
        var order = order
        if !order.contains(where: { $0.column == Record.key }) {
            let isDescending = order.last?.isDescending ?? false
            order.append(
                isDescending ? .descending(Record.key, nulls: .never) : .ascending(Record.key, nulls: .never))
        }
        let page = try await self.selectPage(
            Record.table, where: condition, order: order, after: cursor, limit: limit)
        return SQLPage(rows: try page.rows.map { try SQLRowDecoder().decode(type, from: $0) }, next: page.next)
    }

    /// How many records meet a condition.
    public func count<Record: SQLRecord>(
        _ type: Record.Type, where condition: SQLCondition = .always
    ) async throws -> Int {
        try await self.count(Record.table, where: condition)
    }

    /// Whether any record meets a condition.
    public func exists<Record: SQLRecord>(
        _ type: Record.Type, where condition: SQLCondition = .always
    ) async throws -> Bool {
        try await self.exists(Record.table, where: condition)
    }
}

extension SQLExecutor {
    /// Inserts a record and returns it as it was stored, with the key that the engine made for it.
    @discardableResult
    public func insertOne<Record: SQLRecord>(_ record: Record) async throws -> Record {
        let row = try await self.insertOne(Record.table, try record.fieldsToInsert(), key: Record.key)
        return try SQLRowDecoder().decode(Record.self, from: row)
    }

    /// Inserts records, all or none, and returns how many.
    @discardableResult
    public func insertMany<Record: SQLRecord>(_ records: [Record]) async throws -> Int {
        try await self.insertMany(Record.table, try records.map { try $0.fieldsToInsert() })
    }

    /// Stores a record over the one with the same key, and returns it as it is stored then.
    ///
    /// - Throws: ``SQLError`` of kind `missing` if there is no record with its key, and of kind `conflict` if that is of another
    ///   version.
    @discardableResult
    public func updateOne<Record: SQLRecord>(_ record: Record) async throws -> Record {
        let (fields, condition, key) = try record.change()
        let statements = TableStatements(Record.table, self.dialect)
        let query = statements.update(fields, where: condition, returnsRows: statements.hasReturning)
        return try await self.atomically { executor in
            let result = try await executor.execute(query, changing: [Record.table])
            if result.changeCount == 0 && result.rows.isEmpty {
                throw try await executor.reasonForNoChange(of: Record.self, key)
            }
            if let row = result.rows.first { return try SQLRowDecoder().decode(Record.self, from: row) }
            guard let stored = try await executor.find(Record.self, key) else {
                throw SQLError(.missing, message: "there is no such row")
            }
            return stored
        }
    }

    /// Changes every record that meets a condition and returns how many there were.
    ///
    /// - Throws: ``SQLError`` of kind `statement` if the condition is true of every row: ``updateAll(_:set:)`` does that.
    @discardableResult
    public func updateMany<Record: SQLRecord>(
        _ type: Record.Type, set fields: SQLFields, where condition: SQLCondition
    ) async throws -> Int {
        var fields = fields
        if let version = Record.version { fields.increment(version, by: 1) }
        return try await self.updateMany(Record.table, set: fields, where: condition)
    }

    /// Inserts a record, or stores it over the one with the same key, and returns it as it is stored then.
    ///
    /// The version of a stored record is counted up and not compared: the last one wins.
    ///
    /// - Parameter conflict: The columns by which the record is found; its key if nil.
    @discardableResult
    public func upsert<Record: SQLRecord>(_ record: Record, conflict: [String]? = nil) async throws -> Record {
        let fields = try record.fieldsToInsert()
        let conflict = conflict ?? [Record.key]
        let kept = conflict + [Record.key, Record.version].compactMap(\.self)
        let updated = fields.columns.filter { !kept.contains($0) }
        let hasChange = !updated.isEmpty || Record.version != nil
        let action: UpsertAction = hasChange ? .update(updated, increment: Record.version) : .nothing
        let row = try await self.upsert(Record.table, fields, conflict, action)
        return try SQLRowDecoder().decode(Record.self, from: row)
    }

    /// Deletes a record.
    ///
    /// - Throws: ``SQLError`` of kind `missing` if there is no record with its key, and of kind `conflict` if that is of another
    ///   version.
    public func deleteOne<Record: SQLRecord>(_ record: Record) async throws {
        let (_, condition, key) = try record.change()
        let query = TableStatements(Record.table, self.dialect).delete(where: condition)
        try await self.atomically { executor in
            guard try await executor.execute(query, changing: [Record.table]).changeCount == 0 else { return }
            throw try await executor.reasonForNoChange(of: Record.self, key)
        }
    }

    /// Deletes the record with a key, of whatever version.
    ///
    /// - Throws: ``SQLError`` of kind `missing` if there is none.
    public func deleteOne<Record: SQLRecord>(_ type: Record.Type, _ key: any SQLConvertible) async throws {
        try await self.deleteOne(Record.table, where: .equal(Record.key, key))
    }

    /// Deletes every record that meets a condition and returns how many there were.
    ///
    /// - Throws: ``SQLError`` of kind `statement` if the condition is true of every row: ``deleteAll(_:)`` does that.
    @discardableResult
    public func deleteMany<Record: SQLRecord>(
        _ type: Record.Type, where condition: SQLCondition
    ) async throws -> Int {
        try await self.deleteMany(Record.table, where: condition)
    }

    private func reasonForNoChange<Record: SQLRecord>(of type: Record.Type, _ key: SQLValue) async throws -> SQLError {
        guard Record.version != nil, try await self.exists(type, where: .equal(Record.key, key)) else {
            return SQLError(.missing, message: "there is no such row")
        }
        return SQLError(.conflict, message: "the row was changed since it was read; read it again")
    }
}
