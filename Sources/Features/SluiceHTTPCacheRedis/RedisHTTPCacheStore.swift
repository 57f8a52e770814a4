// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Sluice
public import SluiceHTTP
public import SluiceRedis

/// Keeps answers of an HTTP cache in Redis: they outlive the process, and several processes share them.
///
/// The answers under one key are the fields of one hash, and for each URI there is a mark that its answers carry too. An answer whose
/// mark is not the URI's counts as none; so a change drops every answer of its URI, whatever their keys, by removing one mark, and a
/// mark that the server has evicted loses answers and never keeps one alive.
///
/// How much room all answers take is the server's to bound: `maxmemory` with `maxmemory-policy allkeys-lru`. Bodies lie there as they
/// came, fields as JSON; request fields that an answer varies by only as digests. What cannot be read any more counts as none.
public final class RedisHTTPCacheStore: HTTPCacheStore {
    private let redis: Redis
    private let prefix: String
    private let lifetime: Int64
    private let maximumBytes: Int

    /// Creates a store, which connects with its first use.
    ///
    /// - Parameters:
    ///   - redis: The server; closing it is the caller's. A cache is best asked with few attempts and a short timeout.
    ///   - prefix: What the keys of this store begin with, and no others; not empty.
    ///   - lifetime: How long the server keeps an answer after it was last fetched or confirmed, and so how long a stale one can be
    ///     confirmed or stand in; at least a millisecond. The answers under one key go together, this long after the last of them.
    ///   - maximumBytes: What the answers under one key may take together; at least 1. Beyond that the oldest go; one that is larger
    ///     alone is not kept. At most half of the client's `limits.maximumBytes`, since they are read together.
    public init(
        _ redis: Redis, prefix: String = "sluice:http:", lifetime: Duration = .seconds(86_400),
        maximumBytes: Int = 16 << 20
    ) {
        precondition(!prefix.isEmpty, "prefix must not be empty")
        precondition(lifetime >= .milliseconds(1), "lifetime must be at least a millisecond (is \(lifetime))")
        precondition(maximumBytes >= 1, "maximumBytes must be at least 1 (is \(maximumBytes))")
        let limit = redis.configuration.limits.maximumBytes
        precondition(maximumBytes <= limit / 2, "maximumBytes must be at most \(limit / 2) (is \(maximumBytes))")
        self.redis = redis
        self.prefix = prefix
        self.lifetime = lifetime.clampedNanoseconds / 1_000_000
        self.maximumBytes = maximumBytes
    }

    /// Every answer under a key, the newest first.
    public func entries(for key: String) async throws -> [HTTPCacheEntry] {
        // Together, since the key is the URI of what is under it unless a call named another.
        async let fields = self.redis.fields(of: self.answersKey(key))
        async let ownMark = self.redis.get(self.markKey(key))
        let stored = StoredAnswers(try await fields)
        guard !stored.answers.isEmpty else {
            _ = try await ownMark
            return []
        }
        var marks: [String: ByteBuffer] = [:]
        marks[key] = try await ownMark
        let others = Set(stored.answers.map(\.entry.uri)).subtracting([key]).sorted()
        for (uri, mark) in zip(others, try await self.redis.get(others.map(self.markKey))) { marks[uri] = mark }
        return stored.answers.filter { marks[$0.entry.uri] == $0.mark }.map(\.entry)
    }

    /// Keeps an answer, and drops the oldest under its key if there are too many.
    public func insert(_ entry: HTTPCacheEntry) async throws {
        guard let answer = try StoredAnswers.encoded(entry, upTo: self.maximumBytes) else {
            return try await self.remove(entry.key, variant: entry.variant)
        }
        let arguments: [RedisArgument] = [
            RedisArgument(Hexadecimal.digest(entry.variant)), RedisArgument(answer),
            RedisArgument(StoredAnswers.newMark()),
            RedisArgument(self.lifetime), RedisArgument(HTTPCacheEntry.maximumVariants),
            RedisArgument(self.maximumBytes),
        ]
        try await self.redis.run(
            Self.insertion, keys: [self.answersKey(entry.key), self.markKey(entry.uri)], arguments, isIdempotent: true)
    }

    /// Drops one answer.
    public func remove(_ key: String, variant: String) async throws {
        try await self.redis.removeFields([Hexadecimal.digest(variant)], of: self.answersKey(key))
    }

    /// Drops every answer from a URI, and every answer under that key.
    public func invalidate(_ uri: String) async throws {
        try await self.redis.delete([self.markKey(uri), self.answersKey(uri)])
    }

    /// Drops everything, key by key: what is kept meanwhile by others may stay.
    public func removeAll() async throws {
        try await self.redis.forEachKey(withPrefix: self.prefix) { try await self.redis.delete($0) }
    }

    // By digests, since a URI may be long, and hold what does not belong into a list of keys.
    private func answersKey(_ key: String) -> String { "\(self.prefix)a:\(Hexadecimal.digest(key))" }
    private func markKey(_ uri: String) -> String { "\(self.prefix)u:\(Hexadecimal.digest(uri))" }

    /// Keeps an answer under its key and carries its URI's mark into it, both or neither.
    ///
    /// The field `order` has the variants with their sizes, the oldest first; one that is not there any more is left out.
    private static let insertion = RedisScript(
        """
        local mark = redis.call('GET', KEYS[2]) or ARGV[3]
        local bytes, kept = #ARGV[2], {}
        for name, size in string.gmatch(redis.call('HGET', KEYS[1], 'order') or '', '(%x+):(%d+)') do
            if name ~= ARGV[1] and redis.call('HEXISTS', KEYS[1], name) == 1 then
                kept[#kept + 1] = {name, tonumber(size)}
                bytes = bytes + tonumber(size)
            end
        end
        while #kept > 0 and (#kept >= tonumber(ARGV[5]) or bytes > tonumber(ARGV[6])) do
            local oldest = table.remove(kept, 1)
            bytes = bytes - oldest[2]
            redis.call('HDEL', KEYS[1], oldest[1])
        end
        kept[#kept + 1] = {ARGV[1], #ARGV[2]}
        local order = {}
        for i, answer in ipairs(kept) do order[i] = answer[1] .. ':' .. answer[2] end
        redis.call('HSET', KEYS[1], ARGV[1], mark .. ARGV[2], 'order', table.concat(order, ' '))
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        redis.call('SET', KEYS[2], mark, 'PX', ARGV[4])
        return #kept
        """)
}
