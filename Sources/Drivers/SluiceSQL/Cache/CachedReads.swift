// SPDX-License-Identifier: Apache-2.0

/// A database whose reads are answered from a ``QueryCache``, and whose writes are its own.
///
/// Reads by table name are cached; those in SQL only if the tables they read were named.
public struct CachedReads: SQLExecutor {
    let cache: QueryCache
    let key: String?
    let tags: Set<String>
    let tables: Set<String>

    /// How the engine wants its statements written.
    public var dialect: SQLDialect { self.cache.database.dialect }

    /// The rows of a statement, kept or loaded if it is known what it reads.
    public func rows(_ query: SQLQuery) async throws -> SQLRows {
        guard !self.tables.isEmpty else { return try await self.cache.database.rows(query) }
        return try await self.rows(query, reading: self.tables)
    }

    /// The rows of a statement that reads the named tables, kept or loaded.
    public func rows(_ query: SQLQuery, reading tables: Set<String>) async throws -> SQLRows {
        // What changes something does it for each of those who ask.
        guard !query.mayChange else { return try await self.cache.database.rows(query) }
        return try await self.cache.rows(
            query, reading: tables.union(self.tables), tags: self.tags, key: self.key)
    }

    /// Runs a statement on the database.
    public func execute(_ query: SQLQuery) async throws -> SQLResult {
        try await self.cache.database.execute(query)
    }

    /// Runs a statement on the database.
    public func execute(_ query: SQLQuery, changing tables: Set<String>) async throws -> SQLResult {
        try await self.cache.database.execute(query, changing: tables)
    }
}

extension Database {
    /// The database with its reads answered from a cache.
    ///
    /// - Parameters:
    ///   - cache: A cache of this database.
    ///   - key: What the answer is kept by instead of the statement's values, to be invalidated by it, for example `user:42`.
    ///   - tags: What the answer can also be invalidated by.
    ///   - tables: The tables that statements in SQL read; reads by table name know theirs.
    public func cached(
        in cache: QueryCache, key: String? = nil, tags: Set<String> = [], reading tables: Set<String> = []
    ) -> CachedReads {
        precondition(cache.database === self, "the cache must be one of this database")
        return CachedReads(cache: cache, key: key, tags: tags, tables: tables)
    }

    /// Which tables change when rows of a table are deleted or their keys changed, by the foreign keys that cascade.
    public func cascades() async throws -> [String: Set<String>] {
        var children: [String: Set<String>] = [:]
        for table in try await self.schema() {
            for key in table.foreignKeys where !["NO ACTION", "RESTRICT"].containsAll([key.onDelete, key.onUpdate]) {
                children[CacheInvalidation.name(key.table), default: []].insert(CacheInvalidation.name(table.name))
            }
        }
        // Children of children as well, until there are no more.
        var cascades: [String: Set<String>] = [:]
        for parent in children.keys {
            var (found, next) = (Set<String>(), children[parent] ?? [])
            while !next.isEmpty {
                found.formUnion(next)
                next = next.reduce(into: Set()) { $0.formUnion(children[$1] ?? []) }.subtracting(found)
            }
            cascades[parent] = found
        }
        return cascades
    }
}

extension [String] {
    fileprivate func containsAll(_ others: [String]) -> Bool { others.allSatisfy { self.contains($0.uppercased()) } }
}
