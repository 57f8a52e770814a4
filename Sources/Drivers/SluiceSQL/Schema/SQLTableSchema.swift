// SPDX-License-Identifier: Apache-2.0

/// A table as the engine describes it.
public struct SQLTableSchema: Sendable, Hashable, Codable {
    /// The table's name.
    public let name: String
    /// Its columns, in order.
    public let columns: [SQLColumnSchema]
    /// The primary key's columns, in order.
    public let primaryKey: [String]
    /// Its references to other tables, by their columns' names.
    public let foreignKeys: [SQLForeignKey]
    /// Its indexes but that of the primary key, by their names.
    public let indexes: [SQLIndex]

    /// A column by its name.
    public func column(_ name: String) -> SQLColumnSchema? { self.columns.first { $0.name == name } }
}

/// A column as the engine describes it.
public struct SQLColumnSchema: Sendable, Hashable, Codable {
    /// The column's name.
    public let name: String
    /// Its type, in the engine's words.
    public let type: String
    /// Whether it may be null.
    public let isNullable: Bool
    /// Its default, as SQL; nil if it has none.
    public let defaultValue: String?
    /// Its place in the primary key, from 1; nil if it is not part of that.
    public let keyPosition: Int?
}

/// A reference of one table to another.
public struct SQLForeignKey: Sendable, Hashable, Codable {
    /// The columns that refer.
    public let columns: [String]
    /// The table they refer to.
    public let table: String
    /// The columns they refer to, in the same order; empty where SQLite was left to take the primary key.
    public let referencedColumns: [String]
    /// What happens on a delete of the row referred to, for example `CASCADE`.
    public let onDelete: String
    /// What happens on a change of its key.
    public let onUpdate: String
}

/// An index of a table.
public struct SQLIndex: Sendable, Hashable, Codable {
    /// The index's name.
    public let name: String
    /// Its columns, in order; an expression is left out.
    public let columns: [String]
    /// Whether it allows no two equal rows.
    public let isUnique: Bool
}
