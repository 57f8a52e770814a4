// SPDX-License-Identifier: Apache-2.0

extension SQLExecutor {
    /// Inserts one row and returns it as it was stored, with the key that the engine made for it.
    ///
    /// ```swift
    /// let id: Int64 = try await database.insertOne("members", ["name": "Ada"]).decode("id")
    /// ```
    ///
    /// SQLite and PostgreSQL return it from the statement itself. MySQL has it read back by its key, in the same transaction; if a
    /// table has no such key there, the row is what was given.
    ///
    /// - Parameters:
    ///   - table: The table's name, which is checked.
    ///   - fields: The columns and their values; the table's defaults stand in for those left out.
    ///   - key: The key's column, which MySQL needs to know.
    ///   - columns: The columns to return; all if nil.
    @discardableResult
    public func insertOne(
        _ table: String, _ fields: SQLFields, key: String = "id", returning columns: [String]? = nil
    ) async throws -> SQLRow {
        let statements = TableStatements(table, self.dialect)
        if statements.hasReturning {
            let query = statements.insert(fields, returns: columns, returnsRow: true)
            return try Self.only(try await self.execute(query, changing: [table]).rows)
        }
        return try await self.atomically { executor in
            let result = try await executor.execute(statements.insert(fields), changing: [table])
            let made = result.insertedID.flatMap { $0 == 0 ? nil : SQLValue.integer($0) }
            guard let value = fields[key] ?? made else { return fields.row }
            let query = statements.select(columns, where: .equal(key, value), limit: 1)
            return try Self.only(try await executor.rows(query))
        }
    }

    /// Inserts rows, all or none, and returns how many.
    ///
    /// As few statements as the engine's bound on parameters allows, in one transaction if there are several.
    ///
    /// - Throws: ``SQLError`` of kind `statement` if the rows do not all have the same columns.
    @discardableResult
    public func insertMany(_ table: String, _ rows: [SQLFields]) async throws -> Int {
        guard let first = rows.first else { return 0 }
        let columns = first.columns
        let statements = TableStatements(table, self.dialect)
        let size = columns.isEmpty ? 1 : statements.rowsPerInsert(columns: columns.count)
        if rows.count <= size { return try await self.insert(rows[...], columns, statements) }
        return try await self.atomically { executor in
            var count = 0
            for start in stride(from: 0, to: rows.count, by: size) {
                let chunk = rows[start..<min(start + size, rows.count)]
                count += try await executor.insert(chunk, columns, statements)
            }
            return count
        }
    }

    private func insert(
        _ rows: ArraySlice<SQLFields>, _ columns: [String], _ statements: TableStatements
    ) async throws -> Int {
        let sources = try rows.map { row throws in
            if row.columns == columns { return row.sources }
            let sources = columns.compactMap { row.source(of: $0) }
            guard sources.count == columns.count, row.columns.count == columns.count else {
                throw SQLError(.statement, message: "rows that are inserted together have the same columns")
            }
            return sources
        }
        let query = statements.insert(columns, sources[...])
        return try await self.execute(query, changing: [statements.table]).changeCount
    }

    /// Inserts a row, or changes the row that has the same key, and returns it as it is stored then.
    ///
    /// - Parameters:
    ///   - table: The table's name, which is checked.
    ///   - fields: The columns and their values, the key among them.
    ///   - conflict: The columns of the primary key or a unique index by which the row is found. MySQL goes by any unique index.
    ///   - updated: The columns to change in a row that is there; all but the key if nil, none if empty.
    @discardableResult
    public func upsert(
        _ table: String, _ fields: SQLFields, conflict: [String], update updated: [String]? = nil
    ) async throws -> SQLRow {
        let columns = updated ?? fields.columns.filter { !conflict.contains($0) }
        return try await self.upsert(table, fields, conflict, columns.isEmpty ? .nothing : .update(columns))
    }

    func upsert(
        _ table: String, _ fields: SQLFields, _ conflict: [String], _ action: UpsertAction
    ) async throws -> SQLRow {
        let statements = TableStatements(table, self.dialect)
        if statements.hasReturning, action != .nothing {
            let query = statements.upsert(fields, conflict: conflict, action, returnsRow: true)
            return try Self.only(try await self.execute(query, changing: [table]).rows)
        }
        let key = try conflict.map { column throws in
            guard let value = fields[column] else {
                throw SQLError(.statement, message: "an upsert needs a value for each column of the key")
            }
            return SQLCondition.equal(column, value)
        }
        return try await self.atomically { executor in
            _ = try await executor.execute(statements.upsert(fields, conflict: conflict, action), changing: [table])
            return try Self.only(try await executor.rows(statements.select(nil, where: .all(key), limit: 1)))
        }
    }

    private static func only(_ rows: SQLRows) throws(SQLError) -> SQLRow {
        guard let row = rows.first else { throw SQLError(.missing, message: "the statement returned no row") }
        return row
    }
}

extension SQLFields {
    /// The values as a row.
    fileprivate var row: SQLRow {
        let values = self.columns.map { self[$0] ?? .null }
        return SQLRows(SQLValues(columns: SQLColumns(self.columns), rowCount: 1, values: values))[0]
    }
}
