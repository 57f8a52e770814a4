// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
import Sluice

/// How an ``HTTPCache`` works.
public struct HTTPCacheSettings: Sendable, Hashable {
    /// Whether it answers several users, as a proxy's does: then it keeps nothing that is private to one of them, and
    /// obeys what is
    /// said to shared caches alone (`s-maxage`, `proxy-revalidate`, the rules of `Authorization`).
    public var isShared: Bool
    /// Request fields that tell users apart: answers to requests that differ in one of them are kept apart.
    ///
    /// A cache stands outside of what adds a client's own credentials, so these are the ones that callers give. A
    /// private cache that several clients with credentials of their own use tells them apart by ``HTTPCacheCall/scope`` alone. A
    /// shared cache needs
    /// none, since its rules already forbid keeping what is for one user, by whomever the credentials were added.
    public var scopeFields: [HTTPField.Name]
    /// The longest body that is kept, in bytes; at least 0.
    ///
    /// An answer that may be kept is read whole before it is
    /// handed on, a longer
    /// one as soon as that shows.
    public var maximumBodyBytes: Int
    /// The part of the time since an answer's last change that it is fresh for if it does not say, in `0...1`.
    public var heuristicFraction: Double
    /// The longest that comes of this.
    public var heuristicLimit: Duration
    /// How long an answer is fresh that says nothing by which to tell, if it has a status that may be kept; nil for not
    /// at all.
    public var fallbackTimeToLive: Duration?
    /// How long past its freshness an answer stands in for a failure, if it does not say.
    public var staleIfError: Duration
    /// How many answers are confirmed in the background at once; at least 0.
    public var maximumRefreshes: Int
    /// How long one of these may take; more than zero.
    public var refreshTimeout: Duration
    /// How many callers may wait for an answer that another is fetching; at least 0.
    public var maximumWaiting: Int

    /// States settings: those of a private cache unless told otherwise.
    ///
    /// - Parameter scopeFields: `Authorization` and `X-API-Key` if nil, or none for a shared cache.
    public init(
        isShared: Bool = false, scopeFields: [HTTPField.Name]? = nil, maximumBodyBytes: Int = 4 << 20,
        heuristicFraction: Double = 0.1, heuristicLimit: Duration = .seconds(86_400),
        fallbackTimeToLive: Duration? = nil, staleIfError: Duration = .zero, maximumRefreshes: Int = 10,
        refreshTimeout: Duration = .seconds(30), maximumWaiting: Int = 10_000
    ) {
        self.isShared = isShared
        self.scopeFields = scopeFields ?? (isShared ? [] : [.authorization, .apiKey])
        self.maximumBodyBytes = maximumBodyBytes
        self.heuristicFraction = heuristicFraction
        self.heuristicLimit = heuristicLimit
        self.fallbackTimeToLive = fallbackTimeToLive
        self.staleIfError = staleIfError
        self.maximumRefreshes = maximumRefreshes
        self.refreshTimeout = refreshTimeout
        self.maximumWaiting = maximumWaiting
    }

    func checked() -> HTTPCacheSettings {
        precondition(self.maximumBodyBytes >= 0, "maximumBodyBytes must not be negative (is \(self.maximumBodyBytes))")
        precondition(
            (0...1).contains(self.heuristicFraction),
            "heuristicFraction must be in 0...1 (is \(self.heuristicFraction))")
        precondition(self.heuristicLimit >= .zero, "heuristicLimit must not be negative")
        precondition(self.staleIfError >= .zero, "staleIfError must not be negative")
        precondition(self.maximumRefreshes >= 0, "maximumRefreshes must not be negative (is \(self.maximumRefreshes))")
        precondition(self.refreshTimeout > .zero, "refreshTimeout must be more than zero")
        precondition(self.maximumWaiting >= 0, "maximumWaiting must not be negative (is \(self.maximumWaiting))")
        return self
    }

    var rules: CacheRules {
        CacheRules(
            isShared: self.isShared, heuristicFraction: self.heuristicFraction,
            heuristicLimit: self.heuristicLimit.components.seconds,
            fallbackLifetime: self.fallbackTimeToLive?.components.seconds)
    }
}

extension HTTPField.Name {
    /// `X-API-Key`, where most services that take a key take it.
    public static var apiKey: HTTPField.Name { Self.xAPIKey }

    // A valid name in the source code cannot fail to be one.
    // swift-format-ignore: NeverForceUnwrap
    private static let xAPIKey = HTTPField.Name("X-API-Key")!
    /// Says what a cache did, RFC 9211.
    // swift-format-ignore: NeverForceUnwrap
    static let cacheStatus = HTTPField.Name("Cache-Status")!
}

/// What one call wants of the cache, beside what its `Cache-Control` field says.
///
/// ```swift
/// try await HTTPCacheCall.$current.withValue(HTTPCacheCall(key: "rates", timeToLive: .seconds(60))) {
///     try await client.get("/rates?token=\(token)")
/// }
/// ```
public struct HTTPCacheCall: Sendable, Hashable {
    /// What the answer is kept and found by instead of its URI.
    ///
    /// A change of that URI drops it all the same.
    public var key: String?
    /// How long the answer is fresh, whatever it says itself; `no-store` and what is private in a shared cache are
    /// still obeyed.
    public var timeToLive: Duration?
    /// Whose answer it is, if the cache cannot tell by the request's fields; answers of different scopes are kept
    /// apart.
    public var scope: String?
    /// Whether the call goes past the cache: nothing is looked up, nothing kept.
    public var isBypassed: Bool
    /// Whether the request gets credentials on its way from the cache to the server, where the cache does not see them.
    var isSigned = false
    /// Whether it is the cache that asks, in the background, for what a call was answered with already.
    var isRefresh = false

    /// The wishes of the call under way.
    @TaskLocal public static var current: HTTPCacheCall?

    /// States wishes.
    public init(key: String? = nil, timeToLive: Duration? = nil, scope: String? = nil, isBypassed: Bool = false) {
        self.key = key
        self.timeToLive = timeToLive
        self.scope = scope
        self.isBypassed = isBypassed
    }
}
