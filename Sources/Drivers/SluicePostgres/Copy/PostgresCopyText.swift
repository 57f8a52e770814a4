// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

/// `COPY`'s text form, whose values the server reads as whatever type their column has.
///
/// - Source: PostgreSQL 15, "COPY", "Text Format".
enum PostgresCopyText {
    static func append(_ row: [SQLValue], to bytes: inout [UInt8]) throws(SQLError) {
        var isFirst = true
        for value in row {
            if !isFirst { bytes.append(0x09) }
            isFirst = false
            switch value {
            case .null: bytes += [0x5C, UInt8(ascii: "N")]
            case .integer(let value): PostgresParameters.append(value, to: &bytes)
            case .real(let value): bytes += value.description.utf8
            case .timestamp(let value):
                SQLTimestamp.append(value, to: &bytes)
                bytes += Self.utc
            case .blob(let value):
                bytes += [0x5C, 0x5C, UInt8(ascii: "x")]
                for byte in value { bytes += [Self.digits[Int(byte >> 4)], Self.digits[Int(byte & 15)]] }
            case .text(let text): try Self.append(text, to: &bytes)
            }
        }
        bytes.append(0x0A)
    }

    private static let digits = Array("0123456789abcdef".utf8)
    private static let utc = Array("+00".utf8)

    private static func append(_ text: String, to bytes: inout [UInt8]) throws(SQLError) {
        guard !text.utf8.contains(0) else { throw .zeroByteInText }
        var text = text
        text.withUTF8 { utf8 in
            // What lies between two characters that are written differently is copied at once.
            var start = 0
            for index in utf8.indices {
                let letter: UInt8
                switch utf8[index] {
                case 0x5C: letter = 0x5C
                case 0x0A: letter = UInt8(ascii: "n")
                case 0x0D: letter = UInt8(ascii: "r")
                case 0x09: letter = UInt8(ascii: "t")
                default: continue
                }
                bytes.append(contentsOf: utf8[start..<index])
                bytes.append(0x5C)
                bytes.append(letter)
                start = index + 1
            }
            bytes.append(contentsOf: utf8[start...])
        }
    }
}
