// SPDX-License-Identifier: Apache-2.0

/// The statements that read and change one table, as an engine wants them.
package struct TableStatements: Sendable {
    let table: String
    let dialect: SQLDialect

    package init(_ table: String, _ dialect: SQLDialect) {
        self.table = table
        self.dialect = dialect
    }

    package func select(
        _ columns: [String]?, where condition: SQLCondition, order: [SQLOrder] = [], limit: Int? = nil, offset: Int = 0
    ) -> SQLQuery {
        SQLQuery { query in
            query.appendLiteral("SELECT ")
            query.append(columns: columns)
            query.appendLiteral(" FROM ")
            query.appendInterpolation(identifier: self.table)
            self.append(condition, to: &query)
            query.append(order, for: self.dialect)
            guard let limit else { return }
            query.appendLiteral(" LIMIT ")
            query.appendInterpolation(limit)
            guard offset != 0 else { return }
            query.appendLiteral(" OFFSET ")
            query.appendInterpolation(offset)
        }
    }

    package func count(where condition: SQLCondition) -> SQLQuery {
        SQLQuery { query in
            query.appendLiteral("SELECT count(*) AS n FROM ")
            query.appendInterpolation(identifier: self.table)
            self.append(condition, to: &query)
        }
    }

    package func exists(where condition: SQLCondition) -> SQLQuery {
        SQLQuery { query in
            query.appendLiteral("SELECT 1 AS n FROM ")
            query.appendInterpolation(identifier: self.table)
            self.append(condition, to: &query)
            query.appendLiteral(" LIMIT 1")
        }
    }

    package func update(_ fields: SQLFields, where condition: SQLCondition, returnsRows: Bool = false) -> SQLQuery {
        guard !fields.isEmpty else {
            return SQLQuery(fault: SQLError(.statement, message: "an update needs a column to set"))
        }
        return SQLQuery { query in
            query.appendLiteral("UPDATE ")
            query.appendInterpolation(identifier: self.table)
            query.appendLiteral(" SET ")
            for (index, (column, source)) in zip(fields.columns, fields.sources).enumerated() {
                if index > 0 { query.appendLiteral(", ") }
                query.appendInterpolation(identifier: column)
                query.appendLiteral(" = ")
                query.append(source)
            }
            self.append(condition, to: &query)
            if returnsRows { query.appendLiteral(" RETURNING *") }
        }
    }

    package func delete(where condition: SQLCondition) -> SQLQuery {
        SQLQuery { query in
            query.appendLiteral("DELETE FROM ")
            query.appendInterpolation(identifier: self.table)
            self.append(condition, to: &query)
        }
    }

    private func append(_ condition: SQLCondition, to query: inout SQLQuery.StringInterpolation) {
        guard !condition.isAlwaysTrue else { return }
        query.appendLiteral(" WHERE ")
        query.append(condition.node, for: self.dialect, isInner: false)
    }
}

extension SQLQuery.StringInterpolation {
    mutating func append(columns: [String]?) {
        guard let columns, !columns.isEmpty else { return self.appendLiteral("*") }
        for (index, column) in columns.enumerated() {
            if index > 0 { self.appendLiteral(", ") }
            self.appendInterpolation(identifier: column)
        }
    }

    mutating func append(_ source: SQLFields.Source) {
        switch source {
        case .value(let value): self.appendInterpolation(value)
        case .expression(let expression): self.appendInterpolation(expression)
        }
    }
}
