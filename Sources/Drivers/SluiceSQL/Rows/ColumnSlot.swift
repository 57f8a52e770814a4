// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Where one property puts its value.
final class ColumnSlot: SingleValueEncodingContainer {
    private var value = SQLValue.null
    fileprivate var hasStructure = false
    var codingPath: [any CodingKey] { [] }

    /// The value of a property: as it is, as what it encodes itself as, or as JSON if that has parts.
    static func value(of property: some Encodable) throws -> SQLValue {
        if let property = property as? any SQLConvertible { return property.sqlValue }
        let slot = ColumnSlot()
        do {
            try property.encode(to: ColumnEncoder(slot: slot))
        } catch is ColumnDecoder.HasStructure {
        }
        guard slot.hasStructure else { return slot.value }
        let encoder = JSONEncoder()
        // Equal values have equal texts.
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return .text(String(decoding: try encoder.encode(property), as: UTF8.self))
    }

    func encodeNil() throws { self.value = .null }
    func encode(_ value: Bool) throws { self.value = value.sqlValue }
    func encode(_ value: String) throws { self.value = value.sqlValue }
    func encode(_ value: Double) throws { self.value = value.sqlValue }
    func encode(_ value: Float) throws { self.value = value.sqlValue }
    func encode(_ value: Int) throws { self.value = value.sqlValue }
    func encode(_ value: Int8) throws { self.value = value.sqlValue }
    func encode(_ value: Int16) throws { self.value = value.sqlValue }
    func encode(_ value: Int32) throws { self.value = value.sqlValue }
    func encode(_ value: Int64) throws { self.value = value.sqlValue }
    func encode(_ value: UInt) throws { self.value = value.sqlValue }
    func encode(_ value: UInt8) throws { self.value = value.sqlValue }
    func encode(_ value: UInt16) throws { self.value = value.sqlValue }
    func encode(_ value: UInt32) throws { self.value = value.sqlValue }
    func encode(_ value: UInt64) throws { self.value = value.sqlValue }
    func encode<T: Encodable>(_ value: T) throws { self.value = try Self.value(of: value) }
}

/// One property, as types want it that encode themselves: enumerations and wrappers as one value, all else as JSON.
struct ColumnEncoder: Encoder {
    let slot: ColumnSlot
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        self.slot.hasStructure = true
        return KeyedEncodingContainer(NoFields<Key>())
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        self.slot.hasStructure = true
        return NoElements()
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { self.slot }
}

/// Ends an encoding that must begin again as JSON.
private struct NoFields<Key: CodingKey>: KeyedEncodingContainerProtocol {
    var codingPath: [any CodingKey] { [] }

    mutating func encodeNil(forKey key: Key) throws { throw ColumnDecoder.HasStructure() }
    mutating func encode<T: Encodable>(_ value: T, forKey key: Key) throws { throw ColumnDecoder.HasStructure() }
    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy keyType: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> { KeyedEncodingContainer(NoFields<Nested>()) }
    mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { NoElements() }
    mutating func superEncoder() -> any Encoder { ColumnEncoder(slot: ColumnSlot()) }
    mutating func superEncoder(forKey key: Key) -> any Encoder { ColumnEncoder(slot: ColumnSlot()) }
}

/// Ends an encoding that must begin again as JSON.
private struct NoElements: UnkeyedEncodingContainer {
    var codingPath: [any CodingKey] { [] }
    var count: Int { 0 }

    mutating func encodeNil() throws { throw ColumnDecoder.HasStructure() }
    mutating func encode<T: Encodable>(_ value: T) throws { throw ColumnDecoder.HasStructure() }
    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy keyType: Nested.Type
    ) -> KeyedEncodingContainer<Nested> { KeyedEncodingContainer(NoFields<Nested>()) }
    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { NoElements() }
    mutating func superEncoder() -> any Encoder { ColumnEncoder(slot: ColumnSlot()) }
}
