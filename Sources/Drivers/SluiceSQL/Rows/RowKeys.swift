// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A row's columns as a type's properties.
struct RowKeys<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let reader: RowReader
    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { self.reader.columns.names.compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool { self.reader.columns.index(of: key.stringValue) != nil }

    func decodeNil(forKey key: Key) throws -> Bool {
        guard let place = self.reader.columns.index(of: key.stringValue) else { return true }
        return self.reader.value(place) == .null
    }

    private func column(_ key: Key) throws -> ColumnValue {
        let name = key.stringValue
        guard let place = self.reader.place(of: name) else {
            throw SQLError(
                .decoding, message: "no column \(name); there are \(self.reader.columns.names.joined(separator: ", "))")
        }
        return ColumnValue(column: name, value: self.reader.value(place))
    }

    private func columnIfPresent(_ key: Key) -> ColumnValue? {
        guard let place = self.reader.place(of: key.stringValue) else { return nil }
        let value = self.reader.value(place)
        return value == .null ? nil : ColumnValue(column: key.stringValue, value: value)
    }

    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try self.column(key).converted() }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try self.column(key).converted() }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try self.column(key).converted() }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try self.column(key).converted() }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try self.column(key).converted() }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try self.column(key).converted() }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try self.column(key).converted() }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try self.column(key).converted() }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try self.column(key).converted() }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try self.column(key).converted() }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try self.column(key).converted() }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try self.column(key).converted() }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try self.column(key).converted() }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try self.column(key).converted() }
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try self.column(key).decode(type) }

    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: Int8.Type, forKey key: Key) throws -> Int8? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: Int16.Type, forKey key: Key) throws -> Int16? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) throws -> UInt8? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? {
        try self.columnIfPresent(key)?.converted()
    }
    func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
        try self.columnIfPresent(key)?.decode(type)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> { throw Self.flat }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw Self.flat }
    func superDecoder() throws -> any Decoder { RowDecoder(reader: self.reader) }
    func superDecoder(forKey key: Key) throws -> any Decoder { ColumnDecoder(column: try self.column(key)) }

    private static var flat: SQLError {
        SQLError(
            .decoding, message: "a row has no containers within; what has a structure is a property of its own type")
    }
}
