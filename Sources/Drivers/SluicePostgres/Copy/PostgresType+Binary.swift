// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

extension PostgresType {
    /// Whether values are written to columns of this type in its binary form.
    ///
    /// Not where our values are text that only the server knows how to read: decimals, days, times, UUIDs.
    var isWrittenBinary: Bool {
        switch self {
        case .bool, .bytea, .int2, .int4, .int8, .float8, .text, .varchar, .bpchar, .json, .jsonb, .timestamp,
            .timestamptz:
            true
        default: false
        }
    }

    /// Adds a value's length and binary form.
    ///
    /// - Returns: False if the value is not of this type, and then some bytes may have been added.
    func append(_ value: SQLValue, to bytes: inout [UInt8]) throws(SQLError) -> Bool {
        switch (self, value) {
        case (_, .null):
            bytes.append(bigEndian: Int32(-1))
        case (.int8, .integer(let value)):
            bytes.append(sized: value)
        case (.int4, .integer(let value)):
            guard let value = Int32(exactly: value) else { return false }
            bytes.append(sized: value)
        case (.int2, .integer(let value)):
            guard let value = Int16(exactly: value) else { return false }
            bytes.append(sized: value)
        case (.bool, .integer(let value)):
            guard let value = UInt8(exactly: value), value <= 1 else { return false }
            bytes.append(sized: value)
        case (.float8, .real(let value)):
            bytes.append(sized: value.bitPattern)
        case (.float8, .integer(let value)):
            guard let value = Double(exactly: value) else { return false }
            bytes.append(sized: value.bitPattern)
        case (.timestamp, .timestamp(let value)), (.timestamptz, .timestamp(let value)):
            let (moment, isTooFar) = value.subtractingReportingOverflow(Self.epoch)
            // The least and the greatest number are the server's infinities.
            guard !isTooFar, moment != .min else { return false }
            bytes.append(sized: moment)
        case (.bytea, .blob(let value)):
            guard let length = Int32(exactly: value.count) else { return false }
            bytes.append(bigEndian: length)
            bytes += value
        case (.text, .text(let text)), (.varchar, .text(let text)), (.bpchar, .text(let text)),
            (.json, .text(let text)):
            return try Self.append(text, version: nil, to: &bytes)
        case (.jsonb, .text(let text)):
            return try Self.append(text, version: 1, to: &bytes)
        default:
            return false
        }
        return true
    }

    private static func append(_ text: String, version: UInt8?, to bytes: inout [UInt8]) throws(SQLError) -> Bool {
        var text = text
        let (isWritten, hasZero) = text.withUTF8 { utf8 in
            guard let length = Int32(exactly: utf8.count + (version == nil ? 0 : 1)) else { return (false, false) }
            bytes.append(bigEndian: length)
            if let version { bytes.append(version) }
            bytes.append(contentsOf: utf8)
            return (true, utf8.contains(0))
        }
        if hasZero { throw .zeroByteInText }
        return isWritten
    }
}

extension [UInt8] {
    /// Adds a number in network order.
    mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { self.append(contentsOf: $0) }
    }

    /// Adds how many bytes a number has, and the number, in network order.
    fileprivate mutating func append(sized value: some FixedWidthInteger) {
        self.append(bigEndian: Int32(value.bitWidth / 8))
        self.append(bigEndian: value)
    }
}
