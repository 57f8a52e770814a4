// SPDX-License-Identifier: Apache-2.0

/// One value of a column or a bound parameter, as every engine has it.
///
/// Types that an engine has beyond these come as text: decimals, dates without a time, UUIDs, JSON.
public enum SQLValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])
    /// A moment, in microseconds since the beginning of 1970, UTC; SQLite, which has no such type, keeps it as text.
    case timestamp(Int64)

    /// The kind of value, without the value itself, for error messages.
    public var typeName: String {
        switch self {
        case .null: "null"
        case .integer: "integer"
        case .real: "real"
        case .text: "text"
        case .blob: "blob"
        case .timestamp: "timestamp"
        }
    }
}

/// A type that goes into a query and comes out of a row.
public protocol SQLConvertible {
    /// The value to bind.
    var sqlValue: SQLValue { get }

    /// The value read, or nil if it is of another type or out of range.
    init?(sqlValue: SQLValue)
}

extension Int64: SQLConvertible {
    /// The integer.
    public var sqlValue: SQLValue { .integer(self) }

    /// Takes an integer.
    public init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self = value
    }
}

extension Int: SQLConvertible {
    /// The integer.
    public var sqlValue: SQLValue { .integer(Int64(self)) }

    /// Takes an integer.
    public init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self.init(exactly: value)
    }
}

extension Bool: SQLConvertible {
    /// 1 or 0.
    public var sqlValue: SQLValue { .integer(self ? 1 : 0) }

    /// Takes 1 or 0.
    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .integer(0): self = false
        case .integer(1): self = true
        default: return nil
        }
    }
}

extension Double: SQLConvertible {
    /// The number.
    public var sqlValue: SQLValue { .real(self) }

    /// Takes a number.
    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .real(let value): self = value
        case .integer(let value): self = Double(value)
        default: return nil
        }
    }
}

extension String: SQLConvertible {
    /// The text.
    public var sqlValue: SQLValue { .text(self) }

    /// Takes text.
    public init?(sqlValue: SQLValue) {
        guard case .text(let value) = sqlValue else { return nil }
        self = value
    }
}

extension Optional: SQLConvertible where Wrapped: SQLConvertible {
    /// The value, or null.
    public var sqlValue: SQLValue { self?.sqlValue ?? .null }

    /// Takes a value or null.
    public init?(sqlValue: SQLValue) {
        if case .null = sqlValue {
            self = .none
            return
        }
        guard let value = Wrapped(sqlValue: sqlValue) else { return nil }
        self = .some(value)
    }
}

extension Int32: SQLConvertible {
    /// The integer.
    public var sqlValue: SQLValue { .integer(Int64(self)) }

    /// Takes an integer.
    public init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self.init(exactly: value)
    }
}

extension [UInt8]: SQLConvertible {
    /// The bytes.
    public var sqlValue: SQLValue { .blob(self) }

    /// Takes bytes, and text as its UTF-8.
    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .blob(let value): self = value
        case .text(let value): self = Array(value.utf8)
        default: return nil
        }
    }
}
