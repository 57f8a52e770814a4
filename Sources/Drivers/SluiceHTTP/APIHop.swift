// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import Synchronization

/// One hop of a call: the cache, the host's policies, authentication and the transport, from the outside in.
///
/// It may outlive its call, since a cache asks anew in the background for what it has answered with.
final class APIHop: Sendable {
    private struct Progress {
        var attempts = 0
        var failure: APIClientError?
    }

    /// How much of an answer nobody asked for is read, so that its connection can be used again: an error's, or a redirect's.
    static let spareBytes = 65_536

    private let client: APIClient
    private let request: APIRequest
    private let target: HTTPTarget
    private let isStreamed: Bool
    /// Whether credentials may go there.
    private let isTrusted: Bool
    private let maximumBodyBytes: Int
    private let progress = Mutex(Progress())

    init(
        _ client: APIClient, _ request: APIRequest, _ target: HTTPTarget, isStreamed: Bool, isTrusted: Bool,
        maximumBodyBytes: Int
    ) {
        self.client = client
        self.request = request
        self.target = target
        self.isStreamed = isStreamed
        self.isTrusted = isTrusted
        self.maximumBodyBytes = maximumBodyBytes
    }

    private var configuration: APIClientConfiguration { self.client.configuration }
    /// How often it was tried; 0 if the cache has answered it.
    var attempts: Int { self.progress.withLock { $0.attempts } }
    /// Why the last answer is an error, with its reply.
    var failure: APIClientError? { self.progress.withLock { $0.failure } }

    /// One like this that nothing has happened to.
    private func another() -> APIHop {
        APIHop(
            self.client, self.request, self.target, isStreamed: self.isStreamed, isTrusted: self.isTrusted,
            maximumBodyBytes: self.maximumBodyBytes)
    }

    private func note(_ attempt: Int) {
        self.progress.withLock { progress in
            progress.attempts = attempt
            progress.failure = nil
        }
    }

    /// Brings the answer from the cache, or through it.
    func cached(_ request: HTTPRequest, _ body: HTTPBody?) async throws -> HTTPTransportResponse {
        guard let cache = self.client.cache else { return try await self.policed(request, body) }
        let next: @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse = { request, body in
            // What the cache asks for in the background is no attempt of the call's.
            let hop = HTTPCacheCall.current?.isRefresh == true ? self.another() : self
            return try await hop.policed(request, body)
        }
        let isSigned = self.isTrusted && self.client.auth != nil
        let isNamed = self.request.cacheKey != nil || self.request.timeToLive != nil
        guard isSigned || isNamed else { return try await cache.intercept(request, body: body, next: next) }
        // What the caller said around the call holds, its scope above all, unless the request says otherwise.
        var call = HTTPCacheCall.current ?? HTTPCacheCall()
        call.isSigned = isSigned
        if isNamed {
            // An answer with a key of the caller's own is fresh for as long as the caller says, or the client.
            call.timeToLive = self.request.timeToLive ?? self.configuration.timeToLive
            call.key = self.request.cacheKey ?? call.key
        }
        return try await HTTPCacheCall.$current.withValue(call) {
            try await cache.intercept(request, body: body, next: next)
        }
    }

    /// Sends a request under the host's policies.
    ///
    /// An error status is an answer here, though within the policies it is a failure.
    func policed(
        _ request: HTTPRequest, _ body: HTTPBody?
    ) async throws -> HTTPTransportResponse {
        let pipeline = self.client.hosts[self.target.origin]
        let isIdempotent = self.isIdempotent(request, body)
        let outcome = await pipeline.outcome(isIdempotent: isIdempotent) { context in
            self.note(context.attempt)
            let duty = AuthDuty()
            do {
                // Only a transport that gathers the answer watches the deadline until it is there.
                if self.client.attemptsWatchDeadline, !self.isStreamed, body?.bytes != nil || body == nil {
                    return try await self.attempt(request, body, isIdempotent, pipeline, context, duty)
                }
                return try await context.untilDeadline {
                    try await self.attempt(request, body, isIdempotent, pipeline, context, duty)
                }
            } catch {
                throw duty.judged(
                    self.final(error, body, context.attempt), attemptTimeout: self.configuration.attemptTimeout, context
                )
            }
        }
        if case .failure(let error) = outcome {
            if let failure = error as? AuthFailure { throw failure.base }
            if let error = error as? APIClientError, let reply = error.reply {
                self.progress.withLock { $0.failure = error }
                let head = HTTPResponse(status: reply.status, headerFields: reply.fields)
                return HTTPTransportResponse(head: head, bytes: reply.body)
            }
        }
        return try outcome.get()
    }

