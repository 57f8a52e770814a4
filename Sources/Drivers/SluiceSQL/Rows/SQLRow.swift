// SPDX-License-Identifier: Apache-2.0

/// What a statement answered.
public struct SQLResult: Sendable {
    /// The rows, empty for a statement that returns none.
    public let rows: SQLRows
    /// How many rows the statement inserted, updated or deleted.
    public let changeCount: Int
    /// The key that the engine made for the row inserted last, where it says so of itself (SQLite, MySQL); PostgreSQL's come
    /// from `RETURNING`.
    public let insertedID: Int64?

    /// Creates a result, for drivers.
    public init(rows: SQLRows, changeCount: Int, insertedID: Int64? = nil) {
        self.rows = rows
        self.changeCount = changeCount
        self.insertedID = insertedID
    }
}

/// The names of a result's columns, shared by its rows.
public final class SQLColumns: Sendable {
    /// The names in order.
    public let names: [String]
    private let indices: [String: Int]

    /// Creates the names, for drivers; of equal names the first is found.
    public init(_ names: [String]) {
        self.names = names
        self.indices = Dictionary(zip(names, names.indices), uniquingKeysWith: { first, _ in first })
    }

    /// Where a column stands.
    public func index(of name: String) -> Int? { self.indices[name] }
}

/// One row, as values that outlive the statement.
public struct SQLRow: Sendable {
    @usableFromInline let storage: any SQLRowStorage
    @usableFromInline let index: Int

    /// A row of a result; the number is in range.
    @inlinable
    init(storage: any SQLRowStorage, index: Int) {
        self.storage = storage
        self.index = index
    }

    /// The names of its columns.
    public var columns: SQLColumns { self.storage.columns }

    /// The value of a column by its place, from 0.
    @inlinable
    public subscript(_ column: Int) -> SQLValue { self.storage.value(row: self.index, column: column) }

    /// Its values, in the columns' order.
    public var values: [SQLValue] { self.columns.names.indices.map { self[$0] } }

    /// The value of a column.
    ///
    /// - Throws: ``SQLError`` of kind `decoding` if there is no such column or its value is not of this type; the message
    ///   names the column and the types, never the value.
    public func decode<Value: SQLConvertible>(_ column: String, as type: Value.Type = Value.self) throws(SQLError)
        -> Value
    {
        guard let index = self.columns.index(of: column) else {
            throw SQLError(
                .decoding, message: "no column \(column); there are \(self.columns.names.joined(separator: ", "))")
        }
        return try self.decode(at: index)
    }

    /// The value of a column by its place, from 0.
    ///
    /// - Throws: ``SQLError`` of kind `decoding`, as ``decode(_:as:)``.
    @inlinable
    public func decode<Value: SQLConvertible>(at index: Int, as type: Value.Type = Value.self) throws(SQLError) -> Value
    {
        guard index < self.storage.columnCount else { throw self.missing(index) }
        let value = self[index]
        guard let decoded = Value(sqlValue: value) else { throw self.mismatch(index, value, "\(Value.self)") }
        return decoded
    }

    /// The first columns as a tuple, for example `row.decode((Int64, String).self)`.
    ///
    /// - Throws: ``SQLError`` of kind `decoding`, as ``decode(_:as:)``.
    public func decode<each Value: SQLConvertible>(_ type: (repeat each Value).Type) throws(SQLError) -> (
        repeat each Value
    ) {
        var index = -1
        func next<One: SQLConvertible>(_ type: One.Type) throws(SQLError) -> One {
            index += 1
            return try self.decode(at: index)
        }
        return (repeat try next((each Value).self))
    }

    @usableFromInline
    func missing(_ index: Int) -> SQLError {
        SQLError(.decoding, message: "no column \(index); there are \(self.columns.names.count)")
    }

    @usableFromInline
    func mismatch(_ index: Int, _ value: SQLValue, _ type: String) -> SQLError {
        SQLError(.decoding, message: "column \(self.columns.names[index]) is \(value.typeName), not \(type)")
    }
}
