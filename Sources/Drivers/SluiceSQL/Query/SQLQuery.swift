// SPDX-License-Identifier: Apache-2.0

/// A statement and its parameters; what is interpolated is bound, never pasted into the text.
///
/// ```swift
/// let query: SQLQuery = "SELECT * FROM members WHERE club = \(club) AND joined >= \(date)"
/// ```
///
/// A query can be part of another (`\(query)`), so that conditions are put together as values, not as text. A name that is only
/// known at run time goes in as `\(identifier: name)`, and a list of values as `IN \(list: values)`.
public struct SQLQuery: Sendable, Hashable, ExpressibleByStringInterpolation {
    /// The text between the parameters: one piece more than there are values.
    public private(set) var pieces: [String]
    /// The values to bind, in order.
    public private(set) var values: [SQLValue]
    /// What is wrong with a name that was put in; the query is refused when it is run.
    public private(set) var fault: SQLError?

    /// A statement without parameters.
    public init(stringLiteral value: String) {
        self.pieces = [value]
        self.values = []
    }

    /// A statement with parameters.
    public init(stringInterpolation: StringInterpolation) {
        self.pieces = stringInterpolation.pieces
        self.values = stringInterpolation.values
        self.fault = stringInterpolation.fault
    }

    /// The text with a parameter for each value, as an engine wants it.
    ///
    /// Safe to log: the values are not in it.
    public func text(for dialect: SQLDialect) -> String {
        guard dialect.hasNumberedParameters, self.pieces.count > 1 else { return self.text }
        var text = self.pieces[0]
        for number in 1..<self.pieces.count {
            text += "$"
            text += String(number)
            text += self.pieces[number]
        }
        return text
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
        fileprivate var fault: SQLError?

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

        /// Binds values in parentheses, for `IN`; an empty list is one that nothing is in.
        public mutating func appendInterpolation(list values: some Sequence<some SQLConvertible>) {
            var count = 0
            for value in values {
                self.appendLiteral(count == 0 ? "(" : ", ")
                self.appendInterpolation(value)
                count += 1
            }
            self.appendLiteral(count == 0 ? "(SELECT NULL WHERE 1 = 0)" : ")")
        }

        /// Puts in the quoted name of a table or column.
        public mutating func appendInterpolation(_ identifier: SQLIdentifier) {
            self.appendLiteral(identifier.quoted)
        }

        /// Puts in the quoted name of a table or column that is checked; the query is refused if it is none.
        public mutating func appendInterpolation(identifier name: String) {
            do throws(SQLError) {
                self.appendLiteral(try SQLIdentifier(name).quoted)
            } catch {
                self.fault = self.fault ?? error
            }
        }

        /// Has the query refused when it is run.
        mutating func refuse(_ error: SQLError) { self.fault = self.fault ?? error }

        /// Puts another query in, with its values.
        public mutating func appendInterpolation(_ query: SQLQuery) {
            self.fault = self.fault ?? query.fault
            self.pieces[self.pieces.count - 1] += query.pieces[0]
            self.pieces += query.pieces.dropFirst()
            self.values += query.values
        }
    }
}
