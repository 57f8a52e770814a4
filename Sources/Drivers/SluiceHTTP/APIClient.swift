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

    private let configuration: APIClientConfiguration
    private let transport: any HTTPTransport
    private let hosts: KeyedPipelines<String, AnyPolicy>

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
        self.configuration = configuration
        self.transport = transport
        self.hosts = KeyedPipelines(maximumCount: Self.maximumHosts, time: time) { _ in
            Pipeline(name, isIdempotent: true, time: time, observer: observer) {
                Deadline(configuration.deadline)
                Retry(
                    maximumAttempts: configuration.maximumAttempts, backoff: configuration.backoff,
                    randomness: randomness)
                CircuitBreaker(
                    consecutiveFailures: configuration.breakerFailures, openFor: configuration.breakerOpenFor
                ) { error in
                    (error as? APIClientError)?.isServerFailure ?? true
                }
                // What the server asks for holds for every caller, not only for one call's next attempt.
                RateLimit(
                    RateLimitSettings(count: configuration.callsPerMinute, period: .seconds(60)), obeysHints: true)
                Timeout(configuration.attemptTimeout)
            }.erased()
        }
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
        var attempts = 1
        do {
            return try await self.hosts[target.origin].outcome { context in
                attempts = context.attempt
                return try await self.attempt(request, target)
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
