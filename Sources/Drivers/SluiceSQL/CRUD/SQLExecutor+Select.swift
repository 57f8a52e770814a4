// SPDX-License-Identifier: Apache-2.0

/// Rows in an order, and where the next ones begin.
public struct SQLPage<Row: Sendable>: Sendable {
    /// The rows, in order.
    public let rows: [Row]
    /// Where the next page begins; nil if these were the last rows.
    public let next: SQLCursor?

    /// Creates a page.
    public init(rows: [Row], next: SQLCursor?) {
        self.rows = rows
        self.next = next
    }

    /// The same page with its rows as something else.
    public func map<Other: Sendable>(_ transform: (Row) throws -> Other) rethrows -> SQLPage<Other> {
        SQLPage<Other>(rows: try self.rows.map(transform), next: self.next)
    }
}

extension SQLExecutor {
    /// The first row of a table that meets a condition, or nil.
    ///
    /// - Parameters:
    ///   - table: The table's name, which is checked.
    ///   - condition: Which rows are meant, for example `["id": 7]`.
    ///   - order: Which row is the first, if there can be several.
    ///   - columns: The columns to read; all if nil.
    public func selectOne(
        _ table: String, where condition: SQLCondition = .always, order: [SQLOrder] = [], columns: [String]? = nil
    ) async throws -> SQLRow? {
        let statements = TableStatements(table, self.dialect)
        let query = statements.select(columns, where: condition, order: order, limit: 1)
        return try await self.rows(query, reading: [table]).first
    }

    /// The rows of a table that meet a condition, 100 of them at most unless told otherwise.
    ///
    /// - Parameters:
    ///   - table: The table's name, which is checked.
    ///   - condition: Which rows are meant.
    ///   - order: How they are put in order; without one, in any.
    ///   - limit: How many rows at most; not below 0.
    ///   - offset: How many rows to pass over first; not below 0. The engine reads those too, so for many pages use
    ///     ``selectPage(_:where:order:after:limit:columns:)``.
    ///   - columns: The columns to read; all if nil.
    public func selectMany(
        _ table: String, where condition: SQLCondition = .always, order: [SQLOrder] = [], limit: Int = 100,
        offset: Int = 0, columns: [String]? = nil
    ) async throws -> SQLRows {
        try Self.check(limit: limit, offset: offset)
        let statements = TableStatements(table, self.dialect)
        let query = statements.select(columns, where: condition, order: order, limit: limit, offset: offset)
        return try await self.rows(query, reading: [table])
    }

    /// One page of the rows that meet a condition, found by where the page before it ended.
    ///
    /// - Parameters:
    ///   - table: The table's name, which is checked.
    ///   - condition: Which rows are meant.
    ///   - order: How they are put in order; together the columns must tell any two rows apart, so the last is usually the key.
    ///   - cursor: Where the page before ended; nil for the first page.
    ///   - limit: How many rows at most; at least 1.
    ///   - columns: The columns to read; all if nil. The order's columns are read as well.
    /// - Throws: ``SQLError`` of kind `decoding` if the cursor belongs to another order.
    public func selectPage(
        _ table: String, where condition: SQLCondition = .always, order: [SQLOrder], after cursor: SQLCursor? = nil,
        limit: Int = 100, columns: [String]? = nil
    ) async throws -> SQLPage<SQLRow> {
        try Self.check(limit: limit, offset: 0, least: 1)
        guard !order.isEmpty else { throw SQLError(.statement, message: "pages need an order") }
        var condition = condition
        if let cursor { condition = condition && (try cursor.condition(order, on: self.dialect)) }
        let columns = columns.map { columns in
            columns + order.map(\.column).filter { !columns.contains($0) }
        }
        let statements = TableStatements(table, self.dialect)
        let query = statements.select(columns, where: condition, order: order, limit: limit + 1)
        let rows = try await self.rows(query, reading: [table])
        let page = Array(rows.prefix(limit))
        guard rows.count > limit, let last = page.last else { return SQLPage(rows: page, next: nil) }
        return SQLPage(rows: page, next: try SQLCursor(after: last, in: order))
    }

    /// How many rows of a table meet a condition.
    public func count(_ table: String, where condition: SQLCondition = .always) async throws -> Int {
        let query = TableStatements(table, self.dialect).count(where: condition)
        guard let row = try await self.rows(query, reading: [table]).first else { return 0 }
        return try row.decode(at: 0)
    }

    /// Whether any row of a table meets a condition.
    public func exists(_ table: String, where condition: SQLCondition = .always) async throws -> Bool {
        let query = TableStatements(table, self.dialect).exists(where: condition)
        return try await !self.rows(query, reading: [table]).isEmpty
    }

    /// Limits come from outside often enough, so a wrong one is an error.
    private static func check(limit: Int, offset: Int, least: Int = 0) throws(SQLError) {
        guard limit >= least, limit < Int.max, offset >= 0 else {
            throw SQLError(.statement, message: "a limit or an offset is out of range")
        }
    }
}
