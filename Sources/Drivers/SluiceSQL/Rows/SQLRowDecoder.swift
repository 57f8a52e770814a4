// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Makes values of a `Decodable` type from rows: each property from the column of the same name.
///
/// A property that is ``SQLConvertible`` takes its value as it is; an enumeration its raw value; anything with a structure of its
/// own is read as JSON text.
public struct SQLRowDecoder: Sendable {
    /// Creates a decoder.
    public init() {}

    /// A value from one row.
    ///
    /// - Throws: ``SQLError`` of kind `decoding`, which names the column and never the value.
    public func decode<Value: Decodable>(_ type: Value.Type, from row: SQLRow) throws -> Value {
        try RowReader(row.columns).decode(type, row)
    }

    /// A value from each row; where a property's column stands is found once for all of them.
    ///
    /// - Throws: ``SQLError`` of kind `decoding`, which names the column and never the value.
    public func decode<Value: Decodable>(_ type: Value.Type, from rows: SQLRows) throws -> [Value] {
        guard let first = rows.first else { return [] }
        let reader = RowReader(first.columns)
        return try rows.map { try reader.decode(type, $0) }
    }
}

extension SQLRow {
    /// The row as a value, each property from the column of the same name.
    ///
    /// - Throws: ``SQLError`` of kind `decoding`, as ``SQLRowDecoder``.
    @_disfavoredOverload
    public func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try SQLRowDecoder().decode(type, from: self)
    }
}

extension SQLRows {
    /// The rows as values, each property from the column of the same name.
    ///
    /// - Throws: ``SQLError`` of kind `decoding`, as ``SQLRowDecoder``.
    public func decode<Value: Decodable>(_ type: Value.Type) throws -> [Value] {
        try SQLRowDecoder().decode(type, from: self)
    }
}

/// Reads rows of the same columns, one after the other, in one task.
///
/// A type asks for its properties in the same order every time, so the place of the last row's answer is where the next row's is
/// looked for first; a comparison of two short strings is much less than a look into a dictionary.
final class RowReader {
    let columns: SQLColumns
    private(set) var row: SQLRow?
    private var places: [Int] = []
    private var next = 0

    init(_ columns: SQLColumns) { self.columns = columns }

    func decode<Value: Decodable>(_ type: Value.Type, _ row: SQLRow) throws -> Value {
        self.row = row
        self.next = 0
        do {
            return try Value(from: RowDecoder(reader: self))
        } catch let error as DecodingError {
            throw SQLError(.decoding, message: "no \(Value.self) in this row: \(error.summary)")
        }
    }

    /// Where a property's column stands.
    func place(of name: String) -> Int? {
        let turn = self.next
        self.next += 1
        if turn < self.places.count, self.places[turn] >= 0, self.columns.names[self.places[turn]] == name {
            return self.places[turn]
        }
        let place = self.columns.index(of: name)
        // -1 for a column that is not there, so that those after it keep their turns.
        if turn == self.places.count { self.places.append(place ?? -1) }
        return place
    }

    func value(_ place: Int) -> SQLValue { self.row?[place] ?? .null }
}

/// One row, as `Decodable` types want it.
struct RowDecoder: Decoder {
    let reader: RowReader
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(RowKeys<Key>(reader: self.reader))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        throw SQLError(.decoding, message: "a row is not an array")
    }

    /// The first column, for types that are one value.
    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        guard !self.reader.columns.names.isEmpty else { throw SQLError(.decoding, message: "the row has no columns") }
        return ColumnValue(column: self.reader.columns.names[0], value: self.reader.value(0))
    }
}

extension DecodingError {
    /// What is wrong and where, without any value.
    var summary: String {
        switch self {
        case .typeMismatch(let type, let context): "\(Self.path(context)) is not \(type)"
        case .valueNotFound(let type, let context): "\(Self.path(context)) has no \(type)"
        case .keyNotFound(let key, _): "there is no \(key.stringValue)"
        case .dataCorrupted(let context): "\(Self.path(context)) holds something else"
        @unknown default: "it cannot be decoded"
        }
    }

    private static func path(_ context: Context) -> String {
        let path = context.codingPath.map(\.stringValue).joined(separator: ".")
        return path.isEmpty ? "it" : path
    }
}
