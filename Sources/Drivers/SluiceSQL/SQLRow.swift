// SPDX-License-Identifier: Apache-2.0

/// What a statement answered.
public struct SQLResult: Sendable {
    /// The rows, empty for a statement that returns none.
    public let rows: [SQLRow]
    /// How many rows the statement inserted, updated or deleted.
    public let changeCount: Int

    /// Creates a result, for drivers.
    public init(rows: [SQLRow], changeCount: Int) {
        self.rows = rows
        self.changeCount = changeCount
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

    func index(of name: String) -> Int? { self.indices[name] }
}

/// One row, as values that outlive the statement.
public struct SQLRow: Sendable {
    /// The names of its columns.
    public let columns: SQLColumns
    /// Its values, in the columns' order.
    public let values: [SQLValue]

    /// Creates a row, for drivers.
    public init(columns: SQLColumns, values: [SQLValue]) {
        self.columns = columns
        self.values = values
    }

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
        guard let value = Value(sqlValue: self.values[index]) else {
            throw SQLError(.decoding, message: "column \(column) is \(self.values[index].typeName), not \(Value.self)")
        }
        return value
    }
}
