// SPDX-License-Identifier: Apache-2.0

/// One column by which rows are put in order.
public struct SQLOrder: Sendable, Hashable {
    /// Where rows without a value stand.
    public enum Nulls: Sendable, Hashable {
        /// Before all others.
        case first
        /// After all others.
        case last
        /// There are none: the column is declared `NOT NULL`, and a page can be found by the index alone.
        case never
    }

    /// The column's name.
    public let column: String
    /// Whether the greatest value comes first.
    public let isDescending: Bool
    /// Where nulls stand; nil leaves it to the engine: PostgreSQL takes null for the greatest value, others for the least.
    public let nulls: Nulls?

    /// The least value first.
    public static func ascending(_ column: String, nulls: Nulls? = nil) -> SQLOrder {
        SQLOrder(column: column, isDescending: false, nulls: nulls)
    }

    /// The greatest value first.
    public static func descending(_ column: String, nulls: Nulls? = nil) -> SQLOrder {
        SQLOrder(column: column, isDescending: true, nulls: nulls)
    }

    /// Where nulls do stand on an engine.
    func nulls(on dialect: SQLDialect) -> Nulls {
        self.nulls ?? ((dialect == .postgres) == self.isDescending ? .first : .last)
    }
}

extension SQLQuery.StringInterpolation {
    mutating func append(_ order: [SQLOrder], for dialect: SQLDialect) {
        for (index, term) in order.enumerated() {
            self.appendLiteral(index == 0 ? " ORDER BY " : ", ")
            let nulls = term.nulls == .never ? nil : term.nulls
            if dialect == .mysql, let nulls {
                self.appendInterpolation(identifier: term.column)
                self.appendLiteral(nulls == .first ? " IS NULL DESC, " : " IS NULL, ")
            }
            self.appendInterpolation(identifier: term.column)
            if term.isDescending { self.appendLiteral(" DESC") }
            if dialect != .mysql, let nulls { self.appendLiteral(nulls == .first ? " NULLS FIRST" : " NULLS LAST") }
        }
    }
}
