// SPDX-License-Identifier: Apache-2.0

extension SQLExecutor {
    /// Changes the one row that meets a condition.
    ///
    /// - Throws: ``SQLError`` of kind `missing` if no row meets it, and of kind `statement` if several do; then none is changed.
    public func updateOne(_ table: String, set fields: SQLFields, where condition: SQLCondition) async throws {
        let query = TableStatements(table, self.dialect).update(fields, where: try Self.limited(condition, "updateAll"))
        try await self.atomically { executor in
            try Self.checkOne(try await executor.execute(query, changing: [table]).changeCount)
        }
    }

    /// Changes every row that meets a condition and returns how many there were.
    ///
    /// - Throws: ``SQLError`` of kind `statement` if the condition is true of every row: ``updateAll(_:set:)`` does that.
    @discardableResult
    public func updateMany(_ table: String, set fields: SQLFields, where condition: SQLCondition) async throws -> Int {
        let query = TableStatements(table, self.dialect).update(fields, where: try Self.limited(condition, "updateAll"))
        return try await self.execute(query, changing: [table]).changeCount
    }

    /// Changes every row of a table and returns how many there were.
    @discardableResult
    public func updateAll(_ table: String, set fields: SQLFields) async throws -> Int {
        let query = TableStatements(table, self.dialect).update(fields, where: .always)
        return try await self.execute(query, changing: [table]).changeCount
    }

    /// Deletes the one row that meets a condition.
    ///
    /// - Throws: ``SQLError`` of kind `missing` if no row meets it, and of kind `statement` if several do; then none is deleted.
    public func deleteOne(_ table: String, where condition: SQLCondition) async throws {
        let query = TableStatements(table, self.dialect).delete(where: try Self.limited(condition, "deleteAll"))
        try await self.atomically { executor in
            try Self.checkOne(try await executor.execute(query, changing: [table]).changeCount)
        }
    }

    /// Deletes every row that meets a condition and returns how many there were.
    ///
    /// - Throws: ``SQLError`` of kind `statement` if the condition is true of every row: ``deleteAll(_:)`` does that.
    @discardableResult
    public func deleteMany(_ table: String, where condition: SQLCondition) async throws -> Int {
        let query = TableStatements(table, self.dialect).delete(where: try Self.limited(condition, "deleteAll"))
        return try await self.execute(query, changing: [table]).changeCount
    }

    /// Deletes every row of a table and returns how many there were.
    @discardableResult
    public func deleteAll(_ table: String) async throws -> Int {
        let query = TableStatements(table, self.dialect).delete(where: .always)
        return try await self.execute(query, changing: [table]).changeCount
    }

    /// Runs statements so that all of them take effect or none: as a transaction, or as a part of the one they are in.
    ///
    /// A bare connection is in whatever transaction its borrower began.
    func atomically<Value>(_ body: (any SQLExecutor) async throws -> Value) async throws -> Value {
        if let database = self as? Database { return try await database.withTransaction { try await body($0) } }
        if let transaction = self as? SQLTransaction {
            return try await transaction.withSavepoint { try await body($0) }
        }
        if let cached = self as? CachedReads { return try await cached.cache.database.atomically(body) }
        return try await body(self)
    }

    private static func limited(_ condition: SQLCondition, _ all: String) throws(SQLError) -> SQLCondition {
        guard !condition.isAlwaysTrue else {
            throw SQLError(.statement, message: "the condition is true of every row; if that is meant, use \(all)")
        }
        return condition
    }

    static func checkOne(_ count: Int) throws(SQLError) {
        guard count > 0 else { throw SQLError(.missing, message: "there is no such row") }
        guard count == 1 else {
            throw SQLError(
                .statement, message: "\(count) rows meet the condition, where one is meant; none was changed")
        }
    }
}
