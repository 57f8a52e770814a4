// SPDX-License-Identifier: Apache-2.0
import CMariaDB
import SluiceSQL

/// A result's rows as the server sent them, in one piece of memory, decoded when they are asked for.
///
/// First comes, for each value, where it begins; then the rows, without their null bitmaps.
///
/// - Note: Unchecked, because of the pointer: the memory is filled before the initialiser returns, never written again, and freed
///   with the last reference.
/// - Source: MySQL 8.0 Source Code Documentation, "Binary Protocol Resultset Row".
final class MySQLRows: SQLRowStorage, @unchecked Sendable {
    /// Where a null lies.
    private static let null = UInt32.max

    let columns: SQLColumns
    let columnCount: Int
    let rowCount: Int
    private let kinds: [MySQLKind]
    private let offsets: UnsafeMutablePointer<UInt32>
    private let bytes: UnsafeMutableRawPointer

    /// Copies a stored result.
    ///
    /// - Throws: ``SQLError`` of kind `decoding` if the result is larger than 4 GiB, of kind `connection` if a row is cut short.
    init(_ result: MYSQL_DATA, _ columns: MySQLColumns) throws(SQLError) {
        var (count, size) = (0, 0)
        var next = result.data
        while let row = next {
            count += 1
            size += Int(row.pointee.length)
            next = row.pointee.next
        }
        guard size < Int(Self.null) else { throw SQLError(.decoding, message: "the result is larger than 4 GiB") }
        self.columns = columns.names
        self.columnCount = columns.kinds.count
        self.kinds = columns.kinds
        self.rowCount = count
        // And 16 bytes more, since a length of nine bytes is read whole even where a row is cut short.
        self.offsets = .allocate(capacity: count * columns.kinds.count + (size + 3) / 4 + 4)
        self.bytes = UnsafeMutableRawPointer(self.offsets + count * columns.kinds.count)
        try self.fill(from: result.data)
    }

    deinit { self.offsets.deallocate() }

    private func fill(from first: UnsafeMutablePointer<MYSQL_ROWS>?) throws(SQLError) {
        let bitmapSize = (self.kinds.count + 9) / 8
        var (next, index, end) = (first, 0, 0)
        while let row = next {
            let packet = UnsafeRawPointer(row.pointee.data)
            let size = Int(row.pointee.length) - 1 - bitmapSize
            guard let packet, size >= 0 else { throw Self.cutShort }
            (self.bytes + end).copyMemory(from: packet + 1 + bitmapSize, byteCount: size)
            let reached = self.locate(row: index, bitmap: packet + 1, from: end, to: end + size)
            guard reached <= end + size else { throw Self.cutShort }
            end += size
            index += 1
            next = row.pointee.next
        }
    }

    private static let cutShort = SQLError(.connection, message: "the server sent a row that is cut short")

    /// Notes where the values of a row begin, and returns where the last one ends, which is past `end` if it cannot be right.
    private func locate(row: Int, bitmap: UnsafeRawPointer, from start: Int, to end: Int) -> Int {
        let offsets = self.offsets + row * self.kinds.count
        var position = start
        for column in self.kinds.indices {
            // The first two bits are not used.
            let bit = column + 2
            if bitmap.load(fromByteOffset: bit >> 3, as: UInt8.self) & (1 << UInt8(bit & 7)) != 0 {
                offsets[column] = Self.null
                continue
            }
            offsets[column] = UInt32(truncatingIfNeeded: position)
            if let width = self.kinds[column].width {
                position += width
            } else {
                guard position < end else { return .max }
                let (content, length) = self.content(at: position)
                guard content <= end, length <= end - content else { return .max }
                position = content + length
            }
        }
        return position
    }

    /// Where a value begins whose length stands before it, and that length.
    @inline(__always)
    private func content(at position: Int) -> (start: Int, length: Int) {
        let first = self.bytes.load(fromByteOffset: position, as: UInt8.self)
        if first < 251 { return (position + 1, Int(first)) }
        return self.longContent(at: position, first)
    }

    private func longContent(at position: Int, _ first: UInt8) -> (start: Int, length: Int) {
        switch first {
        case 252: (position + 3, Int(self.load(position + 1, UInt16.self)))
        case 253: (position + 4, Int(self.load(position, UInt32.self) >> 8))
        default: (position + 9, Int(truncatingIfNeeded: self.load(position + 1, UInt64.self) & (1 << 62 - 1)))
        }
    }

    @inline(__always)
    private func load<Value: FixedWidthInteger & BitwiseCopyable>(_ position: Int, _ type: Value.Type) -> Value {
        Value(littleEndian: self.bytes.loadUnaligned(fromByteOffset: position, as: type))
    }

    func value(row: Int, column: Int) -> SQLValue {
        let offset = self.offsets[row * self.kinds.count + column]
        guard offset != Self.null else { return .null }
        let position = Int(offset)
        switch self.kinds[column] {
        case .int8: return .integer(Int64(self.load(position, Int8.self)))
        case .uint8: return .integer(Int64(self.load(position, UInt8.self)))
        case .int16: return .integer(Int64(self.load(position, Int16.self)))
        case .uint16: return .integer(Int64(self.load(position, UInt16.self)))
        case .int32: return .integer(Int64(self.load(position, Int32.self)))
        case .uint32: return .integer(Int64(self.load(position, UInt32.self)))
        case .int64: return .integer(self.load(position, Int64.self))
        case .uint64: return Self.unsigned(self.load(position, UInt64.self))
        case .float: return .real(Double(Float(bitPattern: self.load(position, UInt32.self))))
        case .double: return .real(Double(bitPattern: self.load(position, UInt64.self)))
        case .text: return .text(String(decoding: self.slice(position), as: UTF8.self))
        case .blob: return .blob(Array(self.slice(position)))
        case .bit: return Self.unsigned(self.slice(position).reduce(0) { $0 << 8 | UInt64($1) })
        case .timestamp: return MySQLTime(self.slice(position)).timestamp
        case .date: return .text(MySQLTime(self.slice(position)).dateText)
        case .time: return .text(MySQLTime.durationText(self.slice(position)))
        case .null: return .null
        }
    }

    private func slice(_ position: Int) -> UnsafeRawBufferPointer {
        let (start, length) = self.content(at: position)
        return UnsafeRawBufferPointer(start: self.bytes + start, count: length)
    }

    /// A number that may be too large for an integer of ours: then its digits, as text.
    private static func unsigned(_ value: UInt64) -> SQLValue {
        Int64(exactly: value).map { .integer($0) } ?? .text(String(value))
    }
}
