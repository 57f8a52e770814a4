// SPDX-License-Identifier: Apache-2.0
import CMariaDB
import SluiceSQL

/// Many rows' values, column by column, as MariaDB's array binding wants them.
///
/// A column whose values are all integers, or all reals, is sent as such; any other as text or bytes, from which the server makes
/// what the column is.
///
/// - Source: MariaDB Connector/C documentation, "Bulk Insert (Column-wise Binding)".
final class MySQLArrays {
    private let rowCount: Int
    /// A bind for each column; the arrays below are filled column by column.
    private let binds: UnsafeMutablePointer<MYSQL_BIND>
    private let indicators: UnsafeMutablePointer<CChar>
    private let lengths: UnsafeMutablePointer<UInt>
    /// A number's bits, or the address of the bytes.
    private let words: UnsafeMutablePointer<UInt>
    private var memory: UnsafeMutableRawPointer?

    init(_ rows: ArraySlice<[SQLValue]>, columnCount: Int) {
        let count = rows.count * columnCount
        self.rowCount = rows.count
        self.binds = .allocate(capacity: columnCount)
        self.indicators = .allocate(capacity: count)
        self.lengths = .allocate(capacity: count)
        self.words = .allocate(capacity: count)
        var bytes: [UInt8] = []
        for column in 0..<columnCount { self.describe(column, rows, &bytes) }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes.count + 1, alignment: 1)
        memory.copyMemory(from: bytes, byteCount: bytes.count)
        self.memory = memory
        for column in 0..<columnCount { self.addBase(column) }
    }

    deinit {
        self.binds.deallocate()
        self.indicators.deallocate()
        self.lengths.deallocate()
        self.words.deallocate()
        self.memory?.deallocate()
    }

    /// Binds everything to a statement with as many parameters as there are columns.
    func bind(to statement: UnsafeMutablePointer<MYSQL_STMT>) -> Bool {
        withUnsafePointer(to: UInt32(self.rowCount)) {
            mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, $0) == 0
                && mysql_stmt_bind_param(statement, self.binds) == 0
        }
    }

    /// Back to one row for each run of the statement.
    static func unbind(_ statement: UnsafeMutablePointer<MYSQL_STMT>) {
        withUnsafePointer(to: UInt32(0)) { _ = mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, $0) }
    }

    private func describe(_ column: Int, _ rows: ArraySlice<[SQLValue]>, _ bytes: inout [UInt8]) {
        let type = Self.type(of: rows.lazy.map { $0[column] })
        let start = column * self.rowCount
        for (offset, row) in rows.enumerated() {
            let (place, value) = (start + offset, row[column])
            self.indicators[place] = CChar((value == .null ? STMT_INDICATOR_NULL : STMT_INDICATOR_NONE).rawValue)
            self.lengths[place] = 0
            switch (type, value) {
            case (MYSQL_TYPE_LONGLONG, .integer(let number)): self.words[place] = UInt(bitPattern: Int(number))
            case (MYSQL_TYPE_DOUBLE, .real(let number)): self.words[place] = UInt(number.bitPattern)
            default:
                self.words[place] = UInt(bytes.count)
                Self.append(value, to: &bytes)
                self.lengths[place] = UInt(bytes.count) - self.words[place]
            }
        }
        var bind = MYSQL_BIND()
        bind.buffer_type = type
        bind.buffer = UnsafeMutableRawPointer(self.words + start)
        bind.u.indicator = self.indicators + start
        bind.length = self.lengths + start
        self.binds[column] = bind
    }

    /// Makes addresses of offsets, now that the bytes do not move any more.
    private func addBase(_ column: Int) {
        guard [MYSQL_TYPE_STRING, MYSQL_TYPE_BLOB].contains(self.binds[column].buffer_type) else { return }
        for place in column * self.rowCount..<(column + 1) * self.rowCount {
            self.words[place] += UInt(bitPattern: self.memory)
        }
    }

    private static func type(of values: some Sequence<SQLValue>) -> enum_field_types {
        var found: Set<String> = []
        for value in values where value != .null { found.insert(value.typeName) }
        return switch found {
        case ["integer"]: MYSQL_TYPE_LONGLONG
        case ["real"]: MYSQL_TYPE_DOUBLE
        default: found.contains("blob") ? MYSQL_TYPE_BLOB : MYSQL_TYPE_STRING
        }
    }

    private static func append(_ value: SQLValue, to bytes: inout [UInt8]) {
        switch value {
        case .null: break
        case .integer(let number): bytes += String(number).utf8
        case .real(let number): bytes += String(number).utf8
        case .text(let text): bytes += text.utf8
        case .blob(let blob): bytes += blob
        case .timestamp(let microseconds): bytes += SQLTimestamp.text(microseconds).utf8
        }
    }
}

extension MySQLStatement {
    /// Runs the statement once for each row.
    func execute(_ arrays: MySQLArrays) throws(SQLError) -> Int {
        defer { MySQLArrays.unbind(self.pointer) }
        guard arrays.bind(to: self.pointer) else {
            throw SQLError(.statement, message: String(cString: mysql_stmt_error(self.pointer)), hasRun: false)
        }
        return try self.execute().changeCount
    }
}

extension MySQLHandle {
    /// Inserts rows as arrays, as only MariaDB can.
    func insertArrays(_ insertion: MySQLInsertion, _ rows: ArraySlice<[SQLValue]>) throws(SQLError) -> Int {
        let statement = try self.statement(SQLQuery(stringLiteral: insertion.text))
        return try statement.execute(MySQLArrays(rows, columnCount: insertion.columns.count))
    }
}
