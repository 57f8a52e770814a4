// SPDX-License-Identifier: Apache-2.0
public import Foundation

extension SQLValue: SQLConvertible {
    /// The value itself.
    public var sqlValue: SQLValue { self }

    /// Takes any value, null included.
    public init?(sqlValue: SQLValue) { self = sqlValue }
}

extension Float: SQLConvertible {
    /// The number.
    public var sqlValue: SQLValue { .real(Double(self)) }

    /// Takes a number.
    public init?(sqlValue: SQLValue) {
        guard let value = Double(sqlValue: sqlValue) else { return nil }
        self = Float(value)
    }
}

extension Data: SQLConvertible {
    /// The bytes.
    public var sqlValue: SQLValue { .blob([UInt8](self)) }

    /// Takes bytes, and text as its UTF-8.
    public init?(sqlValue: SQLValue) {
        guard let bytes = [UInt8](sqlValue: sqlValue) else { return nil }
        self.init(bytes)
    }
}

extension Decimal: SQLConvertible {
    /// The number as text, so that no digit is lost.
    public var sqlValue: SQLValue { .text(self.description) }

    /// Takes text that says a number, and numbers.
    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .text(let text): self.init(string: text, locale: Locale(identifier: "en_US_POSIX"))
        case .integer(let value): self.init(value)
        case .real(let value): self.init(string: "\(value)", locale: Locale(identifier: "en_US_POSIX"))
        default: return nil
        }
    }
}

extension URL: SQLConvertible {
    /// The URL as text.
    public var sqlValue: SQLValue { .text(self.absoluteString) }

    /// Takes text that is a URL.
    public init?(sqlValue: SQLValue) {
        guard case .text(let text) = sqlValue else { return nil }
        self.init(string: text)
    }
}

/// For enumerations and wrappers that say they are ``SQLConvertible``: as their raw value.
extension RawRepresentable where Self: SQLConvertible, RawValue: SQLConvertible {
    /// The raw value.
    public var sqlValue: SQLValue { self.rawValue.sqlValue }

    /// Takes a raw value that there is.
    public init?(sqlValue: SQLValue) {
        guard let value = RawValue(sqlValue: sqlValue) else { return nil }
        self.init(rawValue: value)
    }
}
