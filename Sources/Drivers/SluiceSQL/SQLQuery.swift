// SPDX-License-Identifier: Apache-2.0

/// A statement and its parameters; what is interpolated is bound, never pasted into the text.
///
/// ```swift
/// let query: SQLQuery = "SELECT * FROM members WHERE club = \(club) AND joined >= \(date)"
/// ```
///
/// A query can be part of another (`\(query)`), so that conditions are put together as values, not as text.
public struct SQLQuery: Sendable, Hashable, ExpressibleByStringInterpolation {
    /// The text between the parameters: one piece more than there are values.
    public private(set) var pieces: [String]
    /// The values to bind, in order.
    public private(set) var values: [SQLValue]

    /// A statement without parameters.
    public init(stringLiteral value: String) {
        self.pieces = [value]
        self.values = []
    }

    /// A statement with parameters.
    public init(stringInterpolation: StringInterpolation) {
        self.pieces = stringInterpolation.pieces
        self.values = stringInterpolation.values
    }

    /// The text with a question mark for each value, as SQLite and MySQL want it.
    ///
    /// Safe to log: the values are not in it.
    public var text: String {
        self.pieces.count == 1 ? self.pieces[0] : self.pieces.joined(separator: "?")
    }

    /// Joins conditions by AND; an empty list is always true.
    public static func all(_ conditions: [SQLQuery]) -> SQLQuery {
        guard let first = conditions.first else { return "1 = 1" }
        return conditions.dropFirst().reduce(first) { "\($0) AND \($1)" }
    }

    /// Collects the pieces and values of an interpolated statement.
    public struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var pieces: [String] = [""]
        fileprivate var values: [SQLValue] = []

        /// Starts empty.
        public init(literalCapacity: Int, interpolationCount: Int) {
            self.pieces.reserveCapacity(interpolationCount + 1)
            self.values.reserveCapacity(interpolationCount)
        }

        /// Appends text from the source code.
        public mutating func appendLiteral(_ literal: String) {
            self.pieces[self.pieces.count - 1] += literal
        }

        /// Binds a value.
        public mutating func appendInterpolation(_ value: some SQLConvertible) {
            self.values.append(value.sqlValue)
            self.pieces.append("")
        }

        /// Binds a value, or null.
        public mutating func appendInterpolation<Value: SQLConvertible>(_ value: Value?) {
            self.values.append(value.sqlValue)
            self.pieces.append("")
        }

        /// Puts another query in, with its values.
        public mutating func appendInterpolation(_ query: SQLQuery) {
            self.pieces[self.pieces.count - 1] += query.pieces[0]
            self.pieces += query.pieces.dropFirst()
            self.values += query.values
        }
    }
}
