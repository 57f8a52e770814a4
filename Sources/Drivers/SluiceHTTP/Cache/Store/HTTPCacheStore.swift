// SPDX-License-Identifier: Apache-2.0

/// Where a cache keeps its answers.
///
/// A store knows no rules: it finds by key, drops by URI and stays within a bound, dropping first what was used least
/// recently. ``MemoryHTTPCacheStore`` is one; one on SQL and one on Redis are modules of their own.
///
/// A store whose server may drop entries by itself must not need an index to find what a URI's change drops, since the
/// index may be gone before the answers are: the one on Redis compares a mark in each answer with the URI's.
///
/// An error of a store is taken for an empty store, so none of them fails a call; ``HTTPCache/statistics`` count them.
public protocol HTTPCacheStore: Sendable {
    /// Every answer under a key; at most ``HTTPCacheEntry/maximumVariants``.
    func entries(for key: String) async throws -> [HTTPCacheEntry]

    /// Keeps an answer in place of the one with its key and variant, or beside the others.
    func insert(_ entry: HTTPCacheEntry) async throws

    /// Drops one answer.
    func remove(_ key: String, variant: String) async throws

    /// Drops every answer that was fetched from a URI, and every answer under that key.
    func invalidate(_ uri: String) async throws

    /// Drops everything.
    func removeAll() async throws
}

extension HTTPCacheEntry {
    /// The most answers a store keeps under one key; more than that, and the `Vary` of the server is of no use to a
    /// cache.
    public static let maximumVariants = 32
}
