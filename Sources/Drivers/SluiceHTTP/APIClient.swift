// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import Sluice

/// Calls HTTP services under policies: a deadline, retries that keep to `Retry-After`, and, for each host, a circuit breaker and
/// a rate limit.
///
/// ```swift
/// let client = APIClient("weather", transport: AsyncHTTPClientTransport())
/// let reply = try await client.get("https://api.example.org/today")
/// ```
public final class APIClient: Sendable {
    /// How many hosts' breakers and limiters are remembered; the least recently called is forgotten first.
    private static let maximumHosts = 1_000

    /// What it is for, in events, logs and metrics.
    public let name: String
    /// Its limits.
    public let configuration: APIClientConfiguration
    /// Its cookies; nil if it keeps none.
    public let cookies: CookieJar?
    let transport: any HTTPTransport
    let auth: (any HTTPMiddleware)?
    let cache: (any HTTPMiddleware)?
    let hooks: APIClientHooks
    let time: any TimeSource
    let base: Result<HTTPTarget, APIClientError>?
    /// Header fields of every request that does not say otherwise, with the codings it takes.
    let fields: HTTPFields
    /// Whether the codings it takes are its own choice, and not the configuration's.
    let choosesCodings: Bool
    let hosts: KeyedPipelines<String, HostLayers>
    let counter = CallCounter()
    /// Whether attempts end at their deadline by themselves: the transport sees to it, and nobody else takes time.
    let attemptsWatchDeadline: Bool
    private let observer: (any PolicyObserver)?
    private let call: Pipeline<WatchedDeadline>

    /// Creates a client.
    ///
    /// - Parameters:
    ///   - name: What it is for, in events, logs and metrics.
    ///   - configuration: Its limits.
    ///   - transport: What sends its requests.
    ///   - auth: What adds credentials to each attempt, and may send it again with fresh ones; only to the base URL's origin, or,
    ///     without a base URL, to the origin a call was made to.
    ///   - cache: What may answer before any policy is asked.
    ///   - cookies: What remembers cookies; nobody by default.
    ///   - hooks: The caller's own code around every request.
    ///   - time: The time line of its deadlines and waits.
    ///   - randomness: Where the jitter comes from.
    ///   - observer: Who is told of every call.
    public init(
        _ name: String, configuration: APIClientConfiguration = APIClientConfiguration(), transport: any HTTPTransport,
        auth: (any HTTPMiddleware)? = nil, cache: (any HTTPMiddleware)? = nil, cookies: CookieJar? = nil,
        hooks: APIClientHooks = APIClientHooks(), time: any TimeSource = SystemTime.shared,
        randomness: Randomness = .shared, observer: (any PolicyObserver)? = nil
    ) {
        self.name = name
        self.configuration = configuration
        self.transport = transport
        self.auth = auth
        self.cache = cache
        self.cookies = cookies
        self.hooks = hooks
        self.time = time
        self.observer = observer
        self.base = configuration.baseURL.map { url in
            do throws(APIClientError) { return .success(try HTTPTarget(url)) } catch { return .failure(error) }
        }
        var fields = configuration.fields
        self.choosesCodings = configuration.acceptsCompression && !fields.contains(.acceptEncoding)
        if self.choosesCodings { fields[.acceptEncoding] = "gzip, deflate" }
        self.fields = fields
        let policies = HostPolicies(
            name: name, configuration: configuration, time: time, randomness: randomness, observer: observer)
        self.hosts = KeyedPipelines(maximumCount: Self.maximumHosts, time: time) { _ in policies.pipeline() }
        self.call = Pipeline(name, time: time, observer: observer) { WatchedDeadline(configuration.deadline) }
        self.attemptsWatchDeadline = transport is any DeadlineWatchingTransport && auth == nil
    }

