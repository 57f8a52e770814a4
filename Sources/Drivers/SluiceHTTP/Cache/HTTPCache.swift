// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import Sluice
import Synchronization

/// Keeps answers and gives them again as RFC 9111 allows: private by default, shared if told to be.
///
/// It stands outside of retries, breakers, limiters and credentials, so what it answers itself consumes none of them.
/// Concurrent
/// requests for what is not kept are sent once, if the answer can be shared. Nothing is kept of an answer that did not
/// arrive whole.
///
/// ```swift
/// let cache = HTTPCache(store: MemoryHTTPCacheStore(maximumBytes: 64 << 20))
/// ```
///
/// What it did is in each answer's `Cache-Status` (RFC 9211), in the events of the operation and in ``statistics``.
///
/// - Source: RFC 9111; RFC 5861 for stale answers; RFC 8246 for `immutable`.
public final class HTTPCache: HTTPMiddleware {
    /// How often a cache was asked, and what came of it.
    public struct Statistics: Sendable, Hashable {
        /// Answered with what was fresh.
        public var hits = 0
        /// Answered with what was stale: on request, while it was confirmed, or in place of an error.
        public var stale = 0
        /// Sent on, with nothing kept to compare.
        public var misses = 0
        /// Sent on, and answered with what was kept, since it had not changed.
        public var confirmed = 0
        /// Answers kept.
        public var stored = 0
        /// Changes that dropped what was kept.
        public var invalidations = 0
        /// Errors of the store.
        public var storeFailures = 0
    }

    typealias Next = @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse

    let settings: HTTPCacheSettings
    let rules: CacheRules
    let store: any HTTPCacheStore
    let time: any TimeSource
    let now: @Sendable () -> WallTime
    let state = Mutex(HTTPCacheState())
    /// One fetch of a kind at a time.
    ///
    /// It keeps no values: what is fetched goes to the store.
    let flights: Cache<String, FlightEnd>

    /// Creates a cache.
    ///
    /// - Parameters:
    ///   - settings: How it works.
    ///   - store: Where answers are kept; several caches may share one.
    ///   - time: The time line of waits.
    ///   - now: The calendar that ages are measured by.
    public init(
        _ settings: HTTPCacheSettings = HTTPCacheSettings(), store: any HTTPCacheStore = MemoryHTTPCacheStore(),
        time: any TimeSource = SystemTime.shared, now: @escaping @Sendable () -> WallTime = WallTime.now
    ) {
        self.settings = settings.checked()
        self.rules = settings.rules
        self.store = store
        self.time = time
        self.now = now
        self.flights = Cache(
            CacheSettings(
                timeToLive: .zero, jitter: 0, capacity: 1, maximumRefreshes: 0, maximumWaiting: settings.maximumWaiting),
            time: time)
    }

    /// How it has answered so far.
    public var statistics: Statistics { self.state.withLock { $0.statistics } }

    /// Drops every answer that was fetched from `url`, whatever it is kept by.
    ///
    /// - Throws: ``APIClientError`` if that is no http or https URL; the store's error.
    public func invalidate(_ url: String) async throws {
        let target = try HTTPTarget(url)
        let request = HTTPRequest(
            method: .get, scheme: target.scheme, authority: target.authority, path: target.path)
        guard let uri = CacheAsk.uri(of: request) else { return }
        self.state.withLock { $0.noteChange(of: uri) }
        try await self.store.invalidate(uri)
    }

    /// Drops every answer.
    ///
    /// - Throws: The store's error.
    public func removeAll() async throws {
        self.state.withLock { $0.noteChangeOfAll() }
        try await self.store.removeAll()
    }

    /// Ends what runs in the background, and waits until it has; what is kept stays in the store.
    public func close() async {
        let tasks = self.state.withLock { $0.close() }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    /// Answers a request from the store, or sends it on and keeps the answer.
    public func intercept(
        _ request: HTTPRequest, body: HTTPBody?,
        next: @escaping @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse
    ) async throws -> HTTPTransportResponse {
        let call = HTTPCacheCall.current
        guard call?.isBypassed != true, let ask = CacheAsk(request, self.settings, call) else {
            return try await next(request, body).marked(.bypass)
        }
        switch request.method {
        case .get where body == nil, .head where body == nil:
            // A part, or a condition that only the origin can judge, is nothing for a cache.
            guard !CacheConditions.needsOrigin(request.headerFields) else {
                return try await next(request, body).marked(.bypass)
            }
            return try await self.answer(ask, next)
        case .get, .head, .options, .trace:
            return try await next(request, body).marked(.method)
        default:
            return try await self.change(ask, body, next)
        }
    }

    // MARK: What the store says

    /// What a store returns, or `fallback` if it fails: a cache that does not work is an empty one.
    func tolerating<Value>(_ fallback: Value, _ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch {
            if error is CancellationError || Task.isCancelled { throw CancellationError() }
            self.state.withLock { $0.statistics.storeFailures += 1 }
            return fallback
        }
    }

    func count(_ field: WritableKeyPath<Statistics, Int>) {
        self.state.withLock { $0.statistics[keyPath: field] += 1 }
    }

    func report(_ kind: PolicyEventKind) {
        OperationContext.current?.record(PolicyEvent(kind, policy: "httpCache"))
    }
}

/// How a fetch ended, for those who waited for it.
enum FlightEnd: Sendable, Hashable {
    /// What came is in the store.
    case stored
    /// What came is for its own request alone.
    case notShared
    /// Nothing came, and what is stale stood in.
    case failed
}

extension HTTPTransportResponse {
    /// The same answer with a line that says what the cache did.
    func marked(_ status: CacheStatus) -> HTTPTransportResponse {
        var head = self.head
        head.headerFields.append(HTTPField(name: .cacheStatus, value: status.rawValue))
        if let bytes = self.bytes { return HTTPTransportResponse(head: head, bytes: bytes) }
        return HTTPTransportResponse(head: head, body: self.body)
    }
}
