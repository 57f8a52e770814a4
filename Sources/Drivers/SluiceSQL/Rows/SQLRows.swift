// SPDX-License-Identifier: Apache-2.0

/// Where a result's rows read their values from, in the form in which the engine gave them.
///
/// A value is decoded when it is asked for, by whoever asks: so a driver's thread only hands the bytes over, and what nobody reads
/// costs nothing.
public protocol SQLRowStorage: AnyObject, Sendable {
    /// The columns' names.
    var columns: SQLColumns { get }
    /// How many columns there are: asked for with every value, and so without a look at their names.
    var columnCount: Int { get }
    /// How many rows there are.
    var rowCount: Int { get }
    /// One value; both numbers are in range.
    func value(row: Int, column: Int) -> SQLValue
}

/// A result's rows, in the engine's order.
public struct SQLRows: RandomAccessCollection, Sendable {
    @usableFromInline let storage: any SQLRowStorage
    /// Where they begin in the storage.
    @usableFromInline let offset: Int
    /// 0.
    public let startIndex = 0
    /// How many rows there are.
    public let endIndex: Int

    /// Rows of an engine's result, for drivers.
    public init(_ storage: any SQLRowStorage) {
        self.init(storage, 0..<storage.rowCount)
    }

    private init(_ storage: any SQLRowStorage, _ range: Range<Int>) {
        self.storage = storage
        self.offset = range.lowerBound
        self.endIndex = range.count
    }

    /// Some of the rows, for drivers that hand a result over piece by piece.
    public func part(_ range: Range<Int>) -> SQLRows {
        precondition(range.lowerBound >= 0 && range.upperBound <= self.endIndex, "there are \(self.endIndex) rows")
        return SQLRows(self.storage, self.offset + range.lowerBound..<self.offset + range.upperBound)
    }

    /// No rows.
    public static let none = SQLRows(SQLValues(columns: SQLColumns([]), rowCount: 0, values: []))

    /// One row.
    @inlinable
    public subscript(position: Int) -> SQLRow {
        precondition(position >= 0 && position < self.endIndex, "there is no such row")
        return SQLRow(storage: self.storage, index: self.offset + position)
    }
}

/// Rows as one array of values, for engines whose own form does not outlive the statement.
public final class SQLValues: SQLRowStorage {
    /// The columns' names.
    public let columns: SQLColumns
    /// How many columns there are.
    public let columnCount: Int
    /// How many rows there are.
    public let rowCount: Int
    private let values: [SQLValue]

    /// Creates the storage.
    ///
    /// - Parameter values: Row after row, `rowCount` times as many as there are columns.
    public init(columns: SQLColumns, rowCount: Int, values: [SQLValue]) {
        precondition(
            values.count == rowCount * columns.names.count, "so many rows of so many columns are as many values")
        self.columns = columns
        self.columnCount = columns.names.count
        self.rowCount = rowCount
        self.values = values
    }

    /// One value.
    public func value(row: Int, column: Int) -> SQLValue { self.values[row * self.columnCount + column] }
}