    /// The error, which knows whether an attempt can follow.
    private func final(_ error: any Error, _ body: HTTPBody?, _ attempt: Int) -> any Error {
        guard var error = error as? APIClientError else { return error }
        error.isFinal = error.isFinal || body?.isReplayable == false || self.isLast(attempt)
        return error
    }

    private func isLast(_ attempt: Int) -> Bool { self.request.maximumAttempts.map { attempt >= $0 } ?? false }

    private func isIdempotent(_ request: HTTPRequest, _ body: HTTPBody?) -> Bool {
        // What may end at a time limit with its stream half read cannot be done again.
        if body?.canBeMadeAgain == false { return false }
        return self.request.isIdempotent
            ?? (APIRequest.isIdempotent(request.method) || request.headerFields[.idempotencyKey] != nil)
    }

    private func attempt(
        _ request: HTTPRequest, _ body: HTTPBody?, _ isIdempotent: Bool,
        _ pipeline: Pipeline<HostLayers>, _ context: OperationContext, _ duty: AuthDuty
    ) async throws -> HTTPTransportResponse {
        var response: HTTPTransportResponse
        if self.isTrusted, let auth = self.client.auth {
            response = try await duty.run {
                try await auth.intercept(request, body: body) { request, body in
                    try await duty.leave { try await self.transmit(request, body, isIdempotent) }
                }
            }
        } else {
            response = try await self.transmit(request, body, isIdempotent)
        }
        if self.configuration.acceptsCompression {
            response = response.inflated(maximumRatio: self.configuration.maximumInflation)
        }
        let status = response.head.status
        if APIClientError.retriedStatuses.contains(status.code) { throw try await self.error(response) }
        if let pause = ServerHints.exhausted(response.head.headerFields, now: WallTime.now().seconds) {
            // The answer is good, and the server says that the next one would not be.
            let limit = min(pause, RateLimit.maximumPause)
            pipeline.layer(RateLimit.self)?.pause(until: context.time.now.advanced(by: limit))
        }
        guard !self.isStreamed else { return response }
        // The usual small answer, gathered by the transport; what it announced does not matter any more.
        if let bytes = response.bytes, bytes.readableBytes <= self.maximumBodyBytes { return response }
        if let length = response.head.headerFields[.contentLength].flatMap(Int.init), length > self.maximumBodyBytes,
            request.method != .head
        {
            throw HTTPTransportResponse.tooLarge(self.maximumBodyBytes)
        }
        return HTTPTransportResponse(
            head: response.head, bytes: try await response.collect(upTo: self.maximumBodyBytes))
    }

    /// Sends a request, and once more if it is certain that the server saw nothing of it, or, for what may be done twice, most
    /// probable: the server closed a connection that was kept for the next request.
    private func transmit(
        _ request: HTTPRequest, _ body: HTTPBody?, _ isIdempotent: Bool
    ) async throws -> HTTPTransportResponse {
        do {
            return try await self.exchange(request, body)
        } catch let error as APIClientError where error.kind == .connectionLost {
            guard error.wasNeverSent || (error.isStaleConnection && isIdempotent), body?.isReplayable ?? true else {
                throw error
            }
            return try await self.exchange(request, body)
        }
    }

    private func exchange(_ request: HTTPRequest, _ body: HTTPBody?) async throws -> HTTPTransportResponse {
        self.isStreamed
            ? try await self.client.transport.send(request, body: body)
            : try await self.client.transport.fetch(request, body: body, upTo: self.maximumBodyBytes)
    }

    // MARK: The answer

    func error(_ response: HTTPTransportResponse) async throws -> APIClientError {
        let (status, fields) = (response.head.status, response.head.headerFields)
        // Who takes every status wants the body whole.
        let isAnswer = self.request.acceptance == .any
        let limit = isAnswer ? self.maximumBodyBytes : Self.spareBytes
        let body: ByteBuffer
        do {
            body = try await response.collect(upTo: limit)
        } catch let error as APIClientError where !isAnswer || error.kind != .bodyTooLarge {
            // The status says more than a body that cannot be read.
            body = ByteBuffer()
        }
        var error = APIClientError(
            .status, message: "\(self.target.authority) answered \(status.code)", status: status.code,
            retryAfter: ServerHints.retryAfter(fields, now: WallTime.now().seconds))
        error.reply = HTTPReply(
            status: status, fields: fields, body: body, url: self.target.text, attempts: self.attempts, duration: .zero)
        return error
    }
}
