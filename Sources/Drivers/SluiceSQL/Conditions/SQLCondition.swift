// SPDX-License-Identifier: Apache-2.0

/// Which rows are meant, as a value: names are checked, values are bound, and nothing is ever pasted into a statement.
///
/// ```swift
/// let grown: SQLCondition = ["club": 3] && .atLeast("age", 18) && !.in("status", ["left", "banned"])
/// ```
///
/// As in SQL, a null is neither equal nor unequal to a value, so `!.equal("age", 18)` leaves out rows without an age; equal to
/// null, though, means what it says.
public struct SQLCondition: Sendable, Hashable {
    enum Comparison: String, Sendable, Hashable {
        case equal = "="
        case notEqual = "<>"
        case less = "<"
        case atMost = "<="
        case greater = ">"
        case atLeast = ">="
    }

    indirect enum Node: Sendable, Hashable {
        case constant(Bool)
        case comparison(String, Comparison, SQLValue)
        case membership(String, [SQLValue])
        case between(String, SQLValue, SQLValue)
        case like(String, String)
        case isNull(String)
        case json(String, path: [String], text: String)
        case all([Node])
        case any([Node])
        case not(Node)
        case sql(SQLQuery)
    }

    let node: Node

    /// Whether it is true of every row, whatever they hold, as far as its form tells.
    public var isAlwaysTrue: Bool { self.node == .constant(true) }

    /// True of every row.
    public static let always = Self(node: .constant(true))
    /// True of no row.
    public static let never = Self(node: .constant(false))

    /// The column holds `value`; null if that is null.
    public static func equal(_ column: String, _ value: any SQLConvertible) -> Self {
        let value = value.sqlValue
        return value == .null ? .isNull(column) : Self(node: .comparison(column, .equal, value))
    }

    /// The column holds another value; any value if that is null.
    public static func notEqual(_ column: String, _ value: any SQLConvertible) -> Self {
        let value = value.sqlValue
        return value == .null ? .isNotNull(column) : Self(node: .comparison(column, .notEqual, value))
    }

    /// The column is less than `value`.
    public static func less(_ column: String, _ value: any SQLConvertible) -> Self {
        Self(node: .comparison(column, .less, value.sqlValue))
    }

    /// The column is `value` or less.
    public static func atMost(_ column: String, _ value: any SQLConvertible) -> Self {
        Self(node: .comparison(column, .atMost, value.sqlValue))
    }

    /// The column is greater than `value`.
    public static func greater(_ column: String, _ value: any SQLConvertible) -> Self {
        Self(node: .comparison(column, .greater, value.sqlValue))
    }

    /// The column is `value` or greater.
    public static func atLeast(_ column: String, _ value: any SQLConvertible) -> Self {
        Self(node: .comparison(column, .atLeast, value.sqlValue))
    }

    /// The column is between two values, both included.
    public static func between(_ column: String, _ low: any SQLConvertible, _ high: any SQLConvertible) -> Self {
        Self(node: .between(column, low.sqlValue, high.sqlValue))
    }

    /// The column is null.
    public static func isNull(_ column: String) -> Self { Self(node: .isNull(column)) }

    /// The column is not null.
    public static func isNotNull(_ column: String) -> Self { Self(node: .not(.isNull(column))) }

    /// The column holds one of the values; of no row if there are none, and a null among them stands for null.
    public static func `in`<Values: Sequence>(_ column: String, _ values: Values) -> Self
    where Values.Element: SQLConvertible {
        let all = values.map(\.sqlValue)
        let known = all.filter { $0 != .null }
        var alternatives: [Self] = known.isEmpty ? [] : [Self(node: .membership(column, known))]
        if known.count < all.count { alternatives.append(.isNull(column)) }
        return .any(alternatives)
    }

    /// The column fits a pattern: `%` stands for any text, `_` for one character, and `!` before either, or before itself, for that
    /// character.
    ///
    /// Upper and lower case are the same to SQLite and to MySQL's usual collations, and not to PostgreSQL.
    public static func like(_ column: String, _ pattern: String) -> Self { Self(node: .like(column, pattern)) }

    /// The column contains a text, in which nothing has a special meaning; upper and lower case as with ``like(_:_:)``.
    public static func contains(_ column: String, _ text: String) -> Self { .like(column, "%\(Self.escape(text))%") }

    /// The column begins with a text, in which nothing has a special meaning; upper and lower case as with ``like(_:_:)``.
    public static func hasPrefix(_ column: String, _ text: String) -> Self { .like(column, "\(Self.escape(text))%") }

    /// The column ends with a text, in which nothing has a special meaning; upper and lower case as with ``like(_:_:)``.
    public static func hasSuffix(_ column: String, _ text: String) -> Self { .like(column, "%\(Self.escape(text))") }

    /// The JSON in a column has a text at a path of keys.
    ///
    /// The path is bound like any value; a key with a quotation mark, a backslash or a control character is refused.
    public static func json(_ column: String, _ path: [String], equals text: String) -> Self {
        Self(node: .json(column, path: path, text: text))
    }

    /// A condition in SQL, for what conditions as values cannot say.
    public static func sql(_ query: SQLQuery) -> Self { Self(node: .sql(query)) }

    private static func escape(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            if scalar == "%" || scalar == "_" || scalar == "!" { escaped.unicodeScalars.append("!") }
            escaped.unicodeScalars.append(scalar)
        }
        return escaped
    }
}
