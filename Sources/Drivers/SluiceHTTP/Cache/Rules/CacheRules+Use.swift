// SPDX-License-Identifier: Apache-2.0

extension CacheRules {
    /// What a stored answer is good for now.
    enum Use: Sendable, Hashable {
        /// It answers the request.
        case fresh
        /// It is stale, and the request takes it all the same.
        case staleAllowed
        /// It is stale and answers the request, while it is confirmed in the background.
        case staleWhileRevalidate
        /// It must be confirmed first.
        case revalidate
    }

    /// What a stored answer is good for.
    ///
    /// - Source: RFC 9111 §4, §4.2.4 and §5.2.1; RFC 5861 §3; RFC 8246 §2.
    func use(_ entry: HTTPCacheEntry, asked: CacheControl, at now: WallTime) -> Use {
        if asked.noCache != .absent || entry.isInvalid { return .revalidate }
        if entry.control.noCache == .whole, entry.timeToLive == nil { return .revalidate }
        let age = entry.age(at: now)
        let remaining = entry.lifetime.addingSaturated(-age)
        if let limit = asked.maxAge {
            // A reload, which asks for age 0, has no use for an answer that says it never changes.
            let isLasting = limit == 0 && entry.control.isImmutable && remaining > 0
            if !isLasting, limit == 0 || age > limit { return .revalidate }
        }
        if remaining > 0 { return remaining >= asked.minFresh ?? 0 ? .fresh : .revalidate }
        guard self.mayBeUsedStale(entry), asked.minFresh == nil else { return .revalidate }
        let staleness = -remaining
        if let limit = asked.maxStale, staleness <= limit { return .staleAllowed }
        if asked.maxAge == nil, staleness < entry.control.staleWhileRevalidate ?? 0 { return .staleWhileRevalidate }
        return .revalidate
    }

    /// Whether a stale answer stands in for an error.
    ///
    /// - Parameter fallback: The seconds past its freshness for an answer that does not say.
    /// - Source: RFC 5861 §4; the request may say it too.
    func useOnError(_ entry: HTTPCacheEntry, asked: CacheControl, fallback: Int64, at now: WallTime) -> Bool {
        guard self.mayBeUsedStale(entry), asked.noCache == .absent, !entry.isInvalid else { return false }
        if entry.control.noCache == .whole, entry.timeToLive == nil { return false }
        let age = entry.age(at: now)
        if let limit = asked.maxAge, age > limit { return false }
        let staleness = age.addingSaturated(-entry.lifetime)
        let allowed = max(entry.control.staleIfError ?? fallback, asked.staleIfError ?? 0)
        return staleness < allowed || staleness <= asked.maxStale ?? -1 || staleness < 0
    }

    /// Whether nothing forbids using it stale: RFC 9111 §4.2.4.
    private func mayBeUsedStale(_ entry: HTTPCacheEntry) -> Bool {
        if entry.control.mustRevalidate { return false }
        return !self.isShared || !(entry.control.proxyRevalidate || entry.control.sharedMaxAge != nil)
    }
}
