// SPDX-License-Identifier: Apache-2.0

extension SQLExecutor {
    /// The names of the tables of the current schema, in order; views and the engine's own are not among them.
    public func tableNames() async throws -> [String] {
        try await self.rows(SchemaQueries(self.dialect).tables).map { try $0.decode("name") }
    }

    /// A table as the engine describes it, or nil if there is none of this name in the current schema.
    public func tableSchema(_ table: String) async throws -> SQLTableSchema? {
        let queries = SchemaQueries(self.dialect)
        let columnRows = try await self.rows(queries.columns(of: table))
        guard !columnRows.isEmpty else { return nil }
        let parts = try await self.rows(queries.indexes(of: table)).map(IndexPart.init)
        let references = try await self.rows(queries.foreignKeys(of: table)).map(ReferencePart.init)
        let primaryKey =
            self.dialect == .sqlite
            ? try SchemaQueries.sqliteKey(columnRows) : parts.filter(\.isPrimary).compactMap(\.column)
        let columns = try columnRows.map { row in
            let name = try row.decode("name", as: String.self)
            let value = try row.decode("value", as: String?.self)
            return SQLColumnSchema(
                name: name, type: try row.decode("type"), isNullable: try row.decode("nullable"),
                // MariaDB writes the absence of a default as the default that it amounts to.
                defaultValue: value == "NULL" ? nil : value,
                keyPosition: primaryKey.firstIndex(of: name).map { $0 + 1 })
        }
        return SQLTableSchema(
            name: table, columns: columns, primaryKey: primaryKey, foreignKeys: ReferencePart.keys(references),
            indexes: IndexPart.indexes(parts.filter { !$0.isPrimary }))
    }

    /// Every table of the current schema as the engine describes it, in order of their names.
    public func schema() async throws -> [SQLTableSchema] {
        var tables: [SQLTableSchema] = []
        for name in try await self.tableNames() {
            // Not there any more, if it was dropped meanwhile.
            if let table = try await self.tableSchema(name) { tables.append(table) }
        }
        return tables
    }
}

/// One column of an index, as a row of the answer.
private struct IndexPart {
    let name: String
    let column: String?
    let isUnique: Bool
    let isPrimary: Bool

    init(_ row: SQLRow) throws {
        self.name = try row.decode("name")
        self.column = try row.decode("part")
        self.isUnique = try row.decode("is_unique")
        self.isPrimary = try row.decode("is_primary")
    }

    static func indexes(_ parts: [IndexPart]) -> [SQLIndex] {
        Dictionary(grouping: parts, by: \.name).sorted { $0.key < $1.key }
            .map { SQLIndex(name: $0.key, columns: $0.value.compactMap(\.column), isUnique: $0.value[0].isUnique) }
    }
}

/// One column of a foreign key, as a row of the answer.
private struct ReferencePart {
    let name: String
    let column: String
    let table: String
    let referenced: String?
    let onDelete: String
    let onUpdate: String

    init(_ row: SQLRow) throws {
        self.name = try row.decode("name")
        self.column = try row.decode("part")
        self.table = try row.decode("referenced_table")
        self.referenced = try row.decode("referenced")
        self.onDelete = try row.decode("on_delete")
        self.onUpdate = try row.decode("on_update")
    }

    static func keys(_ parts: [ReferencePart]) -> [SQLForeignKey] {
        Dictionary(grouping: parts, by: \.name).values
            .map { parts in
                SQLForeignKey(
                    columns: parts.map(\.column), table: parts[0].table,
                    referencedColumns: parts.compactMap(\.referenced),
                    onDelete: parts[0].onDelete, onUpdate: parts[0].onUpdate)
            }
            .sorted { $0.columns.lexicographicallyPrecedes($1.columns) }
    }
}
