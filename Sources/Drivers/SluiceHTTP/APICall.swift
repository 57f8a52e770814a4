// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice

/// One call on its way: hooks, redirects, and for each hop the cache, the host's policies, authentication and the transport.
///
/// A class without lock, because it is touched by the call's one task alone.
final class APICall {
    /// How much of an answer nobody asked for is read, so that its connection can be used again: an error's, or a redirect's.
    private static let spareBytes = 65_536

    let request: APIRequest
    private let client: APIClient
    private let isStreamed: Bool
    private let startOrigin: String?
    /// Where the hop under way goes.
    private(set) var target = HTTPTarget.none
    /// How often the hop under way was tried; 0 if the cache has answered it.
    private(set) var attempts = 0
    /// Why the last answer is an error, with its reply.
    private var failure: APIClientError?

    init(_ client: APIClient, _ request: APIRequest, isStreamed: Bool) {
        self.client = client
        self.request = request
        self.isStreamed = isStreamed
        self.startOrigin = (try? client.base?.get())?.origin
    }

    private var configuration: APIClientConfiguration { self.client.configuration }
    var maximumBodyBytes: Int { self.request.maximumBodyBytes ?? self.configuration.maximumBodyBytes }

    /// Brings the answer: of a request that is not streamed with its body complete.
    func run() async throws -> HTTPTransportResponse {
        self.target = try HTTPTarget(try self.request.expandedPath(), below: try self.client.base?.get())
        let credentialOrigin = self.startOrigin ?? self.target.origin
        var outgoing = self.firstRequest()
        var body = self.request.content?.body
        if self.target.origin != credentialOrigin { self.removeCredentials(from: &outgoing.headerFields) }
        for _ in 0...self.configuration.maximumRedirects {
            let response = try await self.hop(&outgoing, body, isTrusted: self.target.origin == credentialOrigin)
            guard let next = try self.redirect(response.head) else { return try await self.accepted(response) }
            if self.isStreamed { _ = try? await response.collect(upTo: Self.spareBytes) }
            try Task.checkCancellation()
            try self.prepare(&outgoing, &body, for: next, after: response.head.status)
        }
        throw APIClientError(
            .tooManyRedirects, message: "more than \(self.configuration.maximumRedirects) redirects")
    }

    // MARK: The request

    private func firstRequest() -> HTTPRequest {
        var fields = self.configuration.fields
        for field in self.request.fields { fields[field.name] = nil }
        for field in self.request.fields { fields.append(field) }
        if let type = self.request.content?.type, fields[.contentType] == nil { fields[.contentType] = type }
        if let key = self.request.idempotencyKey { fields[.idempotencyKey] = Self.quoted(key) }
        if self.configuration.acceptsCompression, fields[.acceptEncoding] == nil {
            fields[.acceptEncoding] = "gzip, deflate"
        }
        return HTTPRequest(
            method: self.request.method, scheme: self.target.scheme, authority: self.target.authority,
            path: self.target.path, headerFields: fields)
    }

    /// As a string of structured fields.
    ///
    /// - Source: RFC 8941 §3.3.3.
    private static func quoted(_ key: String) -> String {
        "\""
            + key.filter { $0.isASCII && $0 >= " " && $0 != "\u{7F}" }.replacing("\\", with: "\\\\")
            .replacing("\"", with: "\\\"") + "\""
    }

    private func removeCredentials(from fields: inout HTTPFields) {
        for name in [HTTPField.Name.authorization, .cookie, .proxyAuthorization, .apiKey, .idempotencyKey] {
            fields[name] = nil
        }
        for name in self.configuration.credentialFields { fields[name] = nil }
    }

    // MARK: Redirects

    private func redirect(_ head: HTTPResponse) throws -> HTTPTarget? {
        // Who asks for every status and follows nothing wants to see the redirect itself.
        if self.request.acceptance == .any, self.configuration.maximumRedirects == 0 { return nil }
        return try self.target.redirect(head)
    }

    /// - Source: RFC 9110 §15.4; the WHATWG Fetch Standard for which methods become GET.
    private func prepare(
        _ outgoing: inout HTTPRequest, _ body: inout HTTPBody?, for next: HTTPTarget, after status: HTTPResponse.Status
    ) throws {
        if !next.hasSameOrigin(as: self.target) {
            // Credentials were meant for the first host alone.
            self.removeCredentials(from: &outgoing.headerFields)
        }
        let becomesGet =
            (status == .seeOther && outgoing.method != .head)
            || ((status == .movedPermanently || status == .found) && outgoing.method == .post)
        if becomesGet {
            outgoing.method = .get
            body = nil
            for name in [
                HTTPField.Name.contentType, .contentEncoding, .contentLanguage, .contentLocation, .idempotencyKey,
            ] {
                outgoing.headerFields[name] = nil
            }
        }
        if let body, !body.isReplayable {
            throw APIClientError(
                .bodyNotReplayable, message: "a redirect asks for the body again, and it is a stream that exists once")
        }
        self.target = next
        outgoing.scheme = next.scheme
        outgoing.authority = next.authority
        outgoing.path = next.path
    }

