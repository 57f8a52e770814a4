// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
import Sluice

/// One request as a value: where it goes, what it carries, and in what it differs from its client's configuration.
///
/// ```swift
/// var request = APIRequest(.post, "/clubs/{club}/members", path: ["club": 7], content: try .json(member))
/// request.idempotencyKey = "a2c9"
/// ```
public struct APIRequest: Sendable {
    /// Which statuses are an answer, and not an error.
    public enum Acceptance: Sendable, Hashable {
        /// 2xx, and 304 if the request asked whether something has changed.
        case success
        /// Every status; those that say "not now" are tried again all the same.
        case any
    }

    /// The method.
    public var method: HTTPRequest.Method
    /// An absolute http or https URL, or a path below the client's base URL; `{name}` stands for a value of ``pathValues``.
    public var path: String
    /// The values for the placeholders in ``path``, each encoded as one segment.
    public var pathValues: HTTPParameters
    /// Added to the query that the path has.
    public var query: HTTPParameters
    /// Header fields, in place of the client's fields of the same name.
    public var fields: HTTPFields
    /// What it carries.
    public var content: HTTPContent?
    /// Sent as `Idempotency-Key`: the server does the same request once, so that it may be tried again whatever its method.
    ///
    /// - Source: draft-ietf-httpapi-idempotency-key-header-07.
    public var idempotencyKey: String?
    /// Whether doing it twice does no more than once; nil goes by the method, RFC 9110 §9.2.2, and by the key.
    public var isIdempotent: Bool?
    /// Which statuses are an answer.
    public var acceptance: Acceptance
    /// The longest the whole call may take, in place of the client's; more than zero.
    ///
    /// For a streamed answer, its body included.
    public var deadline: Duration?
    /// Attempts in total, if that is less than the client's; at least 1.
    public var maximumAttempts: Int?
    /// The largest body accepted, in bytes, in place of the client's.
    public var maximumBodyBytes: Int?
    /// What the answer is remembered by in the response cache, in place of its method, URL and varying fields.
    public var cacheKey: String?
    /// How long the answer is fresh in the response cache, in place of what it says of itself.
    public var timeToLive: Duration?
    /// What the call is counted as in metrics; by default the path as it was written, its numbers and ids left out.
    public var route: String?

    /// Creates a request.
    public init(
        _ method: HTTPRequest.Method = .get, _ path: String, path pathValues: HTTPParameters = [:],
        query: HTTPParameters = [:], fields: HTTPFields = [:], content: HTTPContent? = nil,
        acceptance: Acceptance = .success
    ) {
        self.method = method
        self.path = path
        self.pathValues = pathValues
        self.query = query
        self.fields = fields
        self.content = content
        self.acceptance = acceptance
    }

    /// Methods that do no more when they are done twice.
    ///
    /// - Source: RFC 9110 §9.2.2.
    static func isIdempotent(_ method: HTTPRequest.Method) -> Bool {
        switch method {
        case .get, .head, .put, .delete, .options, .trace: true
        default: false
        }
    }

    /// The path with its placeholders filled in and its query added.
    func expandedPath() throws(APIClientError) -> String {
        var text = self.path
        if !self.pathValues.isEmpty {
            for value in self.pathValues.all {
                // Servers and proxies take these for a way up, whether encoded or not.
                guard !["", ".", ".."].contains(value.value) else {
                    throw APIClientError(
                        .urlNotAllowed, message: "the path's value \(value.name) is empty or dots alone")
                }
                text = text.replacing("{\(value.name)}", with: PercentEncoding.component(value.value))
            }
            if text.contains("{") {
                throw APIClientError(.urlNotAllowed, message: "a placeholder of the path \(self.path) has no value")
            }
        }
        if !self.query.isEmpty { text += (text.contains("?") ? "&" : "?") + self.query.query }
        return text
    }

    /// The route it is counted as.
    var routeTemplate: String { self.route ?? RouteTemplate.template(of: self.path) }
}
