// SPDX-License-Identifier: Apache-2.0

/// What an upsert does with a row that is there already.
package enum UpsertAction: Sendable, Hashable {
    case nothing
    /// Sets columns to what was given, and counts one up.
    case update([String], increment: String? = nil)
}

extension TableStatements {
    /// How many values one statement may bind: SQLite's bound since 3.32 and the 16 bits of the others' protocols.
    ///
    /// - Source: sqlite.org, "Implementation Limits", 9; PostgreSQL 15, "Message Formats", Bind; MariaDB, COM_STMT_PREPARE.
    var parameterLimit: Int { self.dialect == .sqlite ? 32_766 : 65_535 }

    /// How many rows one insert takes: beyond some hundred the work of parsing grows and nothing is gained.
    func rowsPerInsert(columns: Int) -> Int {
        max(1, min(500, self.parameterLimit / max(1, columns)))
    }

    /// Whether an insert can return the row as it was stored.
    ///
    /// MariaDB can and MySQL cannot, and they are one dialect.
    var hasReturning: Bool { self.dialect != .mysql }

    package func insert(_ fields: SQLFields, returns columns: [String]? = nil, returnsRow: Bool = false) -> SQLQuery {
        SQLQuery { query in
            self.appendInsert(fields.columns, [fields.sources][...], to: &query)
            if returnsRow {
                query.appendLiteral(" RETURNING ")
                query.append(columns: columns)
            }
        }
    }

    func insert(_ columns: [String], _ rows: ArraySlice<[SQLFields.Source]>) -> SQLQuery {
        SQLQuery { self.appendInsert(columns, rows, to: &$0) }
    }

    package func upsert(
        _ fields: SQLFields, conflict: [String], _ action: UpsertAction, returnsRow: Bool = false
    ) -> SQLQuery {
        guard !conflict.isEmpty, !fields.isEmpty else {
            return SQLQuery(
                fault: SQLError(.statement, message: "an upsert needs columns, and which of them are the key"))
        }
        return SQLQuery { query in
            self.appendInsert(fields.columns, [fields.sources][...], to: &query)
            if self.dialect == .mysql {
                self.appendDuplicateKey(conflict, action, to: &query)
            } else {
                self.appendConflict(conflict, action, to: &query)
            }
            if returnsRow { query.appendLiteral(" RETURNING *") }
        }
    }

    private func appendInsert(
        _ columns: [String], _ rows: ArraySlice<[SQLFields.Source]>, to query: inout SQLQuery.StringInterpolation
    ) {
        query.appendLiteral("INSERT INTO ")
        query.appendInterpolation(identifier: self.table)
        guard !columns.isEmpty else {
            return query.appendLiteral(self.dialect == .mysql ? " () VALUES ()" : " DEFAULT VALUES")
        }
        query.appendLiteral(" (")
        query.append(columns: columns)
        query.appendLiteral(") VALUES ")
        for (index, row) in rows.enumerated() {
            query.appendLiteral(index == 0 ? "(" : ", (")
            for (index, source) in row.enumerated() {
                if index > 0 { query.appendLiteral(", ") }
                query.append(source)
            }
            query.appendLiteral(")")
        }
    }

    private func appendConflict(
        _ conflict: [String], _ action: UpsertAction, to query: inout SQLQuery.StringInterpolation
    ) {
        query.appendLiteral(" ON CONFLICT (")
        query.append(columns: conflict)
        guard case .update(let columns, let counter) = action else { return query.appendLiteral(") DO NOTHING") }
        query.appendLiteral(") DO UPDATE SET ")
        for (index, column) in columns.enumerated() {
            if index > 0 { query.appendLiteral(", ") }
            query.appendInterpolation(identifier: column)
            query.appendLiteral(" = excluded.")
            query.appendInterpolation(identifier: column)
        }
        guard let counter else { return }
        if !columns.isEmpty { query.appendLiteral(", ") }
        query.appendInterpolation(identifier: counter)
        query.appendLiteral(" = ")
        // The stored row goes by the table's name without its schema.
        query.appendInterpolation(identifier: self.table.split(separator: ".").last.map(String.init) ?? "")
        query.appendLiteral(".")
        query.appendInterpolation(identifier: counter)
        query.appendLiteral(" + 1")
    }

    private func appendDuplicateKey(
        _ conflict: [String], _ action: UpsertAction, to query: inout SQLQuery.StringInterpolation
    ) {
        query.appendLiteral(" ON DUPLICATE KEY UPDATE ")
        guard case .update(let columns, let counter) = action else {
            // What a row is found by already holds what it is set to.
            query.appendInterpolation(identifier: conflict[0])
            query.appendLiteral(" = ")
            return query.appendInterpolation(identifier: conflict[0])
        }
        for (index, column) in columns.enumerated() {
            if index > 0 { query.appendLiteral(", ") }
            query.appendInterpolation(identifier: column)
            // Deprecated by MySQL 8.0.20, but the only form that MariaDB has too.
            query.appendLiteral(" = VALUES(")
            query.appendInterpolation(identifier: column)
            query.appendLiteral(")")
        }
        guard let counter else { return }
        if !columns.isEmpty { query.appendLiteral(", ") }
        query.appendInterpolation(identifier: counter)
        query.appendLiteral(" = ")
        query.appendInterpolation(identifier: counter)
        query.appendLiteral(" + 1")
    }
}
