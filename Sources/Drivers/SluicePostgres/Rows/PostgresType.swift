// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

/// The types that we read from PostgreSQL's binary form; a result with any other type in it is asked for as text.
///
/// - Source: PostgreSQL 15, `src/include/catalog/pg_type.dat`, and each type's `…send` function for the form.
enum PostgresType: UInt32, Sendable {
    case bool = 16
    case bytea = 17
    case char = 18
    case name = 19
    case int8 = 20
    case int2 = 21
    case int4 = 23
    case text = 25
    case oid = 26
    case json = 114
    case float4 = 700
    case float8 = 701
    case unknown = 705
    case bpchar = 1042
    case varchar = 1043
    case date = 1082
    case time = 1083
    case timestamp = 1114
    case timestamptz = 1184
    case numeric = 1700
    case void = 2278
    case uuid = 2950
    case jsonb = 3802

    /// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
    static let epoch: Int64 = 946_684_800_000_000

    /// A value from its binary form.
    func binary(_ bytes: UnsafeRawBufferPointer) -> SQLValue {
        switch self {
        case .bool: .integer(bytes.first == 0 ? 0 : 1)
        case .bytea: .blob(Array(bytes))
        case .char, .name, .text, .json, .unknown, .bpchar, .varchar: .text(String(decoding: bytes, as: UTF8.self))
        // One byte says the form's version.
        case .jsonb: .text(String(decoding: bytes.dropFirst(), as: UTF8.self))
        case .int2: .integer(Int64(bytes.integer(Int16.self)))
        case .int4: .integer(Int64(bytes.integer(Int32.self)))
        case .int8: .integer(bytes.integer(Int64.self))
        case .oid: .integer(Int64(bytes.integer(UInt32.self)))
        case .float4: .real(Double(Float(bitPattern: bytes.integer(UInt32.self))))
        case .float8: .real(Double(bitPattern: bytes.integer(UInt64.self)))
        case .timestamp, .timestamptz: Self.timestamp(bytes.integer(Int64.self))
        case .date: Self.date(bytes.integer(Int32.self))
        case .time: .text(Self.time(bytes.integer(Int64.self)))
        case .uuid: .text(Self.uuid(bytes))
        case .numeric: .text(PostgresNumeric.text(bytes))
        case .void: .null
        }
    }

    /// A value from its text form; what we know no better stays text.
    static func text(_ bytes: UnsafeRawBufferPointer, _ type: PostgresType?) -> SQLValue {
        let text = String(decoding: bytes, as: UTF8.self)
        switch type {
        case .bool: return .integer(text == "t" ? 1 : 0)
        case .int2, .int4, .int8, .oid: return Int64(text).map(SQLValue.integer) ?? .text(text)
        // The shortest text of a single is not that of the double it becomes.
        case .float4: return Float(text).map { SQLValue.real(Double($0)) } ?? .text(text)
        case .float8: return Double(text).map(SQLValue.real) ?? .text(text)
        case .timestamp, .timestamptz: return SQLTimestamp.microseconds(text).map(SQLValue.timestamp) ?? .text(text)
        case .bytea: return Self.bytes(hexadecimal: text).map(SQLValue.blob) ?? .text(text)
        case .void: return .null
        default: return .text(text)
        }
    }

    private static func timestamp(_ value: Int64) -> SQLValue {
        switch value {
        case .max: .text("infinity")
        case .min: .text("-infinity")
        default: Self.finite(value)
        }
    }

    private static func finite(_ value: Int64) -> SQLValue {
        let (microseconds, isTooFar) = value.addingReportingOverflow(Self.epoch)
        guard isTooFar else { return .timestamp(microseconds) }
        let (days, rest) = value.quotientAndRemainder(dividingBy: 86_400_000_000)
        return .text("\(Self.date(of: days)) \(Self.time(rest))")
    }

    /// A day as text, counted from the beginning of 2000.
    private static func date(of days: Int64) -> String {
        String(SQLTimestamp.text(days: days + Self.epoch / 86_400_000_000, microseconds: 0).prefix { $0 != " " })
    }

    private static func date(_ days: Int32) -> SQLValue {
        switch days {
        case .max: .text("infinity")
        case .min: .text("-infinity")
        default: .text(Self.date(of: Int64(days)))
        }
    }

    /// A time of day as the server writes it, without the zeros that a fraction ends in.
    private static func time(_ microseconds: Int64) -> String {
        // The end of the day is a time, too, and not the beginning of another day.
        guard microseconds < 86_400_000_000 else { return "24:00:00" }
        let text = SQLTimestamp.text(microseconds).dropFirst(11)
        if microseconds % 1_000_000 == 0 { return String(text.prefix(8)) }
        return String(text.prefix(15 - (text.reversed().prefix { $0 == "0" }.count)))
    }

    private static let digits = Array("0123456789abcdef".utf8)

    private static func uuid(_ bytes: UnsafeRawBufferPointer) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
            text.append(Self.digits[Int(byte >> 4)])
            text.append(Self.digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func bytes(hexadecimal text: String) -> [UInt8]? {
        guard text.hasPrefix("\\x") else { return nil }
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text.dropFirst(2) {
            guard let digit = character.hexDigitValue.map(UInt8.init) else { return nil }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return high == nil ? bytes : nil
    }
}

extension UnsafeRawBufferPointer {
    /// A number in network order; 0 if there are too few bytes, which a server that keeps the protocol does not send.
    func integer<Value: FixedWidthInteger>(_ type: Value.Type, at offset: Int = 0) -> Value {
        guard self.count >= offset + MemoryLayout<Value>.size else { return 0 }
        return Value(bigEndian: self.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
}
