// SPDX-License-Identifier: Apache-2.0

extension SQLCondition {
    /// The condition as SQL, all its values bound.
    public func query(for dialect: SQLDialect) -> SQLQuery {
        SQLQuery { $0.append(self.node, for: dialect, isInner: false) }
    }
}

extension SQLQuery {
    /// Puts a statement together piece by piece.
    init(_ build: (inout StringInterpolation) -> Void) {
        var interpolation = StringInterpolation(literalCapacity: 0, interpolationCount: 4)
        build(&interpolation)
        self.init(stringInterpolation: interpolation)
    }

    /// A statement that is refused when it is run.
    init(fault: SQLError) {
        self = SQLQuery { $0.refuse(fault) }
    }
}

extension SQLQuery.StringInterpolation {
    mutating func append(_ node: SQLCondition.Node, for dialect: SQLDialect, isInner: Bool) {
        switch node {
        case .constant(let isTrue): self.appendLiteral(isTrue ? "1 = 1" : "1 = 0")
        case .comparison(let column, let comparison, let value):
            self.appendInterpolation(identifier: column)
            self.appendLiteral(" \(comparison.rawValue) ")
            self.appendInterpolation(value)
        case .membership(let column, let values):
            self.appendInterpolation(identifier: column)
            self.appendLiteral(" IN ")
            self.appendInterpolation(list: values)
        case .between(let column, let low, let high):
            self.appendInterpolation(identifier: column)
            self.appendLiteral(" BETWEEN ")
            self.appendInterpolation(low)
            self.appendLiteral(" AND ")
            self.appendInterpolation(high)
        case .like(let column, let pattern): self.append(column, like: pattern)
        case .isNull(let column):
            self.appendInterpolation(identifier: column)
            self.appendLiteral(" IS NULL")
        case .json(let column, let path, let text): self.append(column, path, text, for: dialect)
        case .all(let nodes): self.append(nodes, " AND ", for: dialect, isInner: isInner)
        case .any(let nodes): self.append(nodes, " OR ", for: dialect, isInner: isInner)
        case .not(.isNull(let column)):
            self.appendInterpolation(identifier: column)
            self.appendLiteral(" IS NOT NULL")
        case .not(let node):
            self.appendLiteral("NOT (")
            self.append(node, for: dialect, isInner: false)
            self.appendLiteral(")")
        case .sql(let query):
            self.appendLiteral("(")
            self.appendInterpolation(query)
            self.appendLiteral(")")
        }
    }

    private mutating func append(
        _ nodes: [SQLCondition.Node], _ separator: String, for dialect: SQLDialect, isInner: Bool
    ) {
        if isInner { self.appendLiteral("(") }
        for (index, node) in nodes.enumerated() {
            if index > 0 { self.appendLiteral(separator) }
            self.append(node, for: dialect, isInner: true)
        }
        if isInner { self.appendLiteral(")") }
    }

    private mutating func append(_ column: String, like pattern: String) {
        // SQLite ends a pattern at a null character: what came before it would match by itself.
        guard !pattern.utf8.contains(0) else {
            return self.refuse(SQLError(.statement, message: "a pattern cannot contain a null character"))
        }
        self.appendInterpolation(identifier: column)
        self.appendLiteral(" LIKE ")
        self.appendInterpolation(pattern)
        // Not a backslash, which MySQL's literals take for their own.
        self.appendLiteral(" ESCAPE '!'")
    }

    private mutating func append(_ column: String, _ path: [String], _ text: String, for dialect: SQLDialect) {
        guard !path.isEmpty, path.allSatisfy(Self.isJSONKey) else {
            return self.refuse(
                SQLError(
                    .statement,
                    message: "a JSON key is not empty and has no quotation mark, backslash or control character"
                ))
        }
        switch dialect {
        case .postgres:
            self.appendLiteral("jsonb_extract_path_text(CAST(")
            self.appendInterpolation(identifier: column)
            self.appendLiteral(" AS jsonb)")
            for key in path {
                self.appendLiteral(", CAST(")
                self.appendInterpolation(key)
                self.appendLiteral(" AS text)")
            }
            self.appendLiteral(")")
        case .sqlite, .mysql:
            let keys = path.map { ".\"\($0)\"" }.joined()
            self.appendLiteral(dialect == .sqlite ? "CAST(json_extract(" : "JSON_UNQUOTE(JSON_EXTRACT(")
            self.appendInterpolation(identifier: column)
            self.appendLiteral(", ")
            self.appendInterpolation("$\(keys)")
            self.appendLiteral(dialect == .sqlite ? ") AS TEXT)" : "))")
        }
        self.appendLiteral(" = ")
        self.appendInterpolation(text)
    }

    private static func isJSONKey(_ key: String) -> Bool {
        !key.isEmpty
            && key.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0 != "\"" && $0 != "\\" && $0.value != 0x7F }
    }
}
