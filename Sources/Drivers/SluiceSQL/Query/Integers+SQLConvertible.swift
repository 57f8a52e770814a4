// SPDX-License-Identifier: Apache-2.0

extension Int8: SQLConvertible {
    /// The integer.
    public var sqlValue: SQLValue { .integer(Int64(self)) }

    /// Takes an integer in range.
    public init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self.init(exactly: value)
    }
}

extension Int16: SQLConvertible {
    /// The integer.
    public var sqlValue: SQLValue { .integer(Int64(self)) }

    /// Takes an integer in range.
    public init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self.init(exactly: value)
    }
}

extension UInt8: SQLConvertible {
    /// The integer.
    public var sqlValue: SQLValue { .integer(Int64(self)) }

    /// Takes an integer in range.
    public init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self.init(exactly: value)
    }
}

extension UInt16: SQLConvertible {
    /// The integer.
    public var sqlValue: SQLValue { .integer(Int64(self)) }

    /// Takes an integer in range.
    public init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self.init(exactly: value)
    }
}

extension UInt32: SQLConvertible {
    /// The integer.
    public var sqlValue: SQLValue { .integer(Int64(self)) }

    /// Takes an integer in range.
    public init?(sqlValue: SQLValue) {
        guard case .integer(let value) = sqlValue else { return nil }
        self.init(exactly: value)
    }
}

extension UInt: SQLConvertible {
    /// The integer; as text if it is above `Int64.max`.
    public var sqlValue: SQLValue { Int64(exactly: self).map { .integer($0) } ?? .text(String(self)) }

    /// Takes an integer in range, and text that says one.
    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .integer(let value): self.init(exactly: value)
        case .text(let text): self.init(text)
        default: return nil
        }
    }
}

extension UInt64: SQLConvertible {
    /// The integer; as text if it is above `Int64.max`.
    public var sqlValue: SQLValue { Int64(exactly: self).map { .integer($0) } ?? .text(String(self)) }

    /// Takes an integer in range, and text that says one.
    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .integer(let value): self.init(exactly: value)
        case .text(let text): self.init(text)
        default: return nil
        }
    }
}
