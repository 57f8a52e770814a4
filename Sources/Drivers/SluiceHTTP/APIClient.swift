// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import NIOCore
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

    private let name: String
    private let configuration: APIClientConfiguration
    private let transport: any HTTPTransport
    private let time: any TimeSource
    private let randomness: Randomness
    private let observer: (any PolicyObserver)?
    private let hosts = MemoryCache<String, Host>(maximumCost: maximumHosts)

    /// What is remembered of one host.
    private struct Host: Sendable {
        let limit: RateLimit
        let pipeline: Pipeline<AnyPolicy>
    }

    /// Creates a client.
    ///
    /// - Parameters:
    ///   - name: What it is for, in events, logs and metrics.
    ///   - configuration: Its limits.
    ///   - transport: What sends its requests.
    ///   - time: The time line of its deadlines and waits.
    ///   - randomness: Where the jitter comes from.
    ///   - observer: Who is told of every call.
    public init(
        _ name: String, configuration: APIClientConfiguration = APIClientConfiguration(), transport: any HTTPTransport,
        time: any TimeSource = SystemTime.shared, randomness: Randomness = .shared,
        observer: (any PolicyObserver)? = nil
    ) {
        self.name = name
        self.configuration = configuration
        self.transport = transport
        self.time = time
        self.randomness = randomness
        self.observer = observer
    }

    /// Fetches a URL.
    ///
    /// - Parameters:
    ///   - url: An absolute http or https URL.
    ///   - fields: Header fields to send; with `If-None-Match` or `If-Modified-Since`, status 304 is an answer, not an error.
    /// - Returns: An answer with status 2xx or 304, its body complete.
    /// - Throws: ``APIClientError``, `RejectionError`, `TimeoutError`, `CancellationError`.
    public func get(_ url: String, fields: HTTPFields = [:]) async throws -> HTTPReply {
        let target = try HTTPTarget(url)
        let request = HTTPRequest(
            method: .get, scheme: target.scheme, authority: target.authority, path: target.path, headerFields: fields)
        let host = self.host(of: target)
        var attempts = 1
        do {
            return try await host.pipeline.outcome(isIdempotent: true) { context in
                attempts = context.attempt
                do {
                    return try await self.attempt(request, target)
                } catch let error as APIClientError {
                    // What the server asked for holds for every caller, not only for this call's next attempt.
                    if let wait = error.retryAfter { host.limit.pause(until: context.time.now.advanced(by: wait)) }
                    throw error
                }
            }.get()
        } catch var error as APIClientError {
            error.attempts = attempts
            if error.retryAdvice != .never, error.retryAfter == nil {
                error.retryAfter = self.configuration.backoff.delay(beforeRetry: attempts, fraction: 1)
            }
            throw error
        }
    }

    /// Closes the transport's connections.
    public func close() async {
        await self.transport.close()
    }

    /// One attempt, its redirects included.
    private func attempt(_ request: HTTPRequest, _ target: HTTPTarget) async throws -> HTTPReply {
        var request = request
        var target = target
        for _ in 0...self.configuration.maximumRedirects {
            let response = try await self.transport.send(request, body: nil)
            guard let next = try target.redirect(response.head) else {
                return try await self.reply(response, to: target)
            }
            if !next.hasSameOrigin(as: target) {
                // Credentials were meant for the first host alone.
                for name in [HTTPField.Name.authorization, .cookie, .proxyAuthorization] {
                    request.headerFields[name] = nil
                }
            }
            target = next
            request.scheme = next.scheme
            request.authority = next.authority
            request.path = next.path
        }
        throw APIClientError(
            .tooManyRedirects, message: "more than \(self.configuration.maximumRedirects) redirects")
    }

    private func reply(_ response: HTTPTransportResponse, to target: HTTPTarget) async throws -> HTTPReply {
        let status = response.head.status
        guard status.kind == .successful || status == .notModified else {
            throw APIClientError(
                .status, message: "\(target.authority) answered \(status.code)", status: status.code,
                retryAfter: RetryAfter.duration(response.head.headerFields[.retryAfter]))
        }
        let limit = self.configuration.maximumBodyBytes
        let tooLarge = APIClientError(.bodyTooLarge, message: "the body is larger than \(limit) bytes")
        if let announced = response.head.headerFields[.contentLength].flatMap(Int.init), announced > limit {
            throw tooLarge
        }
        var body = ByteBuffer()
        for try await var part in response.body {
            guard body.readableBytes + part.readableBytes <= limit else { throw tooLarge }
            body.writeBuffer(&part)
        }
        return HTTPReply(status: status, fields: response.head.headerFields, body: body)
    }

    private func host(of target: HTTPTarget) -> Host {
        if let host = self.hosts.value(for: target.origin) { return host }
        let settings = self.configuration
        let limit = RateLimit(settings.callsPerMinute, per: .seconds(60))
        let pipeline = Pipeline(self.name, time: self.time, observer: self.observer) {
            Deadline(settings.deadline)
            Retry(maximumAttempts: settings.maximumAttempts, backoff: settings.backoff, randomness: self.randomness)
            CircuitBreaker(consecutiveFailures: settings.breakerFailures, openFor: settings.breakerOpenFor) { error in
                (error as? APIClientError)?.isServerFailure ?? true
            }
            limit
            Timeout(settings.attemptTimeout)
        }.erased()
        return self.hosts.insertIfAbsent(Host(limit: limit, pipeline: pipeline), for: target.origin, cost: 1)
    }
}

/// An answer, its body complete.
public struct HTTPReply: Sendable {
    /// The status.
    public let status: HTTPResponse.Status
    /// The header fields.
    public let fields: HTTPFields
    /// The body.
    public let body: ByteBuffer
}
