// SPDX-License-Identifier: Apache-2.0
import CPQ
import SluiceSQL

/// The columns of a statement's results: found out once, and then only compared.
final class PostgresColumns: Sendable {
    let columns: SQLColumns
    let types: [UInt32]
    /// The types, nil for those that we know no better than as text.
    let kinds: [PostgresType?]

    init(_ result: OpaquePointer) {
        let indices = 0..<PQnfields(result)
        self.columns = SQLColumns(indices.map { PQfname(result, $0).map { String(cString: $0) } ?? "" })
        self.types = indices.map { PQftype(result, $0) }
        self.kinds = self.types.map { PostgresType(rawValue: $0) }
    }

    /// Whether every type is one that we read from its binary form.
    var isBinary: Bool { !self.kinds.contains { $0 == nil } }

    /// Whether the result has these columns: another connection may have prepared the statement after the table was changed.
    func describe(_ result: OpaquePointer) -> Bool {
        guard PQnfields(result) == Int32(self.types.count) else { return false }
        for (index, name) in self.columns.names.enumerated() {
            guard PQftype(result, Int32(index)) == self.types[index], let other = PQfname(result, Int32(index)),
                name.utf8.elementsEqual(UnsafeRawBufferPointer(start: other, count: name.utf8.count)),
                other[name.utf8.count] == 0
            else { return false }
        }
        return true
    }
}

/// Rows in libpq's own form, each value decoded where it is read.
///
/// - Note: Unchecked, because a result is a C pointer; libpq lets any thread read one, and nothing changes it.
final class PostgresRows: SQLRowStorage, @unchecked Sendable {
    private let result: OpaquePointer
    private let description: PostgresColumns
    private let kinds: [PostgresType?]
    private let isBinary: Bool
    let columnCount: Int
    let rowCount: Int

    /// Takes the result over.
    init(_ result: OpaquePointer, _ description: PostgresColumns) {
        self.result = result
        self.description = description
        self.kinds = description.kinds
        self.columnCount = description.kinds.count
        self.isBinary = PQnfields(result) > 0 && PQfformat(result, 0) == 1
        self.rowCount = Int(PQntuples(result))
    }

    deinit { PQclear(self.result) }

    var columns: SQLColumns { self.description.columns }

    func value(row: Int, column: Int) -> SQLValue {
        precondition(column >= 0 && column < self.columnCount, "there is no column \(column)")
        let (row, index) = (Int32(truncatingIfNeeded: row), Int32(truncatingIfNeeded: column))
        let length = Int(PQgetlength(self.result, row, index))
        // Only an empty value needs the question whether it is one at all.
        if length == 0, PQgetisnull(self.result, row, index) == 1 { return .null }
        let bytes = UnsafeRawBufferPointer(start: PQgetvalue(self.result, row, index), count: length)
        let kind = self.kinds[column]
        if self.isBinary, let kind { return kind.binary(bytes) }
        return PostgresType.text(bytes, kind)
    }
}
