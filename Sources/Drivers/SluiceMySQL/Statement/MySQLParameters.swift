// SPDX-License-Identifier: Apache-2.0
import CMariaDB
import SluiceSQL

/// The memory that a connection puts a statement's values into while they are sent; used again for the next statement.
struct MySQLParameters: ~Copyable {
    /// What is kept between statements at most: 1 MiB, so that one large value does not stay for ever.
    private static let keptCapacity = 1 << 20

    private var binds = UnsafeMutableBufferPointer<MYSQL_BIND>.allocate(capacity: 16)
    private var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 16)

    deinit {
        self.binds.deallocate()
        self.memory.deallocate()
    }

    /// Binds values to a statement that has as many parameters; they stay valid until the next call.
    mutating func bind(_ values: [SQLValue], to statement: UnsafeMutablePointer<MYSQL_STMT>) throws(SQLError) {
        self.reserve(values.count, values.reduce(0) { $0 + Self.size(of: $1) })
        var free = 0
        for index in values.indices {
            var bind = MYSQL_BIND()
            let target = UnsafeMutableRawBufferPointer(rebasing: self.memory[free...])
            free += try Self.put(values[index], into: target, &bind)
            self.binds[index] = bind
        }
        guard mysql_stmt_bind_param(statement, self.binds.baseAddress) == 0 else {
            throw SQLError(.statement, message: String(cString: mysql_stmt_error(statement)), hasRun: false)
        }
    }

    private mutating func reserve(_ count: Int, _ size: Int) {
        if self.binds.count < count {
            self.binds.deallocate()
            self.binds = .allocate(capacity: count * 2)
        }
        if self.memory.count < size || self.memory.count > max(size, Self.keptCapacity) {
            self.memory.deallocate()
            self.memory = .allocate(byteCount: max(size, 4_096), alignment: 16)
        }
    }

    /// How many bytes a value takes, rounded up so that the next one is aligned.
    static func size(of value: SQLValue) -> Int {
        let size =
            switch value {
            case .null: 0
            case .integer, .real: 8
            case .text(let text): text.utf8.count
            case .blob(let bytes): bytes.count
            case .timestamp: MemoryLayout<MYSQL_TIME>.size
            }
        return (size + 15) & ~15
    }

    /// Copies one value and describes it.
    ///
    /// - Returns: How much of the memory it took.
    private static func put(
        _ value: SQLValue, into memory: UnsafeMutableRawBufferPointer, _ bind: inout MYSQL_BIND
    ) throws(SQLError) -> Int {
        bind.buffer = memory.baseAddress
        switch value {
        case .null:
            bind.buffer_type = MYSQL_TYPE_NULL
        case .integer(let number):
            bind.buffer_type = MYSQL_TYPE_LONGLONG
            memory.storeBytes(of: number, as: Int64.self)
        case .real(let number):
            bind.buffer_type = MYSQL_TYPE_DOUBLE
            memory.storeBytes(of: number, as: Double.self)
        case .text(let text):
            bind.buffer_type = MYSQL_TYPE_STRING
            bind.buffer_length = UInt(text.utf8.count)
            memory.copy(text)
        case .blob(let bytes):
            bind.buffer_type = MYSQL_TYPE_BLOB
            bind.buffer_length = UInt(bytes.count)
            memory.copyBytes(from: bytes)
        case .timestamp(let microseconds):
            bind.buffer_type = MYSQL_TYPE_DATETIME
            memory.storeBytes(of: try MYSQL_TIME(microseconds: microseconds), as: MYSQL_TIME.self)
        }
        return Self.size(of: value)
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Copies a text's UTF-8 to the beginning.
    func copy(_ text: String) {
        let isCopied: Void? = text.utf8.withContiguousStorageIfAvailable {
            self.copyMemory(from: UnsafeRawBufferPointer($0))
        }
        if isCopied == nil { self.copyBytes(from: text.utf8) }
    }
}
