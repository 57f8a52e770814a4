// SPDX-License-Identifier: Apache-2.0

/// The records of one table, as a backend works with them; extended with the questions that are its own.
///
/// ```swift
/// extension SQLRepository<User> {
///     func findByEmail(_ email: String) async throws -> User? { try await self.find(where: ["email": email]) }
/// }
/// let users = SQLRepository<User>(database)
/// try await database.withTransaction { try await users.on($0).create(user) }
/// ```
public struct SQLRepository<Record: SQLRecord>: Sendable {
    /// What the statements run on.
    public let executor: any SQLExecutor

    /// A repository on a database, a transaction, or a database's cached reads.
    public init(_ executor: any SQLExecutor) {
        self.executor = executor
    }

    /// The same repository on something else, for example in a transaction.
    public func on(_ executor: any SQLExecutor) -> SQLRepository { SQLRepository(executor) }

    /// The record with a key, or nil.
    public func find(_ id: any SQLConvertible) async throws -> Record? {
        try await self.executor.find(Record.self, id)
    }

    /// The record with a key.
    ///
    /// - Throws: ``SQLError`` of kind `missing` if there is none.
    public func get(_ id: any SQLConvertible) async throws -> Record {
        guard let record = try await self.find(id) else {
            throw SQLError(.missing, message: "there is no such row in \(Record.table)")
        }
        return record
    }

    /// The first record that meets a condition, or nil.
    public func find(where condition: SQLCondition, order: [SQLOrder] = []) async throws -> Record? {
        try await self.executor.selectOne(Record.self, where: condition, order: order)
    }

    /// The records that meet a condition, by key unless told otherwise, 100 of them at most unless told otherwise.
    public func findAll(
        where condition: SQLCondition = .always, order: [SQLOrder]? = nil, limit: Int = 100, offset: Int = 0
    ) async throws -> [Record] {
        try await self.executor.selectMany(
            Record.self, where: condition, order: order ?? [.ascending(Record.key, nulls: .never)], limit: limit,
            offset: offset)
    }

    /// One page of the records that meet a condition, found by where the page before it ended.
    public func page(
        where condition: SQLCondition = .always, order: [SQLOrder] = [], after cursor: SQLCursor? = nil,
        limit: Int = 100
    ) async throws -> SQLPage<Record> {
        try await self.executor.selectPage(Record.self, where: condition, order: order, after: cursor, limit: limit)
    }

    /// Stores a new record and returns it with the key that the engine made for it.
    @discardableResult
    public func create(_ record: Record) async throws -> Record { try await self.executor.insertOne(record) }

    /// Stores new records, all or none, and returns how many.
    @discardableResult
    public func create(_ records: [Record]) async throws -> Int { try await self.executor.insertMany(records) }

    /// Stores a changed record and returns it, of the next version if it has versions.
    ///
    /// - Throws: ``SQLError`` of kind `missing` if it is not there, and of kind `conflict` if another changed it meanwhile.
    @discardableResult
    public func update(_ record: Record) async throws -> Record { try await self.executor.updateOne(record) }

    /// Stores a record, new or not, and returns it as it is stored then.
    @discardableResult
    public func save(_ record: Record) async throws -> Record { try await self.executor.upsert(record) }

    /// Deletes a record.
    ///
    /// - Throws: ``SQLError`` of kind `missing` if it is not there, and of kind `conflict` if another changed it meanwhile.
    public func delete(_ record: Record) async throws { try await self.executor.deleteOne(record) }

    /// Deletes the record with a key.
    ///
    /// - Throws: ``SQLError`` of kind `missing` if there is none.
    public func delete(_ id: any SQLConvertible) async throws {
        try await self.executor.deleteOne(Record.self, id)
    }

    /// How many records meet a condition.
    public func count(where condition: SQLCondition = .always) async throws -> Int {
        try await self.executor.count(Record.self, where: condition)
    }

    /// Whether any record meets a condition.
    public func exists(where condition: SQLCondition) async throws -> Bool {
        try await self.executor.exists(Record.self, where: condition)
    }

    /// Whether there is a record with a key.
    public func exists(_ id: any SQLConvertible) async throws -> Bool {
        try await self.exists(where: .equal(Record.key, id))
    }
}
