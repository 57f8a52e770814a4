// SPDX-License-Identifier: Apache-2.0

/// A type whose values are the rows of a table, each property a column of the same name.
///
/// ```swift
/// struct Member: SQLRecord {
///     static let table = "members"
///     var id: Int64?
///     var name: String
/// }
/// let ada = try await database.insertOne(Member(name: "Ada"))
/// ```
///
/// A key that is nil is left out of an insert, so that the engine makes one. With a version column, an update counts it up, and fails
/// where the stored row is not of the version that was read.
public protocol SQLRecord: Codable, Sendable {
    /// The table's name.
    static var table: String { get }
    /// The primary key's column.
    static var key: String { get }
    /// The column that counts a row's changes, if there is one.
    static var version: String? { get }
}

extension SQLRecord {
    /// `id`.
    public static var key: String { "id" }
    /// None.
    public static var version: String? { nil }

    /// The columns and values to insert.
    func fieldsToInsert() throws -> SQLFields {
        var fields = try SQLRowEncoder().encode(self)
        if fields[Self.key] == .null { fields[Self.key] = nil }
        return fields
    }

    /// What to set, and in which row, so that it becomes this record.
    func change() throws -> (fields: SQLFields, condition: SQLCondition, key: SQLValue) {
        var fields = try SQLRowEncoder().encode(self)
        guard let key = fields[Self.key], key != .null else {
            throw SQLError(.statement, message: "a record without a key cannot be updated or deleted; insert it")
        }
        fields[Self.key] = nil
        var condition = SQLCondition.equal(Self.key, key)
        if let version = Self.version {
            guard let value = fields[version] else {
                throw SQLError(.statement, message: "the record has no version to compare")
            }
            condition = condition && .equal(version, value)
            fields.increment(version, by: 1)
        }
        return (fields, condition, key)
    }
}
