// SPDX-License-Identifier: Apache-2.0

/// Columns and what they are to hold, in order.
///
/// ```swift
/// try await database.updateOne("members", set: ["name": "Ada", "age": Int?.none], where: ["id": 7])
/// ```
public struct SQLFields: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    enum Source: Sendable, Hashable {
        case value(SQLValue)
        case expression(SQLQuery)
    }

    /// The columns' names, each once.
    public private(set) var columns: [String] = []
    private(set) var sources: [Source] = []

    /// No columns.
    public init() {}

    /// Columns in the order in which they are written.
    public init(dictionaryLiteral elements: (String, any SQLConvertible)...) {
        for (column, value) in elements { self[column] = value.sqlValue }
    }

    /// Columns in the order of their names.
    public init(_ values: [String: any SQLConvertible]) {
        for (column, value) in values.sorted(by: { $0.key < $1.key }) { self.append(column, value.sqlValue) }
    }

    /// Whether there are none.
    public var isEmpty: Bool { self.columns.isEmpty }

    /// The value of a column; nil if the column is not among them, or is an expression.
    ///
    /// Setting nil leaves the column out.
    public subscript(_ column: String) -> SQLValue? {
        get {
            guard let index = self.columns.firstIndex(of: column), case .value(let value) = self.sources[index] else {
                return nil
            }
            return value
        }
        set { self.set(column, newValue.map { .value($0) }) }
    }

    /// Adds a column, or changes it.
    public mutating func set(_ column: String, to value: any SQLConvertible) {
        self[column] = value.sqlValue
    }

    /// Has a column hold what an expression comes to, for example `fields.setExpression("total", "total + \(5)")`.
    public mutating func setExpression(_ column: String, _ expression: SQLQuery) {
        self.set(column, .expression(expression))
    }

    /// Has a number in a column grow, without its being read first.
    public mutating func increment(_ column: String, by amount: some SQLConvertible & Numeric) {
        self.setExpression(column, "\(identifier: column) + \(amount)")
    }

    private mutating func set(_ column: String, _ source: Source?) {
        let index = self.columns.firstIndex(of: column)
        switch (index, source) {
        case (let index?, let source?): self.sources[index] = source
        case (let index?, nil):
            self.columns.remove(at: index)
            self.sources.remove(at: index)
        case (nil, let source?):
            self.columns.append(column)
            self.sources.append(source)
        case (nil, nil): break
        }
    }

    /// Adds a column that is not there yet.
    mutating func append(_ column: String, _ value: SQLValue) {
        self.columns.append(column)
        self.sources.append(.value(value))
    }

    func source(of column: String) -> Source? {
        self.columns.firstIndex(of: column).map { self.sources[$0] }
    }
}