    // MARK: One hop

    private func hop(
        _ outgoing: inout HTTPRequest, _ body: HTTPBody?, isTrusted: Bool
    ) async throws -> HTTPTransportResponse {
        self.attempts = 0
        self.failure = nil
        try await self.client.hooks.beforeRequest?(&outgoing)
        var hop = outgoing
        if let jar = self.client.cookies, let cookies = jar.header(for: self.target) {
            hop.headerFields[.cookie] = hop.headerFields[.cookie].map { "\($0); \(cookies)" } ?? cookies
        }
        let start = self.client.time.now
        let response: HTTPTransportResponse
        if let cache = self.client.cache {
            response = try await cache.intercept(hop, body: body) { request, body in
                try await self.policed(request, body, isTrusted)
            }
        } else {
            response = try await self.policed(hop, body, isTrusted)
        }
        self.client.cookies?.take(response.head, from: self.target)
        if let hook = self.client.hooks.afterReply {
            await hook(hop, response.head, start.duration(to: self.client.time.now))
        }
        return response
    }

    /// Sends a request under the host's policies. An error status is an answer here, though within the policies it is a failure.
    private func policed(
        _ request: HTTPRequest, _ body: HTTPBody?, _ isTrusted: Bool
    ) async throws -> HTTPTransportResponse {
        let pipeline = self.client.hosts[self.target.origin]
        let isIdempotent = self.isIdempotent(request, body)
        let outcome = await pipeline.outcome(isIdempotent: isIdempotent) { context in
            self.attempts = context.attempt
            do {
                return try await self.attempt(request, body, isTrusted, isIdempotent, pipeline, context)
            } catch var error as APIClientError {
                error.isFinal = error.isFinal || body?.isReplayable == false || self.isLast(context.attempt)
                throw error
            }
        }
        if case .failure(let error) = outcome, let error = error as? APIClientError, let reply = error.reply {
            self.failure = error
            let head = HTTPResponse(status: reply.status, headerFields: reply.fields)
            return HTTPTransportResponse(head: head, bytes: reply.body)
        }
        return try outcome.get()
    }

    private func isLast(_ attempt: Int) -> Bool { self.request.maximumAttempts.map { attempt >= $0 } ?? false }

    private func isIdempotent(_ request: HTTPRequest, _ body: HTTPBody?) -> Bool {
        // What may end at a time limit with its stream half read cannot be done again.
        if body?.canBeMadeAgain == false { return false }
        return self.request.isIdempotent
            ?? (APIRequest.isIdempotent(request.method) || request.headerFields[.idempotencyKey] != nil)
    }

    private func attempt(
        _ request: HTTPRequest, _ body: HTTPBody?, _ isTrusted: Bool, _ isIdempotent: Bool,
        _ pipeline: Pipeline<HostLayers>, _ context: OperationContext
    ) async throws -> HTTPTransportResponse {
        var response: HTTPTransportResponse
        if isTrusted, let auth = self.client.auth {
            response = try await auth.intercept(request, body: body) { request, body in
                try await self.transmit(request, body, isIdempotent)
            }
        } else {
            response = try await self.transmit(request, body, isIdempotent)
        }
        if self.configuration.acceptsCompression {
            response = response.inflated(maximumRatio: self.configuration.maximumInflation)
        }
        let status = response.head.status
        if APIClientError.retriedStatuses.contains(status.code) { throw try await self.error(response) }
        if let pause = ServerHints.exhausted(response.head.headerFields, now: CalendarClock.secondsSince1970()) {
            // The answer is good, and the server says that the next one would not be.
            let limit = min(pause, RateLimit.maximumPause)
            pipeline.layer(RateLimit.self)?.pause(until: context.time.now.advanced(by: limit))
        }
        guard !self.isStreamed else { return response }
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
            return try await self.client.transport.send(request, body: body)
        } catch let error as APIClientError where error.kind == .connectionLost {
            guard error.wasNeverSent || (error.isStaleConnection && isIdempotent), body?.isReplayable ?? true else {
                throw error
            }
            return try await self.client.transport.send(request, body: body)
        }
    }

    // MARK: The answer

    /// The answer, or the error that it is.
    private func accepted(_ response: HTTPTransportResponse) async throws -> HTTPTransportResponse {
        let status = response.head.status
        if status.kind == .successful || status == .notModified || self.request.acceptance == .any { return response }
        if let failure = self.failure, failure.status == status.code { throw failure }
        throw try await self.error(response)
    }

    private func error(_ response: HTTPTransportResponse) async throws -> APIClientError {
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
            retryAfter: ServerHints.retryAfter(fields, now: CalendarClock.secondsSince1970()))
        error.reply = HTTPReply(
            status: status, fields: fields, body: body, url: self.target.text, attempts: self.attempts, duration: .zero)
        return error
    }
}

extension HTTPTarget {
    /// Stands where no request has been made yet.
    static let none = HTTPTarget(scheme: "", authority: "", path: "", origin: "")
}

extension HTTPField.Name {
    static let idempotencyKey = Self("Idempotency-Key")!
    static let apiKey = Self("X-API-Key")!
}
