// SPDX-License-Identifier: Apache-2.0
public import NIOCore

/// What a Redis server answers, as RESP3 tells it.
///
/// ```swift
/// let answer = try await redis.send("HGETALL", ["user:7"], isIdempotent: true)
/// for entry in answer.entries ?? [] { print(entry.key.text ?? "", entry.value.text ?? "") }
/// ```
///
/// - Source: RESP3 specification, `redis/redis-specifications`, `protocol/RESP3.md`.
public enum RedisValue: Sendable, Hashable {
    /// Nothing: there is no such key, field or element.
    case null
    /// Bytes: a bulk string, a simple string such as `OK`, or a verbatim string without its format.
    case string(ByteBuffer)
    /// A whole number.
    case integer(Int64)
    /// A floating-point number, infinities and NaN included.
    case double(Double)
    /// True or false.
    case boolean(Bool)
    /// A whole number of any length, in decimal digits.
    case bigNumber(String)
    /// Values in order.
    case array([RedisValue])
    /// Values without order; the server says that they are distinct.
    case set([RedisValue])
    /// Keys with their values, in the server's order.
    case map([Entry])
    /// An error within an array, as of a transaction's command; one that is the whole answer is thrown.
    case error(RedisError)

    /// One key of a map with its value.
    public struct Entry: Sendable, Hashable {
        /// The key, which may be of any kind.
        public let key: RedisValue
        /// Its value.
        public let value: RedisValue

        /// Pairs a key with its value.
        public init(key: RedisValue, value: RedisValue) {
            self.key = key
            self.value = value
        }
    }
}

extension RedisValue {
    /// Whether it is ``null``.
    public var isNull: Bool { self == .null }

    /// The bytes of a string; nil if it is none.
    public var bytes: ByteBuffer? {
        if case .string(let bytes) = self { bytes } else { nil }
    }

    /// A string as text, what is not UTF-8 in it replaced; nil if it is none.
    public var text: String? { self.bytes.map { String(buffer: $0) } }

    /// A whole number, also one that is written as a string; nil if it is none.
    public var integer: Int64? {
        switch self {
        case .integer(let number): number
        case .string(let bytes): Int64(String(buffer: bytes))
        default: nil
        }
    }

    /// The values of an array or a set; nil if it is neither.
    public var elements: [RedisValue]? {
        switch self {
        case .array(let values), .set(let values): values
        default: nil
        }
    }

    /// The entries of a map; nil if it is none.
    public var entries: [Entry]? {
        if case .map(let entries) = self { entries } else { nil }
    }

    /// What kind it is, for messages that must not show what it holds.
    var kindName: String {
        switch self {
        case .null: "null"
        case .string: "string"
        case .integer: "integer"
        case .double: "double"
        case .boolean: "boolean"
        case .bigNumber: "big number"
        case .array: "array"
        case .set: "set"
        case .map: "map"
        case .error: "error"
        }
    }
}
