// SPDX-License-Identifier: Apache-2.0
import SluiceSQL

/// Rows on their way into a table by `COPY`, gathered in one of its two forms.
///
/// The server takes twice as many rows a second in the binary form, which has to be the very column's: so it is used where every
/// column is of a type that we write, until the first value that is of another type than its column.
struct PostgresCopyRows: Sendable {
    /// How many bytes are handed over at once.
    static let chunkSize = 256 * 1_024

    /// The columns' types in the binary form; nil for text.
    private let types: [PostgresType]?
    private(set) var bytes: [UInt8] = []

    /// Begins with no rows.
    ///
    /// - Parameter types: The columns' types, as far as they are known.
    init(types: [PostgresType?]) {
        self.types = types.contains { !($0?.isWrittenBinary ?? false) } ? nil : types.compactMap(\.self)
        if self.isBinary { self.bytes += Self.signature }
    }

    /// Begins with no rows, in the form that takes everything.
    static let text = Self(types: [nil])

    var isBinary: Bool { self.types != nil }
    /// How `COPY` is told.
    var format: PostgresCopyFormat { self.isBinary ? .binary : .text }

    /// Adds a row of as many values as there are columns.
    ///
    /// - Returns: False if a value is none that the binary form has for its column: then the row is not added.
    mutating func append(_ row: [SQLValue]) throws(SQLError) -> Bool {
        guard let types = self.types else {
            try PostgresCopyText.append(row, to: &self.bytes)
            return true
        }
        let start = self.bytes.count
        self.bytes.append(bigEndian: Int16(row.count))
        for (value, type) in zip(row, types) {
            guard try type.append(value, to: &self.bytes) else {
                self.bytes.removeSubrange(start...)
                return false
            }
        }
        return true
    }

    /// What has been gathered; begins anew.
    mutating func take() -> [UInt8] {
        defer {
            self.bytes = []
            self.bytes.reserveCapacity(Self.chunkSize + 4_096)
        }
        return self.bytes
    }

    /// What has been gathered, and the end.
    mutating func takeLast() -> [UInt8] {
        if self.isBinary { self.bytes.append(bigEndian: Int16(-1)) }
        return self.take()
    }

    /// The signature, no flags, and no more of a header.
    ///
    /// - Source: PostgreSQL 15, "COPY", "Binary Format".
    private static let signature = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00] + [UInt8](repeating: 0, count: 8)
}
