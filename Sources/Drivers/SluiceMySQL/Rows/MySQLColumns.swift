// SPDX-License-Identifier: Apache-2.0
import CMariaDB
import SluiceSQL

/// How a value of a column lies in a row of the binary protocol, and what it is to us.
enum MySQLKind: UInt8, Sendable {
    case int8, uint8, int16, uint16, int32, uint32, int64, uint64
    case float, double
    /// Characters, decimals and JSON.
    case text
    case blob
    /// A number of up to 64 bits, the highest byte first.
    case bit
    case timestamp, date, time
    /// Without a type, as in `SELECT NULL`.
    case null

    /// The character set's number that means bytes.
    private static let binary: UInt32 = 63

    /// - Source: MySQL 8.0 Source Code Documentation, "Binary Protocol Resultset".
    init(_ field: MYSQL_FIELD) {
        let isUnsigned = field.flags & UInt32(UNSIGNED_FLAG) != 0
        self =
            switch field.type {
            case MYSQL_TYPE_TINY: isUnsigned ? .uint8 : .int8
            case MYSQL_TYPE_SHORT, MYSQL_TYPE_YEAR: isUnsigned ? .uint16 : .int16
            case MYSQL_TYPE_LONG, MYSQL_TYPE_INT24: isUnsigned ? .uint32 : .int32
            case MYSQL_TYPE_LONGLONG: isUnsigned ? .uint64 : .int64
            case MYSQL_TYPE_FLOAT: .float
            case MYSQL_TYPE_DOUBLE: .double
            case MYSQL_TYPE_BIT: .bit
            case MYSQL_TYPE_TIMESTAMP, MYSQL_TYPE_DATETIME: .timestamp
            case MYSQL_TYPE_DATE, MYSQL_TYPE_NEWDATE: .date
            case MYSQL_TYPE_TIME: .time
            case MYSQL_TYPE_NULL: .null
            case MYSQL_TYPE_DECIMAL, MYSQL_TYPE_NEWDECIMAL, MYSQL_TYPE_JSON: .text
            case MYSQL_TYPE_GEOMETRY: .blob
            default: field.charsetnr == Self.binary ? .blob : .text
            }
    }

    /// How many bytes a value takes, or nil if its length stands before it.
    @inline(__always)
    var width: Int? {
        switch self {
        case .int8, .uint8: 1
        case .int16, .uint16: 2
        case .int32, .uint32, .float: 4
        case .int64, .uint64, .double: 8
        case .null: 0
        case .text, .blob, .bit, .timestamp, .date, .time: nil
        }
    }
}

/// A result's columns: their names, and how their values lie in a row.
final class MySQLColumns: Sendable {
    let names: SQLColumns
    let kinds: [MySQLKind]

    init(_ fields: UnsafeBufferPointer<MYSQL_FIELD>) {
        self.names = SQLColumns(fields.map { String(decoding: Self.name($0), as: UTF8.self) })
        self.kinds = fields.map(MySQLKind.init)
    }

    private static func name(_ field: MYSQL_FIELD) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: field.name, count: Int(field.name_length))
    }

    /// Whether these are still the columns of a result.
    ///
    /// - Parameter prepared: The columns as the statement knows them, whose names these are.
    func match(_ fields: UnsafeBufferPointer<MYSQL_FIELD>, prepared: UnsafeMutablePointer<MYSQL_FIELD>) -> Bool {
        guard fields.count == self.kinds.count else { return false }
        for index in fields.indices {
            let (field, known) = (fields[index], prepared[index])
            guard MySQLKind(field) == self.kinds[index], Self.name(field).elementsEqual(Self.name(known)) else {
                return false
            }
        }
        return true
    }
}
