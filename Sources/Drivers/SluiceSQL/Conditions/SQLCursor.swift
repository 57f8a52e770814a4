// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Where a page of rows ended: the last row's values in the columns of the order.
///
/// True however many rows are added before it, and as fast for the last page as for the first, unlike an offset.
public struct SQLCursor: Sendable, Hashable {
    /// The values, in the columns' order.
    public let values: [SQLValue]
    /// Which order it belongs to.
    let order: String

    /// The place just after a row.
    ///
    /// - Throws: ``SQLError`` of kind `decoding` if the row does not have every column of the order.
    public init(after row: SQLRow, in order: [SQLOrder]) throws(SQLError) {
        var values: [SQLValue] = []
        for term in order { values.append(try row.decode(term.column)) }
        self.values = values
        self.order = Self.fingerprint(order)
    }

    /// Reads a cursor back from the text that a client was given.
    ///
    /// - Throws: ``SQLError`` of kind `decoding` if it is none.
    public init(text: String) throws(SQLError) {
        let base64 = text.replacing("-", with: "+").replacing("_", with: "/")
        let padding = String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: base64 + padding),
            let parts = try? JSONDecoder().decode([String].self, from: data), let order = parts.first
        else { throw Self.malformed }
        self.order = order
        var values: [SQLValue] = []
        for part in parts.dropFirst() {
            guard let value = SQLValue(cursorText: part) else { throw Self.malformed }
            values.append(value)
        }
        self.values = values
    }

    /// The cursor as text that fits a URL; opaque to clients.
    public var text: String {
        let parts = [self.order] + self.values.map(\.cursorText)
        // Cannot fail: strings always have a JSON form.
        let data = (try? JSONEncoder().encode(parts)) ?? Data()
        return data.base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    private static let malformed = SQLError(.decoding, message: "the text is no cursor")

    static func fingerprint(_ order: [SQLOrder]) -> String {
        Fingerprint.hexadecimal(order.map { "\($0.column) \($0.isDescending)" }.joined(separator: ","))
    }
}

extension SQLCursor {
    /// What is true of the rows after the cursor.
    ///
    /// - Throws: ``SQLError`` of kind `decoding` if the cursor belongs to another order.
    func condition(_ order: [SQLOrder], on dialect: SQLDialect) throws(SQLError) -> SQLCondition {
        guard !order.isEmpty, self.values.count == order.count, self.order == Self.fingerprint(order) else {
            throw SQLError(.decoding, message: "the cursor belongs to rows in another order")
        }
        if self.isSimple(order, on: dialect) { return self.rowComparison(order) }
        var alternatives: [SQLCondition] = []
        var before: [SQLCondition] = []
        for (term, value) in zip(order, self.values) {
            alternatives.append(.all(before + [Self.after(value, term, on: dialect)]))
            before.append(.equal(term.column, value))
        }
        let condition = SQLCondition.any(alternatives)
        // Says in one comparison what the alternatives have in common, so that an index's range can be used.
        guard self.values[0] != .null, order[0].nulls(on: dialect) != .last else { return condition }
        let comparison: SQLCondition.Comparison = order[0].isDescending ? .atMost : .atLeast
        return SQLCondition(node: .comparison(order[0].column, comparison, self.values[0])) && condition
    }

    /// Whether the rows after it are those whose values, taken together, are greater (or less); MySQL finds no range by that.
    private func isSimple(_ order: [SQLOrder], on dialect: SQLDialect) -> Bool {
        guard dialect != .mysql || order.count == 1, !self.values.contains(.null) else { return false }
        return order.allSatisfy { $0.isDescending == order[0].isDescending && $0.nulls(on: dialect) != .last }
    }

    private func rowComparison(_ order: [SQLOrder]) -> SQLCondition {
        .sql(
            SQLQuery { query in
                query.appendLiteral("(")
                for (index, term) in order.enumerated() {
                    if index > 0 { query.appendLiteral(", ") }
                    query.appendInterpolation(identifier: term.column)
                }
                query.appendLiteral(order[0].isDescending ? ") < " : ") > ")
                query.appendInterpolation(list: self.values)
            })
    }

    private static func after(_ value: SQLValue, _ term: SQLOrder, on dialect: SQLDialect) -> SQLCondition {
        let nulls = term.nulls(on: dialect)
        guard value != .null else { return nulls == .first ? .isNotNull(term.column) : .never }
        let beyond = SQLCondition(node: .comparison(term.column, term.isDescending ? .less : .greater, value))
        return nulls == .last ? beyond || .isNull(term.column) : beyond
    }
}

extension SQLValue {
    fileprivate var cursorText: String {
        switch self {
        case .null: "n"
        case .integer(let value): "i\(value)"
        case .real(let value): "r\(value)"
        case .text(let value): "t\(value)"
        case .blob(let value): "b\(Data(value).base64EncodedString())"
        case .timestamp(let value): "d\(value)"
        }
    }

    fileprivate init?(cursorText text: String) {
        let rest = String(text.dropFirst())
        let value: SQLValue? =
            switch text.first {
            case "n": rest.isEmpty ? .null : nil
            case "i": Int64(rest).map { .integer($0) }
            case "r": Double(rest).map { .real($0) }
            case "t": .text(rest)
            case "b": Data(base64Encoded: rest).map { .blob(Array($0)) }
            case "d": Int64(rest).map { .timestamp($0) }
            default: nil
            }
        guard let value else { return nil }
        self = value
    }
}