    /// Sends a request and brings its answer, its body complete.
    ///
    /// - Throws: ``APIClientError``, `RejectionError`, `TimeoutError`, `CancellationError`; what a hook or a body throws.
    public func send(_ request: APIRequest) async throws -> HTTPReply {
        let start = self.time.now
        let call = APICall(self, request, isStreamed: false)
        do {
            let isWatched = self.cache == nil && self.hooks.isEmpty
            let response = try await self.pipeline(for: request).outcome { context in
                isWatched ? try await call.run() : try await context.untilDeadline { try await call.run() }
            }.get()
            let body = try await response.collect(upTo: call.maximumBodyBytes)
            let duration = start.duration(to: self.time.now)
            self.counter.record(
                request.method.rawValue, request.routeTemplate, .success, attempts: call.attempts, duration: duration)
            return HTTPReply(
                status: response.head.status, fields: response.head.headerFields, body: body, url: call.target.text,
                attempts: call.attempts, duration: duration)
        } catch {
            throw self.recorded(error, of: call, since: start)
        }
    }

    /// Sends a request and brings its answer as soon as its head is there; the body is read as it arrives.
    ///
    /// The client's deadline bounds the wait for the head; the body is bounded by ``HTTPTransportSettings/readTimeout`` between two
    /// parts, and by ``APIRequest/deadline`` as a whole if the request has one. What is not read is not fetched: the server waits. The
    /// connection is given up when the answer is not used any more.
    ///
    /// - Throws: As ``send(_:)``. A call is never tried again once its answer was handed out.
    public func stream(_ request: APIRequest) async throws -> HTTPStream {
        let start = self.time.now
        let call = APICall(self, request, isStreamed: true)
        do {
            let response = try await self.pipeline(for: request).outcome { context in
                try await context.untilDeadline { try await call.run() }
            }.get()
            self.counter.record(
                request.method.rawValue, request.routeTemplate, .success, attempts: call.attempts,
                duration: start.duration(to: self.time.now))
            let body = request.deadline.map { limit -> HTTPBody.Parts in
                DeadlineBody(base: response.body, limit: limit, deadline: start.advanced(by: limit), time: self.time)
            }
            return HTTPStream(
                status: response.head.status, fields: response.head.headerFields, body: body ?? response.body,
                url: call.target.text, attempts: call.attempts)
        } catch {
            throw self.recorded(error, of: call, since: start)
        }
    }

    private func pipeline(for request: APIRequest) -> Pipeline<WatchedDeadline> {
        guard let limit = request.deadline else { return self.call }
        return Pipeline(self.name, time: self.time, observer: self.observer) { WatchedDeadline(limit) }
    }

    private func recorded(_ error: any Error, of call: APICall, since start: Instant) -> any Error {
        self.counter.record(
            call.request.method.rawValue, call.request.routeTemplate,
            error is CancellationError ? .cancelled : .failure,
            attempts: call.attempts, duration: start.duration(to: self.time.now))
        guard var error = error as? APIClientError else { return error }
        error.attempts = max(1, call.attempts)
        if error.retryAdvice != .never, error.retryAfter == nil {
            error.retryAfter = self.configuration.backoff.delay(beforeRetry: error.attempts, fraction: 1)
        }
        return error
    }

    /// How its calls went so far, by method and route.
    public var metrics: APIClientMetrics { self.counter.snapshot }

    /// How it stands with each host it has called lately.
    public var hostStates: [APIClientHost] {
        self.hosts.all.map { origin, pipeline in
            APIClientHost(
                origin: origin, breaker: pipeline.layer(CircuitBreaker.self)?.phase.rawValue ?? "closed",
                queued: pipeline.layer(RateLimit.self)?.queued ?? 0)
        }
    }

    /// Asks whether the service is well: sends a request that is tried once, for a health check.
    ///
    /// - Throws: As ``send(_:)`` if it is not reachable, answers with an error, or its breaker is open.
    public func checkHealth(_ path: String = "/", method: HTTPRequest.Method = .get) async throws {
        var request = APIRequest(method, path)
        request.maximumAttempts = 1
        _ = try await self.send(request)
    }

    /// Closes the transport's connections.
    public func close() async {
        await self.transport.close()
    }
}
