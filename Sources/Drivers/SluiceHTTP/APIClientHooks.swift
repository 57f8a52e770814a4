// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes

/// The caller's own code around every request: to add fields, to count, to log.
public struct APIClientHooks: Sendable {
    /// Called before each hop of a call, that is once, and once more for each redirect; may change the request, or
    /// throw to end the call.
    ///
    /// The cache, the policies and authentication come after it.
    public var beforeRequest: (@Sendable (inout HTTPRequest) async throws -> Void)?
    /// Called with the head of each hop's answer and how long it took, whatever its status.
    public var afterReply: (@Sendable (HTTPRequest, HTTPResponse, Duration) async -> Void)?

    var isEmpty: Bool { self.beforeRequest == nil && self.afterReply == nil }

    /// Creates hooks.
    public init(
        beforeRequest: (@Sendable (inout HTTPRequest) async throws -> Void)? = nil,
        afterReply: (@Sendable (HTTPRequest, HTTPResponse, Duration) async -> Void)? = nil
    ) {
        self.beforeRequest = beforeRequest
        self.afterReply = afterReply
    }
}
