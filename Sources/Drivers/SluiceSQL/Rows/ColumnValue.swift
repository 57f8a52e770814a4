// SPDX-License-Identifier: Apache-2.0
import Foundation

/// One column's value, on its way into a property.
struct ColumnValue: SingleValueDecodingContainer {
    let column: String
    let value: SQLValue
    var codingPath: [any CodingKey] { [] }

    func decodeNil() -> Bool { self.value == .null }

    func converted<Value: SQLConvertible>(_ type: Value.Type = Value.self) throws -> Value {
        guard let converted = Value(sqlValue: self.value) else { throw self.mismatch(Value.self) }
        return converted
    }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        if let type = type as? any SQLConvertible.Type {
            guard let value = type.init(sqlValue: self.value) as? Value else { throw self.mismatch(Value.self) }
            return value
        }
        let decoder = ColumnDecoder(column: self)
        do {
            return try Value(from: decoder)
        } catch is ColumnDecoder.HasStructure {
            return try self.decodeJSON(type)
        } catch let error as DecodingError {
            throw SQLError(.decoding, message: "column \(self.column) is no \(Value.self): \(error.summary)")
        }
    }

    private func decodeJSON<Value: Decodable>(_ type: Value.Type) throws -> Value {
        guard let data = Data(sqlValue: self.value) else { throw self.mismatch(type) }
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            throw SQLError(.decoding, message: "column \(self.column) holds no JSON of \(type): \(error.summary)")
        }
    }

    private func mismatch(_ type: Any.Type) -> SQLError {
        SQLError(.decoding, message: "column \(self.column) is \(self.value.typeName), not \(type)")
    }

    func decode(_ type: Bool.Type) throws -> Bool { try self.converted() }
    func decode(_ type: String.Type) throws -> String { try self.converted() }
    func decode(_ type: Double.Type) throws -> Double { try self.converted() }
    func decode(_ type: Float.Type) throws -> Float { try self.converted() }
    func decode(_ type: Int.Type) throws -> Int { try self.converted() }
    func decode(_ type: Int8.Type) throws -> Int8 { try self.converted() }
    func decode(_ type: Int16.Type) throws -> Int16 { try self.converted() }
    func decode(_ type: Int32.Type) throws -> Int32 { try self.converted() }
    func decode(_ type: Int64.Type) throws -> Int64 { try self.converted() }
    func decode(_ type: UInt.Type) throws -> UInt { try self.converted() }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try self.converted() }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try self.converted() }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try self.converted() }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try self.converted() }
}

/// One column, as types want it that decode themselves: enumerations and wrappers as one value.
struct ColumnDecoder: Decoder {
    /// The type has parts, so it is JSON.
    struct HasStructure: Error {}

    let column: ColumnValue
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        throw HasStructure()
    }
    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw HasStructure() }
    func singleValueContainer() -> any SingleValueDecodingContainer { self.column }
}
