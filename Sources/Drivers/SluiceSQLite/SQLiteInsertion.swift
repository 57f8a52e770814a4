// SPDX-License-Identifier: Apache-2.0
import CSQLite
import SluiceSQL

/// Inserts many rows by one statement.
///
/// SQLite is lent the bytes of texts and blobs instead of being given them to copy: for each row they lie in one buffer, which
/// stays as it is until the row is stored.
struct SQLiteInsertion: Sendable {
    let table: SQLIdentifier
    let columns: [SQLIdentifier]

    private var text: String {
        let columns = self.columns.map(\.quoted).joined(separator: ", ")
        let parameters = self.columns.map { _ in "?" }.joined(separator: ", ")
        return "INSERT INTO \(self.table.quoted) (\(columns)) VALUES (\(parameters))"
    }

    /// Inserts rows that have as many values as there are columns.
    func insert(_ rows: [[SQLValue]], on connection: OpaquePointer) throws(SQLError) {
        var prepared: OpaquePointer?
        let status = sqlite3_prepare_v3(connection, self.text, -1, 0, &prepared, nil)
        guard status == SQLITE_OK, let statement = prepared else { throw Self.error(status, connection) }
        defer { sqlite3_finalize(statement) }
        var buffer = RowBuffer()
        for row in rows {
            let status = buffer.run(statement, with: row)
            guard status == SQLITE_DONE else { throw Self.error(status, connection) }
        }
    }

    private static func error(_ status: Int32, _ connection: OpaquePointer) -> SQLError {
        SQLError(sqlite: status, message: String(cString: sqlite3_errmsg(connection)))
    }
}

/// One row's texts and blobs, one after the other.
private struct RowBuffer: ~Copyable {
    private var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1_024, alignment: 1)
    private var used = 0

    deinit { self.memory.deallocate() }

    /// Runs a statement once and makes it ready for the next row.
    ///
    /// - Returns: What SQLite said: `SQLITE_DONE` if the row is stored.
    mutating func run(_ statement: OpaquePointer, with row: [SQLValue]) -> Int32 {
        self.reserve(for: row)
        var index: Int32 = 0
        for value in row {
            index += 1
            let status = self.bind(value, index, statement)
            guard status == SQLITE_OK else { return status }
        }
        let status = sqlite3_step(statement)
        let end = sqlite3_reset(statement)
        return status == SQLITE_DONE ? status : end
    }

    private mutating func reserve(for row: [SQLValue]) {
        self.used = 0
        var size = 0
        for value in row {
            switch value {
            case .text(let text): size += text.utf8.count
            case .blob(let bytes): size += bytes.count
            case .timestamp: size += SQLTimestamp.maximumTextSize
            case .null, .integer, .real: break
            }
        }
        guard size > self.memory.count else { return }
        self.memory.deallocate()
        self.memory = .allocate(byteCount: size * 2, alignment: 1)
    }

    private mutating func bind(_ value: SQLValue, _ index: Int32, _ statement: OpaquePointer) -> Int32 {
        switch value {
        case .null: return sqlite3_bind_null(statement, index)
        case .integer(let value): return sqlite3_bind_int64(statement, index, value)
        case .real(let value): return sqlite3_bind_double(statement, index, value)
        case .text(let text): return self.bind(text, index, statement)
        case .timestamp(let value): return self.bind(SQLTimestamp.text(value), index, statement)
        case .blob(let bytes):
            let place = self.take(bytes.count)
            place.copyBytes(from: bytes)
            // Nil would be null, where an empty blob is meant.
            guard !bytes.isEmpty else { return sqlite3_bind_zeroblob(statement, index, 0) }
            return sqlite3_bind_blob64(statement, index, place.baseAddress, UInt64(place.count), nil)
        }
    }

    private mutating func bind(_ text: String, _ index: Int32, _ statement: OpaquePointer) -> Int32 {
        let place = self.take(text.utf8.count)
        let isCopied: Void? = text.utf8.withContiguousStorageIfAvailable {
            place.copyMemory(from: UnsafeRawBufferPointer($0))
        }
        if isCopied == nil { place.copyBytes(from: text.utf8) }
        let start = place.baseAddress?.assumingMemoryBound(to: CChar.self)
        // Without a destructor: the bytes are only lent.
        return sqlite3_bind_text64(statement, index, start, UInt64(place.count), nil, UInt8(SQLITE_UTF8))
    }

    private mutating func take(_ count: Int) -> UnsafeMutableRawBufferPointer {
        defer { self.used += count }
        return UnsafeMutableRawBufferPointer(rebasing: self.memory[self.used..<self.used + count])
    }
}
