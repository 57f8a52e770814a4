// SPDX-License-Identifier: Apache-2.0
public import Sluice
import Synchronization

/// Keeps what queries answered, until a table they read from has changed.
///
/// ```swift
/// let cache = QueryCache(database)
/// let user = try await database.cached(in: cache, key: "user:42").find(User.self, 42)
/// ```
///
/// An answer is loaded once however many ask for it. It is dropped when a transaction that changed one of its tables has been
/// committed, before that returns to its caller; a load that was under way then is not kept. Reads on a ``SQLTransaction`` never go
/// through it. Statements in SQL that do not say what they change are taken to change everything; see
/// ``SQLExecutor/execute(_:changing:)``.
///
/// The database's observer is told of every hit and miss, as events of the pipeline `database.cached`.
///
/// What a change in one table does to others, by foreign keys that cascade or by triggers, has to be said: ``Database/cascades()``
/// knows the former.
public final class QueryCache: Sendable {
    /// What answers are kept by.
    private struct Key: Hashable, Sendable {
        let text: String
        let values: [SQLValue]
        let name: String?
        let generation: UInt64
    }

    /// How often a cache was asked, and how it answered.
    public struct Statistics: Sendable, Hashable {
        /// Answers that were kept.
        public let hits: Int
        /// Answers that had to be loaded, or waited for while another loaded them.
        public let misses: Int

        /// States figures.
        public init(hits: Int, misses: Int) {
            self.hits = hits
            self.misses = misses
        }
    }

    /// An hour, and 10,000 answers.
    public static let defaultSettings = CacheSettings(timeToLive: .seconds(3_600))

    /// The database that is read.
    public let database: Database
    private let answers: Cache<Key, SQLRows>
    private let reads: Pipeline<Deadline>
    private let generations = Mutex(CacheGenerations())
    private let dependents: [String: Set<String>]
    private let channel: (any CacheInvalidationChannel)?
    private let subscription = Mutex<UInt64?>(nil)

    /// Creates an empty cache.
    ///
    /// - Parameters:
    ///   - database: The database to read.
    ///   - settings: For how long answers are kept, and how many.
    ///   - cascades: Which other tables change with a table, by its name.
    ///   - channel: How the other processes that change the database are heard; needs ``run()``.
    ///   - time: The time line of lifetimes.
    public init(
        _ database: Database, settings: CacheSettings = QueryCache.defaultSettings,
        cascades: [String: Set<String>] = [:], channel: (any CacheInvalidationChannel)? = nil,
        time: any TimeSource = SystemTime.shared
    ) {
        self.database = database
        self.answers = Cache(settings, time: time)
        let timeout = database.timeout
        self.reads = Pipeline("database.cached", isIdempotent: true, time: time, observer: database.observer) {
            Deadline(timeout)
        }
        self.dependents = Dictionary(
            cascades.map { (CacheInvalidation.name($0.key), $0.value) }, uniquingKeysWith: { $0.union($1) })
        self.channel = channel
        let id = database.changes.add { [weak self] change in await self?.invalidate(change) }
        self.subscription.withLock { $0 = id }
    }

    deinit {
        if let id = self.subscription.withLock({ $0 }) { self.database.changes.remove(id) }
    }

    /// How often it was asked, and how often it had to load.
    public var statistics: Statistics {
        let statistics = self.answers.statistics
        return Statistics(hits: statistics.hits + statistics.stale, misses: statistics.misses)
    }

    /// How many answers it holds.
    public var count: Int { self.answers.count }

    /// Drops every answer that depends on what has changed, here and in the other processes; done by itself after a commit.
    public func invalidate(_ invalidation: CacheInvalidation) async {
        let all = self.withDependents(invalidation)
        self.drop(all)
        guard let channel = self.channel else { return }
        // In a task of its own, since what is committed must be told even if its caller is cancelled or out of time.
        await Task.detached { await channel.publish(all) }.value
    }

    /// Drops what other processes have changed, until the task is cancelled.
    public func run() async throws {
        try await self.channel?.subscribe { [weak self] invalidation in self?.drop(invalidation) }
    }

    /// A statement's rows, kept or loaded.
    func rows(
        _ query: SQLQuery, reading tables: Set<String>, tags: Set<String>, key: String?
    ) async throws -> SQLRows {
        let names =
            tables.map { CacheGenerations.Name.table(CacheInvalidation.name($0)) } + tags.map { .tag($0) }
            + [key.map { .key($0) }].compactMap(\.self)
        let generation = self.generations.withLock { $0.generation(of: names) }
        let key = Key(text: query.text, values: key == nil ? query.values : [], name: key, generation: generation)
        let database = self.database
        return try await self.reads {
            try await self.answers.value(for: key) { try await database.rows(query) }
        }
    }

    private func drop(_ invalidation: CacheInvalidation) {
        self.generations.withLock { $0.invalidate(invalidation) }
        // Otherwise what nobody can find any more goes as the cache fills.
        if invalidation.isEverything { self.answers.removeAll() }
    }

    private func withDependents(_ invalidation: CacheInvalidation) -> CacheInvalidation {
        let others = invalidation.tables.compactMap { self.dependents[$0] }.reduce(into: Set()) { $0.formUnion($1) }
        guard !others.isEmpty else { return invalidation }
        var all = invalidation
        all.formUnion(CacheInvalidation(tables: others))
        return all
    }
}
