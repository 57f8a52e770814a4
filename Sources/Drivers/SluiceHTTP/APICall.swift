// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice

/// One call on its way: hooks, redirects, and for each hop the cache, the host's policies, authentication and the transport.
///
/// A class without lock, because it is touched by the call's one task alone.
final class APICall {
    let request: APIRequest
    private let client: APIClient
    private let isStreamed: Bool
    /// Where the hop under way goes.
    private(set) var target = HTTPTarget.none
    private var hop: APIHop?

    init(_ client: APIClient, _ request: APIRequest, isStreamed: Bool) {
        self.client = client
        self.request = request
        self.isStreamed = isStreamed
    }

    private var configuration: APIClientConfiguration { self.client.configuration }
    var maximumBodyBytes: Int { self.request.maximumBodyBytes ?? self.configuration.maximumBodyBytes }
    /// How often the hop under way was tried; 0 if the cache has answered it.
    var attempts: Int { self.hop?.attempts ?? 0 }

    /// Brings the answer: of a request that is not streamed with its body complete.
    func run() async throws -> HTTPTransportResponse {
        let base = try self.client.base?.get()
        self.target = try HTTPTarget(try self.request.expandedPath(), below: base)
        let credentialOrigin = base?.origin ?? self.target.origin
        var outgoing = self.firstRequest()
        var body = self.request.content?.body
        if self.target.origin != credentialOrigin { self.removeCredentials(from: &outgoing.headerFields) }
        for _ in 0...self.configuration.maximumRedirects {
            let response = try await self.answer(&outgoing, body, isTrusted: self.target.origin == credentialOrigin)
            guard let next = try self.redirect(response.head) else { return try await self.accepted(response) }
            if self.isStreamed { _ = try? await response.collect(upTo: APIHop.spareBytes) }
            try Task.checkCancellation()
            try self.prepare(&outgoing, &body, for: next, after: response.head.status)
        }
        throw APIClientError(
            .tooManyRedirects, message: "more than \(self.configuration.maximumRedirects) redirects")
    }

    // MARK: The request

    private func firstRequest() -> HTTPRequest {
        var fields = self.client.fields
        for field in self.request.fields { fields[field.name] = nil }
        for field in self.request.fields { fields.append(field) }
        if let type = self.request.content?.type, fields[.contentType] == nil { fields[.contentType] = type }
        if let key = self.request.idempotencyKey { fields[.idempotencyKey] = Self.quoted(key) }
        // A range is one of the representation as it is sent: compressed, it would be another one.
        if fields.contains(.range), self.client.choosesCodings, !self.request.fields.contains(.acceptEncoding) {
            fields[.acceptEncoding] = "identity"
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

    private func answer(
        _ outgoing: inout HTTPRequest, _ body: HTTPBody?, isTrusted: Bool
    ) async throws -> HTTPTransportResponse {
        try await self.client.hooks.beforeRequest?(&outgoing)
        var request = outgoing
        if let jar = self.client.cookies, let cookies = jar.header(for: self.target) {
            request.headerFields[.cookie] = request.headerFields[.cookie].map { "\($0); \(cookies)" } ?? cookies
        }
        let hop = APIHop(
            self.client, self.request, self.target, isStreamed: self.isStreamed, isTrusted: isTrusted,
            maximumBodyBytes: self.maximumBodyBytes)
        self.hop = hop
        let start = self.client.time.now
        let response =
            self.client.cache == nil
            ? try await hop.policed(request, body) : try await hop.cached(request, body)
        self.client.cookies?.take(response.head, from: self.target)
        if let hook = self.client.hooks.afterReply {
            await hook(request, response.head, start.duration(to: self.client.time.now))
        }
        return response
    }

    /// The answer, or the error that it is.
    private func accepted(_ response: HTTPTransportResponse) async throws -> HTTPTransportResponse {
        let status = response.head.status
        if status.kind == .successful || status == .notModified || self.request.acceptance == .any { return response }
        if let failure = self.hop?.failure, failure.status == status.code { throw failure }
        guard let error = try await self.hop?.error(response) else { return response }
        throw error
    }
}

extension HTTPTarget {
    /// Stands where no request has been made yet.
    static let none = HTTPTarget(scheme: "", authority: "", path: "", origin: "")
}

extension HTTPField.Name {
    // A valid name in the source code cannot fail to be one.
    // swift-format-ignore: NeverForceUnwrap
    static let idempotencyKey = Self("Idempotency-Key")!
    // swift-format-ignore: NeverForceUnwrap
    static let link = Self("Link")!
    // swift-format-ignore: NeverForceUnwrap
    static let lastEventID = Self("Last-Event-ID")!
}
