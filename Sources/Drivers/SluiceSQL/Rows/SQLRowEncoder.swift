// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Makes columns and values from a value of an `Encodable` type, as ``SQLRowDecoder`` reads them.
///
/// A property that is nil becomes null.
public struct SQLRowEncoder: Sendable {
    /// Creates an encoder.
    public init() {}

    /// The columns and values of a record.
    ///
    /// - Throws: ``SQLError`` of kind `statement` if it is no structure with properties.
    public func encode(_ record: some Encodable) throws -> SQLFields {
        let collector = FieldCollector()
        do {
            try record.encode(to: RowEncoder(collector: collector))
        } catch is ColumnDecoder.HasStructure {
        }
        guard collector.hasKeys else { throw SQLError(.statement, message: "a record has properties") }
        return collector.fields
    }
}

/// Where a record's properties come together.
final class FieldCollector {
    var fields = SQLFields()
    var hasKeys = false
}

/// A record on its way into columns.
struct RowEncoder: Encoder {
    let collector: FieldCollector
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        self.collector.hasKeys = true
        return KeyedEncodingContainer(RowFields<Key>(collector: self.collector))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer { ColumnEncoder(slot: ColumnSlot()).unkeyedContainer() }
    func singleValueContainer() -> any SingleValueEncodingContainer { ColumnSlot() }
}

/// A type's properties as a row's columns.
struct RowFields<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let collector: FieldCollector
    var codingPath: [any CodingKey] { [] }

    private func set(_ key: Key, _ value: (any SQLConvertible)?) {
        self.collector.fields[key.stringValue] = value?.sqlValue ?? .null
    }

    mutating func encodeNil(forKey key: Key) throws { self.set(key, nil) }
    mutating func encode(_ value: Bool, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: String, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: Double, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: Float, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: Int, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: Int8, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: Int16, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: Int32, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: Int64, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: UInt, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: UInt8, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: UInt16, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: UInt32, forKey key: Key) throws { self.set(key, value) }
    mutating func encode(_ value: UInt64, forKey key: Key) throws { self.set(key, value) }
    mutating func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
        self.set(key, try ColumnSlot.value(of: value))
    }

    mutating func encodeIfPresent(_ value: Bool?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: String?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: Double?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: Float?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: Int?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: Int8?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: Int16?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: Int32?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: Int64?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: UInt?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: UInt8?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: UInt16?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: UInt32?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent(_ value: UInt64?, forKey key: Key) throws { self.set(key, value) }
    mutating func encodeIfPresent<T: Encodable>(_ value: T?, forKey key: Key) throws {
        self.set(key, try value.map { try ColumnSlot.value(of: $0) })
    }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy keyType: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> { ColumnEncoder(slot: ColumnSlot()).container(keyedBy: keyType) }
    mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        ColumnEncoder(slot: ColumnSlot()).unkeyedContainer()
    }
    mutating func superEncoder() -> any Encoder { RowEncoder(collector: self.collector) }
    mutating func superEncoder(forKey key: Key) -> any Encoder { RowEncoder(collector: self.collector) }
}
