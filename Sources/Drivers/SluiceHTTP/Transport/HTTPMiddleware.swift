// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes

/// Something between the client and the transport that may answer itself, change the request, or send it again.
///
/// Authentication and the response cache are middlewares.
public protocol HTTPMiddleware: Sendable {
    /// Brings an answer to `request`, by `next` or without it.
    ///
    /// - Parameters:
    ///   - request: What is to be sent: scheme, authority and path are set.
    ///   - body: What it carries; only one that ``HTTPBody/isReplayable`` can be handed to `next` again.
    ///   - next: Sends a request on and returns with the head of its answer. It may be called never, or again after an answer
    ///     whose body is not read any more; also by another task, and later than this call, since a cache asks anew for what it
    ///     has answered with already.
    /// - Throws: What `next` throws, unchanged, or an error of its own; never another error for a cancelled task.
    func intercept(
        _ request: HTTPRequest, body: HTTPBody?,
        next: @escaping @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse
    ) async throws -> HTTPTransportResponse
}
